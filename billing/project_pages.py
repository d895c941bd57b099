"""The contents of the pages about projects, ready to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bencher import dates
from bencher.dates import Written
from billing import money
from billing.bill_effects import Effect
from billing.simulating import Cost
from billing.usage import Bounds
from series.counting import ActiveCount
from series.models import Project, Visibility

_CLOSING_DECIDES = (
    "What a project is when the period closes decides for the whole period, and a change shortly"
    " before is noted on the statement. Closed periods stay as they were billed."
)


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project as the list of an organization shows it."""

    name: str
    slug: str
    visibility: str
    series: str
    # None where it has none.
    last_report: Written | None


@dataclass(frozen=True, slots=True)
class CostShown:
    """One of the two sides of a change; band and amounts are empty where nobody knows the price."""

    series: str
    band: str
    amount: str
    # What it would be if no trial covered the period; else empty.
    without_trial: str


@dataclass(frozen=True, slots=True)
class EffectShown:
    """What a change does to the bill: two costs, and what to know of it."""

    counted_at: Written
    amount_label: str
    before: CostShown
    after: CostShown
    # In one sentence.
    summary: str
    rules: tuple[str, ...]
    shows_figures: bool


def rows(
    projects: Sequence[Project], *, count: ActiveCount, last_seen: Mapping[int, datetime]
) -> list[ProjectRow]:
    """Return an organization's projects with their active series and last reports."""
    active = {project.project_id: project.series for project in count.projects}
    return [
        ProjectRow(
            name=project.name,
            slug=project.slug,
            visibility=Visibility(project.visibility).label,
            series=f"{active.get(project.pk, 0):,}",
            last_report=dates.moment(last_seen[project.pk]) if project.pk in last_seen else None,
        )
        for project in projects
    ]


def within(bounds: Bounds) -> str:
    """Say in which time series are active."""
    if bounds.is_trailing:
        return "in the last 30 days"
    return f"in the period {dates.span(bounds.starts_at, bounds.ends_at)}"


def of_visibility(effect: Effect, visibility: Visibility) -> EffectShown:
    """Return what a flip of visibility does to the bill."""
    private = visibility is Visibility.PRIVATE
    counted = _counted(effect)
    if effect.before.series == effect.after.series:
        moved = "The count stays as it is."
    elif private:
        moved = f"{counted} from now on, also where they reported while it was public."
    else:
        moved = f"{counted} no longer, also where they reported while it was private."
    return _shown(effect, moved, "Made private" if private else "Made public")


def of_deletion(effect: Effect) -> EffectShown:
    """Return what deleting a project does to the bill."""
    stays = effect.before.series == effect.after.series
    moved = "The count stays as it is." if stays else f"{_counted(effect)} no longer."
    return _shown(effect, moved, "Deleted")


def _shown(effect: Effect, moved: str, what: str) -> EffectShown:
    if effect.by_metrics:
        return EffectShown(
            counted_at=dates.time_of_day(effect.counted_at),
            amount_label="",
            before=_cost(effect.before),
            after=_cost(effect.after),
            summary="The bill does not change: this plan bills the metrics of all projects.",
            rules=(),
            shows_figures=False,
        )
    has_period = effect.within.period is not None
    return EffectShown(
        counted_at=dates.time_of_day(effect.counted_at),
        amount_label="Estimate at this count" if has_period else "On Pro this would cost",
        before=_cost(effect.before),
        after=_cost(effect.after),
        summary=_summary(effect, what),
        rules=(moved, _CLOSING_DECIDES) if has_period else (moved,),
        shows_figures=True,
    )


def _summary(effect: Effect, what: str) -> str:
    before, after = effect.before, effect.after
    said = (
        f"{what}, the organization has {after.series:,} billed series instead of {before.series:,}"
    )
    if before.series == after.series:
        return f"{what}, the organization has {after.series:,} billed series, as now."
    if before.amount_cents is None or after.amount_cents is None:
        return f"{said}."
    if before.without_trial_cents != before.amount_cents:
        return f"{said}. The trial covers this period either way."
    if before.amount_cents == after.amount_cents:
        return f"{said}, and the amount stays {money.written(after.amount_cents)}."
    return (
        f"{said}, which costs {money.written(after.amount_cents)} instead of"
        f" {money.written(before.amount_cents)}."
    )


def _counted(effect: Effect) -> str:
    if effect.series == 1:
        return f"Its one series that was active {within(effect.within)} counts"
    return f"Its {effect.series:,} series that were active {within(effect.within)} count"


def _cost(cost: Cost) -> CostShown:
    full = cost.without_trial_cents
    return CostShown(
        series=f"{cost.series:,}",
        band=money.band_range(cost.band) if cost.band else "",
        amount="" if cost.amount_cents is None else money.written(cost.amount_cents),
        without_trial="" if full is None or full == cost.amount_cents else money.written(full),
    )
