"""What billing holds of names: statements' lines, Stripe's mirror and webhooks, what failed."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import starmap
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import JSONField, Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from djstripe.models import WebhookEventTrigger

from bencher.tenancy import erasing
from bencher.tenancy.erasing import UUID_AS_TEXT, RefusedError, Stage, Subject, blank
from bencher.tenancy.models import Organization, User
from billing import checkouts, gateway, redaction
from billing.models import (
    BillingCustomer,
    BillingPeriod,
    Cancellation,
    Checkout,
    Correction,
    Freeze,
    MeterErrorReport,
    MeterErrorSample,
    Notice,
    Plan,
    Release,
    RunnerMinutes,
    ScheduledRun,
    StatementLine,
    Verification,
    WebhookReceipt,
)

# What dj-stripe keeps in columns of their own beside the object itself.
_TEXTS = ("email", "idempotency_key", "fingerprint")
# What people and programs wrote, which may name anybody.
_FREE_TEXTS: list[tuple[type[Model], str]] = [
    (Cancellation, "reason"),
    (Freeze, "reason"),
    (Freeze, "ended_why"),
    (MeterErrorReport, "failure"),
    (MeterErrorReport, "summary"),
    (MeterErrorSample, "message"),
    (Cancellation, "waits_for"),
    (Notice, "failure"),
    (Release, "reason"),
    (ScheduledRun, "failure"),
    (Verification, "failure"),
    (WebhookReceipt, "failure"),
]


def register_parts() -> None:
    """Register all of it; called when the app starts."""
    erasing.register_check(Organization, _check_not_billed)
    erasing.register_check(User, _check_pays_nothing)
    erasing.register(
        Organization,
        _OpenCheckouts(),
        # Display only and outside of the hash; the database lets just this through.
        blank(
            "statement lines",
            lambda of: StatementLine.objects.filter(statement__organization=of),
            project_name="",
            testbed_name="",
            benchmark_name="",
            measure_name="",
        ),
        # A key stays one of its own, so that no call can be repeated under it.
        blank(
            "calls about runner minutes",
            lambda of: RunnerMinutes.objects.filter(organization=of),
            runner="",
            idempotency_key=UUID_AS_TEXT,
        ),
        _Mirror(),
        blank("webhook bodies", _webhooks, headers={}, body="", exception="", traceback=""),
        *starmap(_free_text, _FREE_TEXTS),
        _CORRECTIONS,
    )
    erasing.register(
        User,
        _Mirror(),
        blank("webhook bodies", _webhooks, headers={}, body="", exception="", traceback=""),
        *starmap(_free_text, _FREE_TEXTS),
        _CORRECTIONS,
    )


def _free_text(model: type[Any], field: str) -> erasing.Rows:
    empty: dict[str, Any] = {field: ""}
    return blank(
        f"{model._meta.verbose_name_plural}, their {field}",
        lambda of: model.objects.filter(erasing.mentions(of, field)),
        **empty,
    )


# Corrections are final but for this, and must have a reason.
_CORRECTIONS = blank(
    "reasons of corrections",
    lambda of: Correction.objects.filter(erasing.mentions(of, "why")),
    why="erased",
)


def _check_not_billed(organization: Organization) -> None:
    if Plan.objects.filter(organization=organization, ended_at=None).exists():
        raise RefusedError(
            f"{organization.slug} has a plan that has not ended. Cancel it, and erase the"
            " organization when it has ended."
        )
    # Its projects will be deleted, which would change what the period is billed.
    if BillingPeriod.objects.filter(
        organization=organization, state=BillingPeriod.State.OPEN
    ).exists():
        raise RefusedError(
            f"{organization.slug} has a period that is not closed, and its bill would change. Beat"
            " closes it some minutes after its end; `manage.py close_periods` does so at once."
        )


def _check_pays_nothing(user: User) -> None:
    """Refuse for whoever alone could end a plan."""
    for plan in Plan.objects.filter(
        ended_at=None, organization__memberships__user=user
    ).select_related("organization"):
        if not plan.organization.memberships.exclude(user=user).exists():
            raise RefusedError(
                f"{user.email} is the only member of {plan.organization.slug}, which has a plan"
                " that has not ended. Cancel it first, or make somebody else a leader."
            )


class _OpenCheckouts:
    """A checkout that could still be completed. One that was makes a plan, and that refuses."""

    what = "open checkouts"
    stage = Stage.PREPARE

    def left(self, organization: Organization) -> int:
        """Return 1 while one is open."""
        return self._open(organization).count()

    def erase(self, organization: Organization, *, now: datetime) -> int:
        """Expire it at Stripe and here. Raises RefusedError where that is not certain."""
        number = self.left(organization)
        try:
            checkouts.expire_open(organization, now=now)
        except (gateway.GatewayError, gateway.NotConfiguredError) as error:
            raise RefusedError(
                f"{organization.slug} has an open checkout, and Stripe could not be told to expire"
                " it. Nothing was erased; try again in some minutes."
            ) from error
        return number

    def _open(self, organization: Organization) -> QuerySet[Checkout]:
        return Checkout.objects.filter(organization=organization, state=Checkout.State.OPEN)


class _Mirror:
    """Objects of Stripe's that dj-stripe mirrors: of a customer whole, of a person in parts."""

    what = "mirrored Stripe objects"
    stage = Stage.BLANK

    def left(self, subject: Subject) -> int:
        """Return how many still name the subject."""
        return sum(1 for _ in self._changes(subject))

    def erase(self, subject: Subject, *, now: datetime) -> int:
        """Redact them."""
        number = 0
        with transaction.atomic(durable=True):
            for row, change in self._changes(subject):
                type(row)._default_manager.filter(pk=row.pk).update(**change)
                number += 1
        return number

    def _changes(self, subject: Subject) -> Iterator[tuple[Model, dict[str, Any]]]:
        pattern = _pattern(subject)
        for model in _mirrored() if pattern else ():
            for row in _naming(model, pattern).iterator(chunk_size=100):
                if change := _change(row, subject):
                    yield row, change


