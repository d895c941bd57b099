"""Counting plans and storing what is to be posted: the one way into the outbox for open periods.

Lock the plans, count in the next statement, and stamp each value with the time of that counting
statement. A stamp read before the lock could put an older time on a newer count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import connection, transaction

from bencher import clock, db
from bencher.db import transaction_required
from billing.models import METERED_STATUSES, MeterEvent, Plan
from series import counting


@dataclass(frozen=True, slots=True)
class Posted:
    """A value that was stored for posting."""

    event_id: int
    organization_id: int
    period_id: int
    value: int
    timestamp: datetime


# Plans whose period has ended belong to close: the ledger's rows have moved on (design rule 10).
# So do those that are being canceled: what is seen from now on is dated to where they are cut.
_COUNTED = """
due AS (
    SELECT plan.organization_id, customer.id AS customer_id, customer.stripe_customer_id,
           period.id AS period_id, period.starts_at, period.ends_at, period.basis,
           {clock} AS counted_at,
           date_trunc('minute', period.starts_at) + interval '1 minute' AS first_at,
           date_trunc('minute', period.ends_at) - interval '1 minute' AS last_minute
    FROM billing_plan plan
    JOIN billing_billingcustomer customer ON customer.organization_id = plan.organization_id
    JOIN billing_billingperiod period ON period.plan_id = plan.id AND period.state = 'open'
     AND period.starts_at <= {clock} AND {clock} < period.ends_at
    WHERE plan.id = ANY(%(plans)s::bigint[]) AND plan.ended_at IS NULL AND plan.level = 'pro'
      AND plan.status = ANY(%(statuses)s::text[])
      AND NOT EXISTS (SELECT FROM billing_cancellation cancellation
                      WHERE cancellation.plan_id = plan.id AND cancellation.finished_at IS NULL)
),
counted AS (
    SELECT due.*, active.billed AS value, latest.value AS latest_value,
           greatest(date_trunc('second', due.counted_at), due.first_at,
                    latest.timestamp + interval '1 second') AS stamp
    FROM due
    CROSS JOIN LATERAL ({active}) active
    LEFT JOIN LATERAL (
        SELECT event.value, event.timestamp
        FROM billing_meterevent event
        WHERE event.customer_id = due.customer_id AND event.meter = 'active_series'
          AND event.period_id = due.period_id
        ORDER BY event.timestamp DESC
        LIMIT 1
    ) latest ON true
)
"""

_STORE = """
, stored AS (
    INSERT INTO billing_meterevent
        (meter, organization_id, customer_id, period_id, value, timestamp, identifier, reason,
         sweep_date, counted_at, attempts)
    SELECT 'active_series', organization_id, customer_id, period_id, value, stamp,
           stripe_customer_id || '-active_series-' || extract(epoch FROM stamp)::bigint,
           %(reason)s, %(sweep_date)s, counted_at, 0
    FROM counted
    WHERE stamp < last_minute AND (%(even_if_unchanged)s OR value IS DISTINCT FROM latest_value)
    ON CONFLICT DO NOTHING
    RETURNING id, organization_id, period_id, value, timestamp
)
SELECT id, organization_id, period_id, value, timestamp FROM stored ORDER BY id
"""

_PREVIEW = (
    "SELECT organization_id, value, latest_value FROM counted WHERE stamp < last_minute"
    " ORDER BY organization_id"
)

# The last value counts, so an older one that nobody has begun to send need not be sent.
_SUPERSEDE = """
UPDATE billing_meterevent older SET superseded_at = {clock}
FROM billing_meterevent newer
WHERE newer.id = ANY(%(events)s::bigint[])
  AND older.customer_id = newer.customer_id AND older.meter = newer.meter
  AND older.period_id = newer.period_id AND older.timestamp < newer.timestamp
  AND older.sent_at IS NULL AND older.rejected_at IS NULL AND older.superseded_at IS NULL
  AND older.claimed_at IS NULL AND older.reason <> 'close'
"""


def _counted_sql() -> str:
    active = counting.active_sql(
        organization="due.organization_id",
        start="due.starts_at",
        end="due.ends_at",
        basis="due.basis",
    )
    return "WITH " + _COUNTED.format(clock=clock.sql(), active=active)


def is_dark() -> bool:
    """Tell whether active series are not billed yet, because no product is configured."""
    return not settings.ACTIVE_SERIES_PRODUCT


@transaction_required
def store(
    plan_ids: Sequence[int],
    *,
    reason: MeterEvent.Reason,
    sweep_date: date | None = None,
    even_if_unchanged: bool,
) -> list[Posted]:
    """Count the open periods of these plans and store what is to be posted for each.

    Set-based: two statements for any number of plans. Stores nothing for a plan that is not
    metered, whose period has ended or is in its last minutes, or that has its event already.
    """
    if is_dark() or not plan_ids:
        return []
    _lock(plan_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            _counted_sql() + _STORE,
            {
                "plans": list(plan_ids),
                "statuses": list(METERED_STATUSES),
                "reason": reason.value,
                "sweep_date": sweep_date,
                "even_if_unchanged": even_if_unchanged,
            },
        )
        posted = [Posted(*row) for row in cursor.fetchall()]
    supersede([event.event_id for event in posted])
    return posted


class NothingToPostError(Exception):
    """The plan has nothing that can be posted now; the message says why that may be."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A count that staff post by hand, and the value that was stored last before it."""

    value: int
    before: int | None


def foresee(plan: Plan) -> ByHand:
    """Return what posting a plan by hand would store now. Raises NothingToPostError."""
    for _, value, before in preview([plan.pk]):
        return ByHand(value, before)
    raise NothingToPostError(
        "There is nothing to post: it is not metered, being canceled, or has no period that goes on"
        " for some minutes."
    )


def by_hand(plan: Plan) -> ByHand:
    """Count a plan and store the value, also where it is what was stored last.

    Raises NothingToPostError.
    """
    with transaction.atomic(durable=True):
        _lock([plan.pk])
        # Under the lock nobody else stores a value in between.
        before = foresee(plan).before
        stored = store([plan.pk], reason=MeterEvent.Reason.MANUAL, even_if_unchanged=True)
    for posted in stored:
        return ByHand(posted.value, before)
    raise NothingToPostError("Its period has come to its last minute.")


@transaction_required
def supersede(event_ids: Sequence[int]) -> None:
    """Take back the older values of the same customer, meter and period that nobody has sent."""
    with connection.cursor() as cursor:
        cursor.execute(_SUPERSEDE.format(clock=clock.sql()), {"events": list(event_ids)})


def preview(plan_ids: Sequence[int]) -> list[tuple[int, int, int | None]]:
    """Return (organization, value, last value) of what a post would store now, storing nothing."""
    if is_dark() or not plan_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _counted_sql() + _PREVIEW,
            {"plans": list(plan_ids), "statuses": list(METERED_STATUSES)},
        )
        rows: list[tuple[int, int, int | None]] = cursor.fetchall()
    return rows


def _lock(plan_ids: Sequence[int]) -> None:
    db.bound_waiting()
    with connection.cursor() as cursor:
        # In order of id, so that a sweep and a hint can't wait for each other.
        cursor.execute(
            "SELECT id FROM billing_plan WHERE id = ANY(%s::bigint[])"
            " ORDER BY id FOR NO KEY UPDATE",
            [list(plan_ids)],
        )
