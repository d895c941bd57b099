"""Stripe's error reports about meters: noted on arrival, read afterwards, linked, and told of.

They come as thin events, which dj-stripe does not know, to an address of their own.
"""

import logging
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import transaction

from billing import gateway
from billing.models import MeterErrorReport, MeterErrorSample, MeterEvent

logger = logging.getLogger(__name__)

# Of all thin events, those that this is about.
ABOUT = "v1.billing.meter."


def receive(body: bytes, *, signature: str, now: datetime) -> MeterErrorReport | None:
    """Note a thin event and enqueue its handling; None where it is about something else.

    A repeat is noted once. Raises ForgedError unless Stripe signed it with one of our secrets.
    """
    event = _parsed(body, signature=signature)
    if not event.type.startswith(ABOUT):
        return None
    with transaction.atomic(durable=True):
        report, created = MeterErrorReport.objects.get_or_create(
            event_id=event.id, defaults={"type": event.type, "received_at": now}
        )
        if created:
            transaction.on_commit(partial(_enqueue, report.pk), robust=True)
    return report


def handle(report: MeterErrorReport, *, now: datetime) -> None:
    """Read a report's details, link what it names to our events, and say it loudly.

    Raises TemporaryError where Stripe can't be asked: the report stays to be handled.
    """
    try:
        found = gateway.connect().meter_error_report(report.event_id)
    except gateway.RefusedError as error:
        logger.exception("a meter's error report can't be read", extra={"report": report.pk})
        MeterErrorReport.objects.filter(pk=report.pk).update(handled_at=now, failure=str(error))
        return
    with transaction.atomic(durable=True):
        unhandled = MeterErrorReport.objects.filter(pk=report.pk, handled_at=None)
        if not unhandled.update(
            handled_at=now,
            meter_id=found.meter_id,
            summary=found.summary,
            starts_at=datetime.fromisoformat(found.starts_at),
            ends_at=datetime.fromisoformat(found.ends_at),
            errors=found.count,
        ):
            return
        _link(report, found)
    logger.error(
        "Stripe could not use meter events",
        extra={"report": report.pk, "errors": found.count, "why": found.summary},
    )


def handle_waiting(*, now: datetime) -> int:
    """Handle every report whose task was lost; returns how many were looked at."""
    waiting = list(MeterErrorReport.objects.filter(handled_at=None).order_by("received_at")[:100])
    for report in waiting:
        try:
            handle(report, now=now)
        except gateway.TemporaryError:
            logger.warning("Stripe does not answer", extra={"report": report.pk})
            break
    return len(waiting)


def _parsed(body: bytes, *, signature: str) -> gateway.ThinEvent:
    # Two while one takes the other's place.
    secrets = [secret for secret in settings.STRIPE_THIN_WEBHOOK_SECRET.split(",") if secret]
    for secret in secrets:
        try:
            return gateway.connect().parse_thin_event(body, signature=signature, secret=secret)
        except gateway.ForgedError:
            continue
    raise gateway.ForgedError("None of the secrets that we know fits the event.")


def _link(report: MeterErrorReport, found: gateway.MeterErrorReport) -> None:
    samples = [(kind.code, sample) for kind in found.errors for sample in kind.samples]
    identifiers = [sample.identifier for _, sample in samples if sample.identifier]
    ours = {
        event.identifier: event for event in MeterEvent.objects.filter(identifier__in=identifiers)
    }
    MeterErrorSample.objects.bulk_create(
        MeterErrorSample(
            report=report,
            code=code,
            message=sample.message,
            identifier=sample.identifier,
            event=ours.get(sample.identifier),
            organization_id=(
                ours[sample.identifier].organization_id if sample.identifier in ours else None
            ),
        )
        for code, sample in samples
    )


def _enqueue(report_id: int) -> None:
    from billing.tasks import handle_meter_errors

    handle_meter_errors.delay(report_id=report_id)
