"""The figures of usage that adds up: what was used, what the outbox has of it, how far it came.

Of many periods at once and in one statement, so one snapshot. Values are metrics or minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection

from billing import metered_usage, minutes
from billing.models import BillingPeriod, MeterEvent, MetricsPeriod
from series import received


@dataclass(frozen=True, slots=True)
class Metered:
    """A period in which one meter adds up what an organization uses."""

    meter: MeterEvent.Meter
    period: BillingPeriod | MetricsPeriod
    stripe_customer_id: str


@dataclass(frozen=True, slots=True)
class Window:
    """The whole minutes of a period up to which nothing was sent just now: what can be compared."""

    metered: Metered
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class UsageFigures:
    """What is known here of the usage of one meter in one period."""

    # Sources are reports, or calls about minutes: those that have had no event for too long, and
    # those whose event has another value.
    unposted: int
    unposted_value: int
    altered: int
    # Events that stand for no source; 0 where deleted reports were purged, which leave theirs.
    orphans: int
    rejected: int
    rejected_value: int
    undelivered: int
    undelivered_value: int
    # Of the window: what Stripe must hold, and what it may hold besides.
    delivered: int
    perhaps: int


# The reports or calls that a meter bills in a period, each with what it is worth.
_SOURCES = """
SELECT source.uuid, source.received_at, source.metrics AS value
FROM ({reports}) source
WHERE wanted.meter = 'metrics' AND source.metrics > 0
  -- What was received while series were billed is billed by them.
  AND NOT EXISTS (SELECT FROM billing_billingperiod pro
                  WHERE pro.organization_id = span.organization_id
                    AND pro.starts_at <= source.received_at AND source.received_at < pro.ends_at)
UNION ALL
SELECT uuid, received_at, minutes FROM billing_runnerminutes
WHERE wanted.meter = 'runner_minutes' AND organization_id = span.organization_id
  AND received_at >= span.metered_from AND received_at < span.ends_at
"""

_IN_PERIOD = """
event.customer_id = customer.id AND event.meter = wanted.meter AND event.source_uuid IS NOT NULL
  AND event.timestamp >= span.starts_at AND event.timestamp < span.ends_at
