"""Storing usage that adds up: reports of older plans, by their metrics, and minutes of runners.

One event for each report and each call, keyed by it, so that a second one is impossible. There is
no watermark: what lies in a period and has no event yet gets one, whether a hint came or not, in
whatever order reports were committed.

An event lies where its report was received, within the period and in no minute that contains a
bound (design rule 14). What is found when the invoice of its period may be final already is billed
with the period that is running: it comes late and is not lost.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from bencher import clock
from billing import claims
from series import received

# Every minute; the hourly look at everything finds what this misses.
OF_LATE = timedelta(hours=2)
# Stripe takes nothing older.
EVERYTHING = timedelta(days=35)
# A draft stands for an hour at least.
_LATE_AFTER = timedelta(minutes=45)

_SPANS = """
span AS (
    SELECT organization_id, starts_at, ends_at, metered_from, true AS by_metrics
    FROM billing_metricsperiod
    WHERE ends_at > {clock} - %(look_back)s
      AND (%(organizations)s::bigint[] IS NULL OR organization_id = ANY(%(organizations)s))
    UNION ALL
    SELECT organization_id, starts_at, ends_at, starts_at, false
    FROM billing_billingperiod
    WHERE ends_at > {clock} - %(look_back)s
      AND (%(organizations)s::bigint[] IS NULL OR organization_id = ANY(%(organizations)s))
)
"""

# At most one of a kind, and seldom one of each.
_CURRENT = """
LEFT JOIN LATERAL (
    SELECT running.starts_at, running.ends_at FROM span running
    WHERE running.organization_id = {organization}
      AND running.starts_at <= {clock} AND {clock} < running.ends_at
    ORDER BY running.by_metrics LIMIT 1
) running ON {ends_at} <= {clock} - %(late_after)s
"""

_STORE = """
WITH {spans},
used AS (
    SELECT 'metrics' AS meter, span.*, report.uuid, report.received_at, report.metrics AS value
    FROM span CROSS JOIN LATERAL ({reports}) report
    WHERE span.by_metrics
      AND NOT EXISTS (SELECT FROM billing_meterevent event
                      WHERE event.meter = 'metrics' AND event.source_uuid = report.uuid)
      -- What was received while series were billed is billed by them.
      AND NOT EXISTS (SELECT FROM billing_billingperiod pro
                      WHERE pro.organization_id = span.organization_id
                        AND pro.starts_at <= report.received_at
                        AND report.received_at < pro.ends_at)
    UNION ALL
    SELECT 'runner_minutes', span.*, call.uuid, call.received_at, call.minutes
    FROM span JOIN billing_runnerminutes call ON call.organization_id = span.organization_id
     AND call.received_at >= greatest(span.metered_from, {clock} - %(look_back)s)
     AND call.received_at < span.ends_at
    WHERE NOT EXISTS (SELECT FROM billing_meterevent event
                      WHERE event.meter = 'runner_minutes' AND event.source_uuid = call.uuid)
)
INSERT INTO billing_meterevent
    (meter, organization_id, customer_id, source_uuid, value, timestamp, identifier, reason,
     counted_at, attempts)
SELECT used.meter, used.organization_id, customer.id, used.uuid, used.value,
       CASE WHEN running.starts_at IS NULL THEN {own_stamp} ELSE {late_stamp} END,
       used.meter || '-' || used.uuid, 'usage', {clock}, 0
FROM used
JOIN billing_billingcustomer customer ON customer.organization_id = used.organization_id
{current}
WHERE used.value > 0
ON CONFLICT DO NOTHING
"""

_CARRY_OVER = """
WITH {spans}
UPDATE billing_meterevent event SET timestamp = moved.stamp
FROM (
    SELECT late.id, {late_stamp} AS stamp
    FROM billing_meterevent late
    JOIN span ON span.organization_id = late.organization_id
     AND span.starts_at <= late.timestamp AND late.timestamp < span.ends_at
    {current}
    WHERE late.source_uuid IS NOT NULL AND running.starts_at IS NOT NULL AND {to_send}
) moved
WHERE event.id = moved.id AND event.attempts = 0 AND event.claimed_at IS NULL
"""


def _stamp_sql(at: str, span: str) -> str:
    """Return the SQL expression for where in a span an event of an instant lies."""
    return (
        f"least(greatest(date_trunc('second', {at}),"
        f" date_trunc('minute', {span}.starts_at) + interval '1 minute'),"
        f" date_trunc('minute', {span}.ends_at) - interval '1 second')"
    )


def store(*, organization_ids: Sequence[int] | None = None, look_back: timedelta = OF_LATE) -> int:
    """Store an event for all usage that has none yet, of some organizations or of all.

    Returns how many were stored. Nothing is stored while no Stripe key is configured.
    """
    if not settings.BILLING_CONFIGURED:
        return 0
    now = clock.sql()
    sql = _STORE.format(
        spans=_SPANS.format(clock=now),
        reports=received.sql(
            organization="span.organization_id",
            since=f"greatest(span.metered_from, {now} - %(look_back)s)",
            before=f"least(span.ends_at, {now})",
        ),
        own_stamp=_stamp_sql("used.received_at", "used"),
        late_stamp=_stamp_sql(now, "running"),
        current=_CURRENT.format(
            clock=now, organization="used.organization_id", ends_at="used.ends_at"
        ),
        clock=now,
    )
    return _execute(sql, organization_ids, look_back)


def carry_over() -> int:
    """Move what was not tried before its invoice may be final to the period that is running.

    What was tried stays where it is: Stripe may have it there. Returns how many were moved.
    """
    now = clock.sql()
    sql = _CARRY_OVER.format(
        spans=_SPANS.format(clock=now),
        late_stamp=_stamp_sql(now, "running"),
        current=_CURRENT.format(
            clock=now, organization="late.organization_id", ends_at="span.ends_at"
        ),
        to_send=" AND ".join(f"late.{part}" for part in claims.TO_SEND.split(" AND ")),
    )
    return _execute(sql, None, EVERYTHING + EVERYTHING)


def _execute(sql: str, organization_ids: Sequence[int] | None, look_back: timedelta) -> int:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "organizations": None if organization_ids is None else list(organization_ids),
                "look_back": look_back,  # type: ignore[dict-item]
                "late_after": _LATE_AFTER,  # type: ignore[dict-item]
            },
        )
        return int(cursor.rowcount)
