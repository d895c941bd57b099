"""The figures of periods as we hold them ourselves, each from its own source, many at once.

One statement, so one snapshot: what the ledger counts and what the reports say are compared as of
the same instant, whatever CI reports meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from bencher import clock
from billing import claims, evidence
from series import counting, recounting

# A report is received before it is stored; what was received so shortly before a count may have
# been stored after it.
UNDER_WAY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known here of one period. Series billed where not said otherwise; cents."""

    period_id: int
    organization_id: int
    starts_at: datetime
    ends_at: datetime
    kind: str
    state: str
    metered: bool
    # By the ledger: billed while the period runs.
    count: int | None
    # By the reports, with the visibility of now, or of the close once there is a statement; null
    # where evidence of the period was purged.
    recount: int | None
    recount_all: int | None
    # Of those, the ones whose first report was not stored yet when the latest value was counted, or
    # may not have been.
    recount_since: int | None
    # Series, billed or not, of which ledger and reports tell another last instant in the period;
    # those that were seen after it again are not compared. Null like the recount.
    astray: int | None
    # The value stored last, and how far it came.
    value: int | None
    counted_at: datetime | None
    sent_at: datetime | None
    rejected_at: datetime | None
    # By staff: the event, or billing of its organization.
    held_back: bool
    project_changed: bool
    # What Stripe must hold: the value delivered last, or one that is on its way or that it may
    # still be working on.
    delivered: int | None
    arriving: list[int]
    statement_series: int | None
    statement_total: int | None
    statement_cents: int | None
    closed_at: datetime | None
    evidence_agrees: bool
    settled_series: int | None
    settled_cents: int | None
    settled_invoice: str | None


# Lines that were frozen say what was billed; before that, the projects as they are now.
_BILLED = (
    "CASE WHEN statement.id IS NULL THEN project.deleted_at IS NULL"
    " AND (period.basis = 'all' OR project.visibility = 'private')"
    " ELSE coalesce(frozen.billed, false) END"
)

_EVENTS = """
FROM billing_meterevent event
WHERE event.customer_id = customer.id AND event.meter = 'active_series'
  AND event.period_id = period.id
"""


def of(period_ids: Sequence[int], *, statuses: Sequence[str], lagging: datetime) -> list[Figures]:
    """Return the figures of these periods, by organization and start.

    Plans in `statuses` are metered. Stripe may still be working on what was sent since `lagging`.
    Whether a period runs is judged by the statement's own time: a longer run may meet one that
    ended since it began, which the ledger can't count any more.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _sql(),
            {
                "periods": list(period_ids),
                "statuses": list(statuses),
                "lagging": lagging,
                "under_way": UNDER_WAY.total_seconds(),
            },
        )
        return [Figures(*row) for row in cursor.fetchall()]


def _sql() -> str:
    own = {"organization": "period.organization_id"}
    own |= {"start": "period.starts_at", "end": "period.ends_at"}
    counted = counting.active_sql(**own, basis="period.basis")
    # Of nobody where evidence was purged, so that the other periods are still answered.
    recount = recounting.series_sql(
        organization="CASE WHEN expired.before IS NULL THEN period.organization_id END",
        start=own["start"],
        end=own["end"],
    )
    return f"""
SELECT period.id, period.organization_id, period.starts_at, period.ends_at, period.kind,
       period.state,
       plan.ended_at IS NULL AND plan.status = ANY(%(statuses)s::text[]),
       CASE WHEN period.ends_at > {clock.sql()} THEN counted.billed END,
       CASE WHEN expired.before IS NULL THEN recounted.billed END,
       CASE WHEN expired.before IS NULL THEN recounted.series END,
       CASE WHEN expired.before IS NULL THEN recounted.since END,
       CASE WHEN expired.before IS NULL THEN recounted.astray END,
       latest.value, latest.counted_at, latest.sent_at, latest.rejected_at,
       coalesce(latest.held_back, false),
       EXISTS (
           SELECT FROM series_projectchange change
           JOIN series_project project ON project.id = change.project_id
           WHERE project.organization_id = period.organization_id
             AND change.kind <> 'created' AND change.at >= latest.counted_at
       ),
       delivered.value, coalesce(arriving.values, '{{}}'),
       statement.series, statement.total_series, statement.amount_cents, statement.closed_at,
       statement.id IS NULL OR statement.evidence_sha256 = (
           {evidence.hash_sql("billing_statementline WHERE statement_id = statement.id")}
       ),
       settlement.series, settlement.amount_cents, settlement.stripe_invoice_id
FROM billing_billingperiod period
JOIN billing_plan plan ON plan.id = period.plan_id
JOIN billing_billingcustomer customer ON customer.organization_id = period.organization_id
LEFT JOIN billing_statement statement ON statement.period_id = period.id
LEFT JOIN series_expiredevidence expired
  ON expired.organization_id = period.organization_id AND expired.before > period.starts_at
CROSS JOIN LATERAL ({counted}) counted
LEFT JOIN LATERAL (
    SELECT value, counted_at, sent_at, rejected_at, {claims.HELD_BACK} AS held_back
    {_EVENTS} AND superseded_at IS NULL
    ORDER BY timestamp DESC LIMIT 1
) latest ON true
LEFT JOIN LATERAL (
    SELECT value {_EVENTS} AND sent_at IS NOT NULL ORDER BY timestamp DESC LIMIT 1
) delivered ON true
CROSS JOIN LATERAL (
    SELECT array_agg(value) AS values FROM (
        (SELECT value {_EVENTS}
         AND (sent_at >= %(lagging)s OR sent_at IS NULL AND claimed_at IS NOT NULL))
        UNION ALL
        SELECT coalesce(
            (SELECT value {_EVENTS} AND sent_at < %(lagging)s ORDER BY timestamp DESC LIMIT 1), 0
        )
    ) sent
) arriving
CROSS JOIN LATERAL (
    SELECT count(active.project_id) AS series,
           count(active.project_id) FILTER (WHERE {_BILLED}) AS billed,
           count(active.project_id) FILTER (
               WHERE {_BILLED} AND active.first_received >= latest.counted_at
                     - make_interval(secs => %(under_way)s)
           ) AS since,
           -- Totals would hide a row too many beside one too few.
           count(*) FILTER (
               WHERE ledger.last_seen IS NULL OR ledger.last_seen < period.ends_at
                     AND ledger.last_seen IS DISTINCT FROM active.last_seen
           ) AS astray
    FROM ({recount}) active
    FULL JOIN (
        SELECT testbed_id, benchmark_id, measure_id, last_seen FROM series_last_seen
        WHERE organization_id = period.organization_id AND last_seen >= period.starts_at
    ) ledger USING (testbed_id, benchmark_id, measure_id)
    LEFT JOIN series_project project ON project.id = active.project_id
    LEFT JOIN (
        SELECT DISTINCT project_uuid, billed FROM billing_statementline
        WHERE statement_id = statement.id
    ) frozen ON frozen.project_uuid = project.uuid
) recounted
LEFT JOIN LATERAL (
    SELECT series, amount_cents, stripe_invoice_id FROM billing_settlement
    WHERE statement_id = statement.id ORDER BY settled_at DESC, id DESC LIMIT 1
) settlement ON true
WHERE period.id = ANY(%(periods)s::bigint[])
ORDER BY period.organization_id, period.starts_at
"""  # noqa: S608 - expressions of our own code
