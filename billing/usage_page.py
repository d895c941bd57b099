"""What the usage page is about: the running period, or one of the two before it, with its reasons.

Everything is read here, in a constant number of queries; `presenters` puts it into words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bencher.tenancy.models import Organization
from billing import closed_usage, days, projection, usage
from billing.closed_usage import Group
from billing.days import DayCount
from billing.models import BillingPeriod, Budget, Statement
from billing.projection import Projection, Turnover
from billing.usage import Usage
from series import breakdown, turnover
from series.breakdown import Breakdown, Part
from series.models import SeriesLastSeen
from series.turnover import Named, NewName

# A breakdown shows the largest and sums up the rest.
SHOWN = 20
FEW = 5


class Period(StrEnum):
    """The periods that the page can show, as its address names them."""

    CURRENT = "current"
    LAST = "last"
    PENULTIMATE = "penultimate"


class By(StrEnum):
    """What the page breaks the count down by, as its address names it."""

    PROJECT = "project"
    TESTBED = Part.TESTBED
    MEASURE = Part.MEASURE


@dataclass(frozen=True, slots=True)
class Change:
    """What changed since the period just before, which is closed."""

    statement: Statement
    turnover: Turnover
    longest_unseen: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """The current usage and its reasons. Without a period there is nothing to compare it with."""

    usage: Usage
    change: Change | None
    projection: Projection | None
    growth: tuple[DayCount, ...]
    growth_before: tuple[DayCount, ...]
    newest: tuple[NewName, ...]
    parts: Breakdown | None
    budgets: tuple[Budget, ...]
    # Whether any series ever reported.
    has_reported: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A period that has ended; without a statement it is being closed."""

    period: BillingPeriod
    statement: Statement | None
    groups: tuple[Group, ...]
    growth: tuple[DayCount, ...]
    growth_before: tuple[DayCount, ...]
    before: Statement | None
    parts: Breakdown | None


def running(organization: Organization, *, by: By, now: datetime) -> Running:
    """Return the current usage of an organization and its reasons."""
    used = usage.current(organization, now=now)
    period = used.period
    before = _just_before(period) if period else None
    groups = closed_usage.groups(before) if before else []
    change = _change(used, before, groups) if before else None
    billed = {project.project_id for project in used.count.projects if project.billed}
    return Running(
        usage=used,
        change=change,
        projection=_projection(used, change, now=now),
        growth=tuple(
            days.of_running(period, billed_projects=billed, active=used.count.billed, now=now)
            if period
            else ()
        ),
        growth_before=_growth(before, groups),
        newest=turnover.newest_names(
            organization.pk, start=used.starts_at, basis=used.basis, limit=FEW
        ),
        parts=_parts(organization, used, by),
        budgets=tuple(Budget.objects.filter(organization=organization).order_by("-unit")),
        has_reported=bool(used.count.projects)
        or SeriesLastSeen.objects.filter(organization=organization).exists(),
    )


def ended(organization: Organization, which: Period, *, by: By, now: datetime) -> Ended | None:
    """Return the last period that has ended, or the one before it; None where there is none."""
    number = 0 if which is Period.LAST else 1
    latest = (
        BillingPeriod.objects.filter(organization=organization, ends_at__lte=now)
        .select_related("statement")
        .order_by("-starts_at")[number : number + 2]
    )
    found = list(latest)
    if not found:
        return None
    period = found[0]
    statement = statement_of(period)
    before = statement_of(found[1]) if len(found) > 1 else None
    groups = closed_usage.groups(statement) if statement else []
    part = None if by is By.PROJECT else Part(by.value)
    return Ended(
        period=period,
        statement=statement,
        groups=tuple(groups),
        growth=_growth(statement, groups),
        growth_before=_growth(before, closed_usage.groups(before)) if before else (),
        before=before,
        parts=closed_usage.by(part, statement, limit=SHOWN) if part and statement else None,
    )


def statement_of(period: BillingPeriod) -> Statement | None:
    """Return the statement of a period; None until it is closed."""
    found: Statement | None = getattr(period, "statement", None)
    return found


def _just_before(period: BillingPeriod) -> Statement | None:
    """Return the statement of the period that ended when this one began."""
    return Statement.objects.filter(
        organization_id=period.organization_id, ends_at=period.starts_at
    ).first()


def _change(used: Usage, before: Statement, groups: Sequence[Group]) -> Change:
    """Compare two adjacent periods without looking at single series.

    The ledger's rows that still lie in the last period are those that have not come back. All
    others of the last period have, so what is active beyond them is new.
    """
    unseen = turnover.unseen(
        before.organization_id, start=before.starts_at, end=before.ends_at, basis=used.basis
    )
    billed = {project.project_id for project in used.count.projects if project.billed}
    was_seen = sum(group.series for group in groups if group.project_id in billed)
    not_yet = sum(p.series for p in unseen.projects if p.project_id in billed)
    return Change(
        statement=before,
        turnover=Turnover(
            unseen=unseen.billed, new=max(0, used.count.billed - (was_seen - not_yet))
        ),
        longest_unseen=turnover.longest_unseen(
            before.organization_id,
            start=before.starts_at,
            end=before.ends_at,
            basis=used.basis,
            limit=FEW,
        ),
    )


def _projection(used: Usage, change: Change | None, *, now: datetime) -> Projection | None:
    if used.period is None or change is None:
        return None
    return projection.project(
        used.count.billed,
        change.turnover,
        starts_at=used.period.starts_at,
        ends_at=used.period.ends_at,
        now=now,
    )


def _growth(statement: Statement | None, groups: Sequence[Group]) -> tuple[DayCount, ...]:
    if statement is None:
        return ()
    billed = ((group.day, group.series) for group in groups if group.billed)
    return tuple(days.of_closed(statement, billed))


def _parts(organization: Organization, used: Usage, by: By) -> Breakdown | None:
    if by is By.PROJECT:
        return None
    return breakdown.by(
        Part(by.value),
        organization.pk,
        start=used.starts_at,
        end=used.ends_at,
        basis=used.basis,
        limit=SHOWN,
    )