def _mirrored() -> list[type[Model]]:
    return [model for model in apps.get_app_config("djstripe").get_models() if _objects(model)]


def _objects(model: type[Model]) -> list[str]:
    return [field.name for field in model._meta.fields if isinstance(field, JSONField)]


def _change(row: Model, subject: Subject) -> dict[str, Any]:
    change = {}
    for name in _objects(type(row)):
        value = getattr(row, name)
        redacted = (
            redaction.of_person(value, subject.email)
            if isinstance(subject, User)
            else redaction.of_customer(value)
        )
        if redacted != value:
            change[name] = redacted
    for name in _TEXTS:
        text = getattr(row, name, "")
        if text and (isinstance(subject, Organization) or subject.email in text.lower()):
            change[name] = ""
    return change


def _naming(model: type[Model], pattern: str) -> QuerySet[Any]:
    """Return the rows whose JSON names one of the ids, or the person."""
    texts = [Cast(name, TextField()) for name in _objects(model)]
    whole = Concat(Value(""), *texts, output_field=TextField())
    return model._default_manager.annotate(whole=whole).filter(whole__iregex=pattern)


def _webhooks(subject: Subject) -> QuerySet[WebhookEventTrigger]:
    pattern = _pattern(subject)
    named = Q(body__iregex=pattern) if pattern else Q(pk__in=[])
    found: QuerySet[WebhookEventTrigger] = WebhookEventTrigger.objects.filter(named)
    return found


def _pattern(subject: Subject) -> str:
    """Return a regular expression for what only the subject's objects hold, empty for nothing."""
    if isinstance(subject, User):
        return re.escape(subject.email)
    ids = _ids(subject)
    return f'"({"|".join(map(re.escape, sorted(ids)))})"' if ids else ""


def _ids(organization: Organization) -> set[str]:
    """Return the ids of all that is the customer's at Stripe: of what names it, and so on."""
    ids = {
        *BillingCustomer.objects.filter(organization=organization).values_list(
            "stripe_customer_id", flat=True
        ),
        *Plan.objects.filter(organization=organization).values_list(
            "stripe_subscription_id", flat=True
        ),
        *Checkout.objects.filter(organization=organization).values_list(
            "stripe_session_id", flat=True
        ),
    }
    if not ids:
        return set()
    pattern = f'"({"|".join(map(re.escape, sorted(ids)))})"'
    for model in _mirrored():
        if any(field.name == "id" for field in model._meta.fields):
            ids |= {str(found) for found in _naming(model, pattern).values_list("id", flat=True)}
    return ids
