"""Ending a plan: with its period, not after all, or at once.

At once takes a few minutes, for the last usage is billed and proven like any other: the period is
cut at a whole minute just ahead and the fence raised to it, so that nothing can enter it any more;
once that minute has come the period is closed, its closing value delivered, Stripe's summary
compared, and only then is the subscription canceled and invoiced. Each step finds what the one
before it left, so that a crash anywhere is continued by the next run of the timer.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from bencher.tenancy import deletion
from bencher.tenancy.models import Organization, User
from billing import (
    checkouts,
    close,
    gateway,
    metered_usage,
    metrics_periods,
    minutes,
    periods,
    plans,
    posting,
)
from billing.meter_readings import Readings
from billing.models import (
    TERMINAL_STATUSES,
    BillingCustomer,
    BillingPeriod,
    Cancellation,
    Level,
    MeterEvent,
    Plan,
    Statement,
)
from series import fence

logger = logging.getLogger(__name__)

# A period that ends so soon is left to end: cut or not, its bill is the same.
_TOO_LATE = timedelta(minutes=3)


class AlreadyEndedError(Exception):
    """The plan has ended."""


class PeriodEndsSoonError(Exception):
    """The period ends within minutes, or an older one is still to be closed: not now."""


class _NotYetError(Exception):
    """A step has to wait; the message says for what."""


def at_period_end(plan: Plan, *, cancel: bool, now: datetime) -> Plan:
    """Let a plan end with its period, or take that back; returns the plan.

    Raises AlreadyEndedError, TemporaryError and RefusedError.
    """
    if plan.ended_at is not None:
        raise AlreadyEndedError("The plan has ended already.")
    stripe = gateway.connect()
    if cancel:
        # One that is to become Pro next month is under a schedule, which Stripe wants gone first.
        stripe.release_from_schedule(plan.stripe_subscription_id)
    found = stripe.set_cancel_at_period_end(plan.stripe_subscription_id, cancel=cancel)
    logger.info("cancellation at period end set", extra={"plan": plan.pk, "cancel": cancel})
    return plans.store(found, asked_at=now)


def at_once(
    plan: Plan, *, by: User, reason: str, now: datetime, deletes_organization: bool = False
) -> Cancellation:
    """Begin to end a plan at once; the timer carries it on. A repeat returns the same one.

    Raises AlreadyEndedError and PeriodEndsSoonError.
    """
    with transaction.atomic(durable=True):
        # The fence comes first: a report under way holds it, and then the organization.
        fence.hold_exclusively(plan.organization_id)
        Organization.objects.select_for_update(no_key=True).get(pk=plan.organization_id)
        plan = Plan.objects.get(pk=plan.pk)
        if plan.ended_at is not None:
            raise AlreadyEndedError("The plan has ended already.")
        begun = Cancellation.objects.filter(plan=plan).first()
        if begun is None:
            begun = Cancellation.objects.create(
                plan=plan,
                requested_by=by,
                reason=reason,
                requested_at=now,
                ends_at=_cut(plan, now=now),
                deletes_organization=deletes_organization,
            )
            logger.info("plan is being canceled", extra={"plan": plan.pk, "by": by.pk})
        elif deletes_organization and not begun.deletes_organization:
            begun.deletes_organization = True
            begun.save(update_fields=["deletes_organization"])
    return begun


def would_end_at(plan: Plan, *, now: datetime) -> datetime:
    """Return the minute from which nothing would be counted, changing nothing.

    Raises what `at_once` does.
    """
    if plan.ended_at is not None:
        raise AlreadyEndedError("The plan has ended already.")
    begun = Cancellation.objects.filter(plan=plan).first()
    return begun.ends_at if begun else _where_to_cut(plan, now=now)[0]


def _cut(plan: Plan, *, now: datetime) -> datetime:
    """Cut the open period and fence it off; returns the minute at which it ends."""
    at, period = _where_to_cut(plan, now=now)
    if period is None:
        metrics_periods.cut_off(plan, at=at)
        return at
    periods.cut_off(plan, at=at)
    fence.raise_to(plan.organization_id, at)
    return at


def _where_to_cut(plan: Plan, *, now: datetime) -> tuple[datetime, BillingPeriod | None]:
    """Return the minute at which a plan can be ended, and the open period that it cuts."""
    ended = BillingPeriod.objects.filter(
        organization_id=plan.organization_id, state=BillingPeriod.State.OPEN, ends_at__lte=now
    )
    if ended.exists():
        raise PeriodEndsSoonError(
            "A period has ended and is not closed yet. Try again when it is, in some minutes."
        )
    period = plan.periods.filter(state=BillingPeriod.State.OPEN).first()
    if period is None:
        return minutes.cut_off(starts_at=now, now=now), None
    at = minutes.cut_off(starts_at=period.starts_at, now=now)
    if at + _TOO_LATE > period.ends_at:
        raise PeriodEndsSoonError(
            f"The period ends at {period.ends_at:%Y-%m-%d %H:%M} UTC, in minutes. Cancel the plan"
            " at the end of the period, or try again when it is closed."
        )
    return at, period


def waiting() -> list[Cancellation]:
    """Return what is not finished, oldest first."""
    found = Cancellation.objects.filter(finished_at=None).select_related("plan__organization")
    return list(found.order_by("requested_at"))


def go_on(*, now: datetime) -> int:
    """Carry every cancellation as far as it goes; returns how many were finished."""
    finished = 0
    for cancellation in waiting():
        try:
            _go_on(cancellation, now=now)
            finished += 1
        except _NotYetError as reason:
            _wait(cancellation, str(reason))
        except gateway.TemporaryError as error:
            _wait(cancellation, f"Stripe does not answer: {error}")
        except Exception as error:
            logger.exception("plan not canceled", extra={"cancellation": cancellation.pk})
            _wait(cancellation, f"{type(error).__name__}: {error}")
    return finished


def _wait(cancellation: Cancellation, why: str) -> None:
    cancellation.waits_for = why[:300]
    cancellation.save(update_fields=["waits_for"])


def _go_on(cancellation: Cancellation, *, now: datetime) -> None:
    plan = cancellation.plan
    if plan.ended_at is None:
        period = plan.periods.filter(ends_at=cancellation.ends_at).first()
        _close(cancellation, period, now=now)
        _check_is_delivered(plan, period)
        _end(plan, period, now=now)
    cancellation.waits_for, cancellation.finished_at = "", now
    if cancellation.deletes_organization:
        assert cancellation.requested_by is not None
        deletion.delete(plan.organization, now=now, by=cancellation.requested_by)
    cancellation.save(update_fields=["waits_for", "finished_at"])
    logger.info("plan canceled", extra={"plan": plan.pk, "cancellation": cancellation.pk})


def _close(cancellation: Cancellation, period: BillingPeriod | None, *, now: datetime) -> None:
    if now < cancellation.ends_at:
        raise _NotYetError(f"{cancellation.ends_at:%H:%M} UTC, where the last period ends.")
    if period is not None and period.state == BillingPeriod.State.OPEN:
        # No delay: the fence stands at its end since the cancellation began.
        close.close(period.pk, now=now)


def _check_is_delivered(plan: Plan, period: BillingPeriod | None) -> None:
    metered_usage.store(organization_ids=[plan.organization_id])
    waiting_ = MeterEvent.objects.filter(
        organization_id=plan.organization_id,
        sent_at=None,
        rejected_at=None,
        superseded_at=None,
    ).count()
    if waiting_:
        raise _NotYetError(f"{waiting_} meter events that are still to be sent.")
    if period is None or plan.level != Level.PRO or posting.is_dark():
        return
    statement = Statement.objects.get(period=period)
    held = Readings().held(
        price_id=period.stripe_price_id,
        customer_id=BillingCustomer.objects.get(organization=plan.organization).stripe_customer_id,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
    )
    if held != statement.series:
        raise _NotYetError(f"Stripe's meter, which holds {held} for {statement.series} series.")


def _end(plan: Plan, period: BillingPeriod | None, *, now: datetime) -> None:
    stripe = gateway.connect()
    found = stripe.subscription(plan.stripe_subscription_id)
    if found.status not in TERMINAL_STATUSES:
        found = stripe.cancel_subscription(
            found.id, invoice_now=_is_to_be_invoiced(found, period, now=now)
        )
    plan.ended_at = plans.store(found, asked_at=now).ended_at
    if period is not None and period.kind == BillingPeriod.Kind.PAID and found.ended_at:
        # The invoice's line ends where Stripe's period does: with the subscription, or before.
        BillingPeriod.objects.filter(pk=period.pk, invoiced_until__gt=found.ended_at).update(
            invoiced_until=found.ended_at
        )


def _is_to_be_invoiced(
    found: gateway.Subscription, period: BillingPeriod | None, *, now: datetime
) -> bool:
    # Once Stripe's own period has ended, its invoice is made, and the next one is not ours to bill.
    return period is None or period.invoiced_until is None or now < period.invoiced_until


def end_with_organization(organization: Organization, now: datetime, by: User) -> bool:
    """End what bills an organization before it is deleted; False while that takes its time.

    Then it is deleted by itself once its plan has ended. Raises StillInUseError and
    UnavailableError, and nothing was begun then.
    """
    try:
        if settings.BILLING_CONFIGURED:
            checkouts.expire_open(organization, now=now)
        plan = Plan.objects.filter(organization=organization, ended_at=None).first()
        if plan is None:
            return True
        # Whether Stripe answers is seen before anything is cut.
        if plans.sync(plan.stripe_subscription_id).ended_at is not None:
            return True
    except (gateway.GatewayError, gateway.NotConfiguredError) as error:
        raise deletion.UnavailableError(
            f"{organization.slug} was not deleted: its plan has to end first, and Stripe does not"
            " answer. Nothing was changed; try again in some minutes."
        ) from error
    except plans.ForeignSubscriptionError as error:
        raise deletion.StillInUseError(
            f"{organization.slug} was not deleted: its plan has to end first, and Stripe holds a"
            " subscription for it that does not fit. Please tell the people who run this site."
        ) from error
    try:
        at_once(plan, by=by, reason="organization deleted", now=now, deletes_organization=True)
    except PeriodEndsSoonError as error:
        raise deletion.StillInUseError(f"{organization.slug} was not deleted. {error}") from error
    except AlreadyEndedError:
        return True
    return False
