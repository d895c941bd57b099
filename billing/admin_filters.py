"""What staff filter lists by that is no column: each one condition, and cheap by an index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.http import HttpRequest

from bencher import clock
from billing import drift_rows, gauges
from billing.models import (
    METERED_STATUSES,
    TO_SEND,
    BillingPeriod,
    Freeze,
    Level,
    MeterEvent,
    Status,
)

Condition = Callable[[datetime], Q]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a filter's choices: how it is called and which rows it keeps, as of an instant."""

    label: str
    rows: Condition


def by_choice(
    *, title: str, parameter: str, choices: Mapping[str, Choice]
) -> type[admin.SimpleListFilter]:
    """Return a filter with these choices. One that nobody knows keeps every row."""

    class ByChoice(admin.SimpleListFilter):
        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(name, choice.label) for name, choice in choices.items()]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            chosen = choices.get(str(self.value()))
            return queryset.filter(chosen.rows(clock.now())) if chosen else queryset

    ByChoice.title, ByChoice.parameter_name = title, parameter
    return ByChoice


def _trial_ends_within(length: timedelta) -> Condition:
    return lambda now: Q(
        status=Status.TRIALING, trial_ends_at__gte=now, trial_ends_at__lt=now + length
    )


def _is_over_first_band(now: datetime) -> Q:
    last = MeterEvent.objects.filter(
        customer__organization=OuterRef("organization"),
        meter=MeterEvent.Meter.ACTIVE_SERIES,
        period=OuterRef("pk"),
    ).order_by("-timestamp")
    over = BillingPeriod.objects.filter(
        plan=OuterRef("pk"), starts_at__lte=now, ends_at__gt=now
    ).annotate(last=Subquery(last.values("value")[:1]))
    is_over = Exists(over.filter(last__gt=Cast(KT("tiers__0__up_to"), BigIntegerField())))
    return Q(is_over, ended_at=None, level=Level.PRO)


def _not_posted_for(hours: int) -> Condition:
    def condition(now: datetime) -> Q:
        posted = MeterEvent.objects.filter(
            organization=OuterRef("organization"),
            meter=MeterEvent.Meter.ACTIVE_SERIES,
            counted_at__gt=now - timedelta(hours=hours),
        )
        metered = Q(ended_at=None, level=Level.PRO, status__in=METERED_STATUSES)
        return metered & ~Q(Exists(posted))

    return condition


def _is_refused(now: datetime) -> Q:
    """Keep what the gauge of rejected events counts."""
    own = {name: OuterRef(name) for name in ("customer", "meter", "period")}
    newer = MeterEvent.objects.filter(timestamp__gt=OuterRef("timestamp"), **own)
    # Of a period the last value counts; what adds up has none.
    last = Q(source_uuid=None) & ~Q(period__state=BillingPeriod.State.SETTLED) & ~Q(Exists(newer))
    adds_up = Q(source_uuid__isnull=False, rejected_at__gt=now - gauges.LATELY)
    return Q(rejected_at__isnull=False, superseded_at=None) & (last | adds_up)


def _of_type(beginning: str) -> Condition:
    return lambda _: Q(type__startswith=beginning)


_OWN = {"organization": OuterRef("organization")}
_EXISTS_DRIFT = Q(Exists(drift_rows.unresolved_of_plans()))
_EXISTS_FREEZE = Q(Exists(Freeze.objects.filter(ended_at=None, **_OWN)))


_FROZEN = Q(organization__in=Freeze.objects.filter(ended_at=None).values("organization"))
_HELD_BACK = Q(held_at__isnull=False) | _FROZEN

Outbox = by_choice(
    title="outbox",
    parameter="outbox",
    choices={
        "goes-out": Choice("to be sent", lambda _: TO_SEND & ~_HELD_BACK),
        "held-back": Choice("held back, or billing is frozen", lambda _: TO_SEND & _HELD_BACK),
        "refused": Choice("refused, and still to be billed", _is_refused),
    },
)
Proof = by_choice(
    title="proof at Stripe",
    parameter="proof",
    choices={
        "draft": Choice(
            "not seen, its invoice a draft",
            lambda _: Q(verified_at=None, passed_unverified_at=None, finalizes_at__isnull=False),
        ),
        "passed": Choice(
            "not seen, its invoice final",
            lambda _: Q(verified_at=None, passed_unverified_at__isnull=False),
        ),
    },
)
StatementProof = by_choice(
    title="proof at Stripe",
    parameter="proof",
    choices={
        "not-seen": Choice(
            "not seen yet",
            lambda _: Q(
                period__state=BillingPeriod.State.FROZEN, period__verification__verified_at=None
            ),
        ),
    },
)
DiffersLately = by_choice(
    title="differs",
    parameter="differs",
    choices={
        "lately": Choice(
            f"in the last {gauges.LATELY.days} days",
            lambda now: Q(agrees=False, settled_at__gt=now - gauges.LATELY),
        ),
    },
)
Decided = by_choice(
    title="decided",
    parameter="decided",
    choices={
        "no": Choice("waits for a second person", lambda _: Q(decision=None)),
        "applied": Choice("applied", lambda _: Q(decision__applied=True)),
        "declined": Choice("declined", lambda _: Q(decision__applied=False)),
    },
)
Standing = by_choice(
    title="standing",
    parameter="standing",
    choices={
        "past-due": Choice(
            "past due or unpaid",
            lambda _: Q(ended_at=None, status__in=[Status.PAST_DUE, Status.UNPAID]),
        ),
        "held": Choice("held", lambda _: Q(ended_at=None, held_at__isnull=False)),
        "live": Choice("live", lambda _: Q(ended_at=None)),
        "ended": Choice("ended", lambda _: Q(ended_at__isnull=False)),
    },
)
Due = by_choice(
    title="to be closed",
    parameter="due",
    choices={
        "yes": Choice(
            "ended and not closed",
            lambda now: Q(state=BillingPeriod.State.OPEN, ends_at__lte=now),
        ),
    },
)
Trial = by_choice(
    title="trial",
    parameter="trial",
    choices={
        "ending": Choice("ends within a week", _trial_ends_within(timedelta(days=7))),
        "running": Choice("runs", lambda _: Q(status=Status.TRIALING)),
    },
)
Usage = by_choice(
    title="usage",
    parameter="usage",
    choices={
        "over": Choice("over the first band, as stored last", _is_over_first_band),
    },
)
Posted = by_choice(
    title="posted",
    parameter="posted",
    choices={
        f"not-for-{hours}h": Choice(f"not for {hours} hours", _not_posted_for(hours))
        for hours in (2, 26, 50)
    },
)
Differs = by_choice(
    title="drift",
    parameter="drift",
    choices={
        "yes": Choice("figures differ", lambda _: _EXISTS_DRIFT),
        "frozen": Choice("billing frozen", lambda _: _EXISTS_FREEZE),
    },
)
WebhookType = by_choice(
    title="type",
    parameter="about",
    choices={
        name: Choice(label, _of_type(name))
        for name, label in {
            "customer.subscription.": "subscriptions",
            "invoice.": "invoices",
            "checkout.session.": "checkouts",
        }.items()
    },
)
