"""Celery tasks: the edge where the clock is read. Ids only, keyword-only, safe to repeat."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction

from bencher import clock
from billing import (
    canceling,
    checkouts,
    close,
    cover,
    days,
    following,
    gateway,
    hints,
    mailing,
    meter_errors,
    metered_usage,
    noticing,
    outbox,
    posting,
    pruning,
    reconcile,
    runs,
    second_subscriptions,
    settlement,
    sweep,
    undecided,
    usage_reconcile,
    verification,
    waking,
    webhooks,
)
from billing.models import MeterErrorReport, MeterEvent, Plan

logger = logging.getLogger(__name__)


@shared_task
def post_active_series(*, organization_id: int, **_: object) -> None:
    """Post what an organization used: its count where that changed, or its older plan's metrics."""
    hints.began(organization_id)
    if metered_usage.store(organization_ids=[organization_id]):
        send_meter_events.delay()
    plan = Plan.objects.filter(organization_id=organization_id, ended_at=None).first()
    if plan is None:
        return
    with transaction.atomic(durable=True):
        stored = posting.store([plan.pk], reason=MeterEvent.Reason.HINT, even_if_unchanged=False)
    if stored:
        send_meter_events.delay()


@shared_task
def send_meter_events(**_: object) -> None:
    """Send what waits in the outbox."""
    if not settings.BILLING_CONFIGURED:
        return
    per_second = (
        outbox.LIVE_EVENTS_PER_SECOND
        if settings.STRIPE_LIVE_MODE or settings.STRIPE_IS_SANDBOX
        else outbox.TEST_EVENTS_PER_SECOND
    )
    outbox.send(gateway.connect(), per_second=per_second)


@shared_task
def store_metered_usage(*, everything: bool = False, **_: object) -> None:
    """Store what adds up and has no event yet: of late, or as far back as Stripe takes it."""
    stored = metered_usage.store(
        look_back=metered_usage.EVERYTHING if everything else metered_usage.OF_LATE
    )
    if stored + metered_usage.carry_over():
        send_meter_events.delay()


@shared_task
def settle_undecided(**_: object) -> None:
    """Mark as sent what Stripe's meter shows; what is missing waits for a person."""
    if settings.BILLING_CONFIGURED:
        undecided.settle(now=clock.now())


@shared_task
def handle_webhooks(**_: object) -> None:
    """Handle a batch of webhooks; where Stripe can't be asked, the timer does it later."""
    waking.began()
    handled = webhooks.handle_waiting(now=clock.now())
    if handled.more:
        # At the end of the queue, behind whatever else waits to be done.
        handle_webhooks.delay()
    if handled.invoices:
        close_periods.delay()
    if handled.subjects:
        send_meter_events.delay()


@shared_task
def handle_meter_errors(*, report_id: int, **_: object) -> None:
    """Read what Stripe could not use; where Stripe can't be asked, the timer does it later."""
    report = MeterErrorReport.objects.filter(pk=report_id, handled_at=None).first()
    if report is None:
        return
    try:
        meter_errors.handle(report, now=clock.now())
    except gateway.TemporaryError:
        logger.warning("error report waits for Stripe", extra={"report": report_id})


@shared_task
def nightly_sweep(**_: object) -> None:
    """Post every active Pro organization's cumulative count."""
    now = clock.now()
    with runs.recorded("sweep", now=now) as run:
        swept = sweep.run(on=now.date())
        run.result = asdict(swept)
    send_meter_events.delay()


@shared_task
def nightly_reconcile(**_: object) -> None:
    """Compare every figure of every period that may still change, of each meter that bills it."""
    now = clock.now()
    with runs.recorded("reconcile", now=now) as run:
        tally = reconcile.Tally()
        for checked in usage_reconcile.everything(now=now):
            tally.add(checked.differences, checked.unknown)
        run.result = asdict(tally)


@shared_task
def nightly_days(**_: object) -> None:
    """Count on which days the series of running periods reported first, for the chart."""
    with runs.recorded("days", now=clock.now()) as run:
        counted = days.count_running()
        run.result = {"periods": counted.periods, "failed": counted.failed}


@shared_task
def nightly_prune(**_: object) -> None:
    """Remove old values that were never sent, because a newer one took their place."""
    now = clock.now()
    with runs.recorded("prune", now=now) as run:
        kept = timedelta(days=settings.OUTBOX_KEEP_DAYS)
        run.result = {"removed": pruning.prune(now=now, keep=kept)}


@shared_task
def pre_close(**_: object) -> None:
    """Post once more for periods that are about to end."""
    if sweep.pre_close(now=clock.now()):
        send_meter_events.delay()


@shared_task
def close_periods(**_: object) -> None:
    """Close every period that is due; one that fails holds only its own organization's."""
    closed = [attempt for attempt in close.close_due(now=clock.now()) if attempt.statement]
    if closed:
        send_meter_events.delay()


@shared_task
def verify_closings(**_: object) -> None:
    """See at Stripe that what was closed is there, before its invoice is final."""
    if not settings.BILLING_CONFIGURED:
        return
    if verification.run(now=clock.now()).resent:
        send_meter_events.delay()


@shared_task
def send_notices(**_: object) -> None:
    """Tell leaders by e-mail what has happened and they have not been told yet."""
    now = clock.now()
    noticing.find(now=now)
    mailing.send_due(now=now)


@shared_task
def sync_plans(**_: object) -> None:
    """Follow Stripe by timer: checkouts, ended periods, lost webhooks, final invoices."""
    if not settings.BILLING_CONFIGURED:
        return
    now = clock.now()
    stages: list[Callable[[], object]] = [
        partial(webhooks.handle_waiting, now=now),
        partial(checkouts.follow, now=now),
        partial(following.run, now=now),
        partial(second_subscriptions.finish, now=now),
        partial(cover.end_without_plan, now=now),
        partial(canceling.go_on, now=now),
        partial(meter_errors.handle_waiting, now=now),
        partial(settlement.settle_due, now=now),
    ]
    # One stage that fails must not keep the others from running, minute after minute.
    _each(stages, lambda stage: stage())


def _each(subjects: list[Any], act: Callable[[Any], object]) -> int:
    done = 0
    for subject in subjects:
        try:
            act(subject)
            done += 1
        except Exception:
            logger.exception("failed, going on with the others", extra={"subject": subject})
    return done
