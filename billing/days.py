"""On which days the series of a period reported first, and so how its count grew.

Of a running period that is counted from the reports each night, for a page can't afford it; of a
closed one the statement's lines have it. Days are UTC days, and the period's first and last ones
may be parts of a day.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate

from django.db import DatabaseError, connection, transaction

from bencher import clock
from billing.models import BillingPeriod, FirstReports, Statement
from series import received, recounting

logger = logging.getLogger(__name__)

CHUNK = 100
# A report is received before its transaction commits.
_UNDER_WAY = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayCount:
    """A period's count at the end of a day; None where that was not counted yet."""

    day: date
    series: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How a night's counting went."""

    periods: int
    failed: int


_RUNNING = """
SELECT period.id
FROM billing_billingperiod period
JOIN billing_plan plan ON plan.id = period.plan_id AND plan.ended_at IS NULL
WHERE period.state = 'open' AND period.starts_at <= {clock} AND {clock} < period.ends_at
  AND period.id > %(after)s
ORDER BY period.id LIMIT %(limit)s
"""

# Where no report came since, only the instant moves on.
_QUIET = """
UPDATE billing_firstreports found SET counted_at = {clock}
FROM billing_billingperiod period
WHERE found.period_id = period.id AND period.id = ANY(%(periods)s::bigint[])
  AND NOT EXISTS (SELECT FROM ({received}) report)
RETURNING period.id
"""

_COUNT = """
INSERT INTO billing_firstreports AS found (period_id, counted_at, days)
SELECT period.id, {clock}, coalesce(by_day.days, '[]')
FROM billing_billingperiod period
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(day, project_id, series) ORDER BY day, project_id) AS days
    FROM (
        SELECT (first_seen AT TIME ZONE 'UTC')::date AS day, project_id, count(*) AS series
        FROM ({recount}) active
        GROUP BY 1, 2
    ) first
) by_day
WHERE period.id = ANY(%(periods)s::bigint[])
ON CONFLICT (period_id) DO UPDATE SET counted_at = excluded.counted_at, days = excluded.days
WHERE excluded.counted_at > found.counted_at
"""


def count_running() -> Counted:
    """Count the days of every running period of a live plan. Safe to repeat.

    A period that fails is logged and left as it was; the others go on.
    """
    periods = failed = 0
    for chunk in _chunks():
        periods += len(chunk)
        failed += _isolated(chunk)
    return Counted(periods=periods, failed=failed)


def _chunks() -> Iterator[list[int]]:
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_RUNNING.format(clock=clock.sql()), {"after": after, "limit": CHUNK})
            chunk = [id for (id,) in cursor.fetchall()]
        if not chunk:
            return
        yield chunk
        after = chunk[-1]


def _isolated(periods: list[int]) -> int:
    """Count a chunk in one go, or period by period where one fails; returns how many failed."""
    try:
        count(periods)
    except DatabaseError:
        logger.exception("a chunk failed; going on period by period")
    else:
        return 0
    failed = 0
    for period in periods:
        try:
            count([period])
        except DatabaseError:
            failed += 1
            logger.exception("the days of a period were not counted", extra={"period": period})
    return failed


def count(period_ids: Sequence[int]) -> None:
    """Count the days of these periods, anew where reports came since they were counted last."""
    own = {"organization": "period.organization_id"}
    since = received.sql(
        **own,
        since=f"found.counted_at - interval '{_UNDER_WAY.total_seconds()} seconds'",
        before="'infinity'",
    )
    recount = recounting.series_sql(**own, start="period.starts_at", end="period.ends_at")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _QUIET.format(clock=clock.sql(), received=since), {"periods": list(period_ids)}
        )
        quiet = {id for (id,) in cursor.fetchall()}
        cursor.execute(
            _COUNT.format(clock=clock.sql(), recount=recount),
            {"periods": [id for id in period_ids if id not in quiet]},
        )


def of_running(
    period: BillingPeriod, *, billed_projects: Collection[int], active: int, now: datetime
) -> list[DayCount]:
    """Return a running period's count at the end of each day until now.

    Today has the count itself (`active`). Earlier days have what was counted in the nights, of the
    projects that are billed now.
    """
    known = FirstReports.objects.filter(period=period).first()
    added: dict[date, int] = {}
    for day, project, series in known.days if known else []:
        if project in billed_projects:
            on = date.fromisoformat(day)
            added[on] = added.get(on, 0) + series
    *before, today = days_of(period.starts_at, now + timedelta(microseconds=1))
    counted_at = known.counted_at if known else period.starts_at
    return [
        DayCount(found.day, found.series if _end(found.day) <= counted_at else None)
        for found in _cumulative(before, added)
    ] + [DayCount(today, active)]


def of_closed(statement: Statement, first_reports: Iterable[tuple[date, int]]) -> list[DayCount]:
    """Return a closed period's count at the end of each of its days.

    Of how many of its billed series reported first on each day.
    """
    added: dict[date, int] = {}
    for day, series in first_reports:
        added[day] = added.get(day, 0) + series
    return list(_cumulative(days_of(statement.starts_at, statement.ends_at), added))


def days_of(starts_at: datetime, ends_at: datetime) -> list[date]:
    """Return the UTC days that [starts_at, ends_at) has a part of."""
    first = starts_at.astimezone(UTC).date()
    last = (ends_at.astimezone(UTC) - timedelta(microseconds=1)).date()
    return [first + number * _DAY for number in range((last - first).days + 1)]


def _cumulative(days: Sequence[date], added: dict[date, int]) -> Iterator[DayCount]:
    totals = accumulate(added.get(day, 0) for day in days)
    return (DayCount(day, total) for day, total in zip(days, totals, strict=True))


def _end(day: date) -> datetime:
    return datetime.combine(day + _DAY, time(), UTC)
