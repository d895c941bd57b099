"""What a leader should know beside the count: what comes next, what to do, what changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bencher import dates
from bencher.dates import Written
from billing import money, pricing, usage
from billing.models import BillingPeriod, Budget, Plan, Statement, Status
from billing.projection import Projection
from billing.usage import Usage
from billing.usage_page import Change
from series.turnover import Named, NewName


@dataclass(frozen=True, slots=True)
class Action:
    """The one thing to do: a link to the page `page`; `is_urgent` where waiting does harm."""

    label: str
    page: str
    is_urgent: bool


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """The last period's figures, and how far the present ones are from them."""

    series: str
    amount: str
    series_change: str
    amount_change: str
    statement: str


@dataclass(frozen=True, slots=True)
class ProjectionShown:
    """What the period may end with, and how that was found."""

    series: str
    amount: str
    method: str


@dataclass(frozen=True, slots=True)
class BudgetShown:
    """How much of a budget is used; `marks` are where leaders are told."""

    label: str
    used: str
    filled: str
    marks: tuple[str, ...]
    is_over: bool


@dataclass(frozen=True, slots=True)
class NameShown:
    """Something new by name."""

    kind: str
    name: str
    project: str
    at: Written


@dataclass(frozen=True, slots=True)
class SeriesShown:
    """A series by its names, and when it reported last."""

    project: str
    testbed: str
    benchmark: str
    measure: str
    last_seen: Written


@dataclass(frozen=True, slots=True)
class TurnoverShown:
    """What is new and what is missing. `new` is empty where there is nothing to compare with."""

    new: str
    newest: tuple[NameShown, ...]
    unseen: str
    unseen_means: str
    longest_unseen: tuple[SeriesShown, ...]


_PAYMENT = (Status.PAST_DUE, Status.UNPAID, Status.INCOMPLETE)


def action(plan: Plan | None, *, trial_days: int | None, is_sold: bool) -> Action | None:
    """Return the one thing that a leader can do next; None where that is nothing."""
    if plan is None:
        if not is_sold:
            return None
        text = f"Start the {trial_days}-day trial" if trial_days else "Subscribe to Pro"
        return Action(text, "plan", is_urgent=True)
    if plan.status in _PAYMENT:
        return Action("Fix the payment", "plan", is_urgent=True)
    if plan.status == Status.PAUSED:
        return Action("Add a card", "plan", is_urgent=True)
    if plan.cancel_at_period_end:
        return Action("Resume the plan", "plan", is_urgent=False)
    return Action("Manage the plan", "plan", is_urgent=False)


def following(used: Usage) -> str:
    """Say what happens when the period ends, and what is charged then; empty where nothing is."""
    plan, period = used.plan, used.period
    if plan is None or period is None or used.estimate_cents is None:
        return ""
    end = dates.moment(period.ends_at).text
    full = pricing.amount_cents(used.ladder, used.count.billed)
    if plan.cancel_at_period_end:
        said = f"The plan ends at {end} and is not renewed."
        if used.estimate_cents:
            said += f" This period is charged once more: {money.written(full)} at this count."
        return said
    if plan.status == Status.PAUSED:
        return ""
    if period.kind == BillingPeriod.Kind.TRIAL:
        return (
            f"The trial ends at {end}. Each month after it is charged when it has ended; at this"
            f" count that would be {money.written(full)}."
        )
    return f"At {end} the next period begins and this one is charged: {money.written(full)} so far."


def change(used: Usage, found: Change | None) -> ChangeShown | None:
    """Compare the count and the estimate with the last period's."""
    if found is None:
        return None
    return _change(found.statement, used.count.billed, used.estimate_cents or 0)


def change_of_closed(of: Statement, before: Statement | None) -> ChangeShown | None:
    """Compare a closed period with the one before it."""
    return _change(before, of.series, of.amount_cents) if before else None


def _change(before: Statement, series: int, amount_cents: int) -> ChangeShown:
    return ChangeShown(
        series=f"{before.series:,}",
        amount=money.written(before.amount_cents, before.currency),
        series_change=_difference(series - before.series, "{:,}".format),
        amount_change=_difference(amount_cents - before.amount_cents, money.written),
        statement=str(before.uuid),
    )


def projected(
    used: Usage, found: Projection | None, change: Change | None
) -> ProjectionShown | None:
    """Show what a period may end with; nothing without a last period to know it by."""
    if found is None or change is None or used.period is None:
        return None
    least, most = (
        usage.estimate_cents(used.period, used.ladder, count) for count in (found.least, found.most)
    )
    return ProjectionShown(
        series=_range(f"{found.least:,}", f"{found.most:,}"),
        amount=_range(money.written(least), money.written(most)),
        method=_method(found, change),
    )


def _method(found: Projection, change: Change) -> str:
    least = "At least the series active now, for the count of a period never falls by itself."
    parts = []
    if found.returning:
        parts.append(f"the {found.returning:,} of the last period that have not reported yet")
    if found.coming:
        new = change.turnover.new
        parts.append(f"{found.coming:,} new ones, at the pace of the {new:,} new so far")
    if not parts:
        return f"{least} No more are in sight: none is missing, and none is new."
    return f"{least} At most those, {' and '.join(parts)}."


def turned_over(
    used: Usage, found: Change | None, newest: Sequence[NewName]
) -> TurnoverShown | None:
    """Show which series are new, and which may be about to stop."""
    if used.period is None:
        return None
    unseen = found.turnover.unseen if found else 0
    return TurnoverShown(
        new=f"{found.turnover.new:,}" if found else "",
        newest=tuple(
            NameShown(name.kind, name.name, name.project, dates.day(name.created_at))
            for name in newest
        ),
        unseen=f"{unseen:,}" if found else "",
        unseen_means=_unless(unseen, used.period.ends_at) if unseen else "",
        longest_unseen=tuple(map(_series, found.longest_unseen)) if found else (),
    )


def _unless(unseen: int, ends_at: datetime) -> str:
    what = "It is" if unseen == 1 else "They are"
    report = "it reports" if unseen == 1 else "they report"
    return f"{what} not billed in this period unless {report} before {dates.moment(ends_at).text}."


def _series(named: Named) -> SeriesShown:
    return SeriesShown(
        project=named.project,
        testbed=named.testbed,
        benchmark=named.benchmark,
        measure=named.measure,
        last_seen=dates.day(named.last_seen),
    )


def budget(found: Budget, used: Usage) -> BudgetShown:
    """Show how much of a budget the present figures use."""
    in_series = found.unit == Budget.Unit.SERIES
    now = used.count.billed if in_series else used.estimate_cents or 0
    write = "{:,}".format if in_series else money.written
    scale = max(100, 100 * now // found.limit)
    return BudgetShown(
        label="Budget of series" if in_series else "Budget of money",
        used=f"{write(now)} of {write(found.limit)}, {100 * now // found.limit}%",
        filled=f"{100 * (100 * now // found.limit) / scale:.1f}%",
        marks=tuple(f"{100 * mark / scale:.1f}%" for mark in found.thresholds if mark < scale),
        is_over=now >= found.limit,
    )


def _difference(change: int, write: Callable[[int], str]) -> str:
    if change == 0:
        return "no change"
    return f"{'+' if change > 0 else '−'}{write(abs(change))}"


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least} – {most}"