"""
# A source is posted within 35 days and carried over within as many again.
_LATEST = 2 * metered_usage.EVERYTHING

_WANTED = """
FROM unnest(%(meters)s::text[], %(metrics_periods)s::bigint[], %(periods)s::bigint[],
            %(starts)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY
     AS wanted (meter, metrics_period_id, period_id, starts_at, ends_at, place)
JOIN LATERAL (
    SELECT organization_id, starts_at, ends_at, metered_from
    FROM billing_metricsperiod WHERE id = wanted.metrics_period_id
    UNION ALL
    SELECT organization_id, starts_at, ends_at, starts_at
    FROM billing_billingperiod WHERE id = wanted.period_id
) span ON true
JOIN billing_billingcustomer customer ON customer.organization_id = span.organization_id
"""

_CUT = f"""
SELECT wanted.place, sent_of_late.at
{_WANTED}
CROSS JOIN LATERAL (
    SELECT min(date_trunc('minute', event.timestamp)) AS at
    FROM billing_meterevent event
    WHERE {_IN_PERIOD} AND event.sent_at >= %(lagging)s
) sent_of_late
"""  # noqa: S608 - constants of this module


def window(metered: Metered) -> Window:
    """Return all whole minutes of a period, in which all of its events lie (design rule 14)."""
    return Window(
        metered,
        minutes.first_instant(metered.period.starts_at) - minutes.MINUTE,
        minutes.last_minute(metered.period.ends_at) + minutes.MINUTE,
    )


def settled(wanted: Sequence[Window], *, lagging: datetime) -> list[Window]:
    """Return windows that end before what was sent since `lagging`, if that lies in them.

    Stripe may still be summing that up. Usage is stamped as it comes, so this leaves out minutes.
    """
    cut = dict(_rows(_CUT, wanted, lagging=lagging))
    return [
        replace(one, ends_at=min(one.ends_at, cut.get(place) or one.ends_at))
        for place, one in enumerate(wanted, start=1)
    ]


def of(
    wanted: Sequence[Window], *, lagging: datetime, forgotten: datetime
) -> list[UsageFigures | None]:
    """Return the figures of each, None where its period is gone.

    What was received before `forgotten` must have an event; what was counted before `lagging` must
    be delivered.
    """
    rows = _rows(_sql(), wanted, lagging=lagging, forgotten=forgotten)
    found = {place: UsageFigures(*figures) for place, *figures in rows}
    return [found.get(place) for place in range(1, len(wanted) + 1)]


def _rows(sql: str, wanted: Sequence[Window], **instants: datetime) -> list[tuple[Any, ...]]:
    periods = [one.metered.period for one in wanted]
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "meters": [one.metered.meter.value for one in wanted],
                "metrics_periods": [
                    period.pk if isinstance(period, MetricsPeriod) else None for period in periods
                ],
                "periods": [
                    period.pk if isinstance(period, BillingPeriod) else None for period in periods
                ],
                "starts": [one.starts_at for one in wanted],
                "ends": [one.ends_at for one in wanted],
                "latest": _LATEST,  # type: ignore[dict-item]
                **instants,
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _sql() -> str:
    reports = received.sql(
        organization="CASE WHEN wanted.meter = 'metrics' THEN span.organization_id END",
        since="span.metered_from",
        before="span.ends_at",
    )
    sources = _SOURCES.format(reports=reports)
    # An event is stamped where its source was received, or in a later period.
    known = received.sql(
        organization="span.organization_id",
        since="span.starts_at - %(latest)s",
        before="span.ends_at",
    )
    return f"""
SELECT wanted.place, used.unposted, used.unposted_value, used.altered, outbox.*
{_WANTED}
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE missing) AS unposted,
           coalesce(sum(source.value) FILTER (WHERE missing), 0)::bigint AS unposted_value,
           count(*) FILTER (WHERE event.value <> source.value) AS altered
    FROM ({sources}) source
    LEFT JOIN billing_meterevent event
      ON event.meter = wanted.meter AND event.source_uuid = source.uuid
    CROSS JOIN LATERAL (
        SELECT event.id IS NULL AND source.received_at < %(forgotten)s AS missing
    ) judged
) used
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE is_orphan) AS orphans,
           count(event.rejected_at) AS rejected,
           coalesce(sum(event.value) FILTER (WHERE event.rejected_at IS NOT NULL), 0)::bigint,
           count(*) FILTER (WHERE is_late) AS undelivered,
           coalesce(sum(event.value) FILTER (WHERE is_late), 0)::bigint,
           coalesce(sum(event.value) FILTER (
               WHERE in_window AND event.sent_at < %(lagging)s
           ), 0)::bigint AS delivered,
           coalesce(sum(event.value) FILTER (
               WHERE in_window AND (
                   event.sent_at >= %(lagging)s
                   -- An attempt that nobody answered; one that was seen to be missing is not there.
                   OR event.sent_at IS NULL AND event.unanswered_since IS NOT NULL
                      AND event.missing_at IS NULL
               )
           ), 0)::bigint AS perhaps
    FROM billing_meterevent event
    CROSS JOIN LATERAL (
        SELECT event.timestamp >= wanted.starts_at AND event.timestamp < wanted.ends_at
                   AS in_window,
               event.sent_at IS NULL AND event.rejected_at IS NULL
                   AND event.counted_at < %(lagging)s AS is_late,
               CASE wanted.meter
                   WHEN 'runner_minutes' THEN NOT EXISTS (
                       SELECT FROM billing_runnerminutes call WHERE call.uuid = event.source_uuid
                   )
                   ELSE NOT EXISTS (
                       SELECT FROM ({known}) report WHERE report.uuid = event.source_uuid
                   ) AND NOT EXISTS (
                       SELECT FROM series_expiredevidence expired
                       WHERE expired.organization_id = span.organization_id
                   )
               END AS is_orphan
    ) judged
    WHERE {_IN_PERIOD}
) outbox
"""  # noqa: S608 - constants of this module, and a registered query
