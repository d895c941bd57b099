"""A count broken down by project, testbed or measure, as tables show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing import wording
from billing.closed_usage import Group
from billing.usage_page import SHOWN, By
from billing.wording import Said
from series.breakdown import Breakdown
from series.counting import ProjectCount


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One project, testbed or measure, with the query of the list of its series.

    `within` says more of it, `part` is how much of the count it is, for a bar.
    """

    name: str
    query: str
    within: str
    series: str
    part: str
    billed: Said | None


@dataclass(frozen=True, slots=True)
class SharesShown:
    """The largest shares, what the others sum up to, and the totals."""

    rows: tuple[ShareRow, ...]
    others: str
    others_series: str
    billed: str
    # Empty where only what is billed was broken down.
    not_billed: str


@dataclass(frozen=True, slots=True)
class ByLink:
    """A way of breaking down, as a link."""

    label: str
    query: str
    is_here: bool


_LABELS = {By.PROJECT: "Project", By.TESTBED: "Testbed", By.MEASURE: "Measure"}


def label(by: By) -> str:
    """Name what is broken down by."""
    return _LABELS[by]


def links(period: str, here: By) -> tuple[ByLink, ...]:
    """Return the ways of breaking a period's count down."""
    return tuple(
        ByLink(
            label=f"By {label(by).lower()}", query=f"?period={period}&by={by}", is_here=by == here
        )
        for by in By
    )


def of_projects(projects: Sequence[ProjectCount], *, billed: int) -> SharesShown:
    """Show the count of each project, those that are not billed with the reason."""
    total = sum(project.series for project in projects)
    shown, others = projects[:SHOWN], projects[SHOWN:]
    return SharesShown(
        rows=tuple(
            ShareRow(
                name=project.name,
                query=f"?project={project.slug}{'&show=billed' if project.billed else ''}",
                within=wording.visibility(project),
                series=f"{project.series:,}",
                part=_part(project.series, total),
                billed=wording.billed(project),
            )
            for project in shown
        ),
        others=_others(len(others), "project"),
        others_series=f"{sum(project.series for project in others):,}",
        billed=f"{billed:,}",
        not_billed=f"{total - billed:,}",
    )


def of_groups(groups: Iterable[Group]) -> list[ProjectCount]:
    """Return a statement's projects, the largest first, as they were when it was closed."""
    found: dict[UUID, ProjectCount] = {}
    for group in groups:
        before = found.get(group.project_uuid)
        found[group.project_uuid] = ProjectCount(
            project_id=group.project_id or 0,
            name=group.project,
            # A slug may be another project's by now.
            slug=str(group.project_uuid),
            visibility=group.visibility,
            deleted=group.deleted,
            billed=group.billed,
            series=group.series + (before.series if before else 0),
        )
    return sorted(found.values(), key=lambda project: (-project.series, project.name))


def of_parts(parts: Breakdown, by: By, *, billed: int) -> SharesShown:
    """Show the billed series of each testbed or measure."""
    return SharesShown(
        rows=tuple(
            ShareRow(
                name=share.name,
                query=f"?{by}={share.uuid}&show=billed",
                within=share.project,
                series=f"{share.series:,}",
                part=_part(share.series, billed),
                billed=None,
            )
            for share in parts.largest
        ),
        others=_others(parts.others, label(by).lower()),
        others_series=f"{parts.others_series:,}",
        billed=f"{billed:,}",
        not_billed="",
    )


def _part(series: int, total: int) -> str:
    return f"{100 * series / total:.1f}%" if total else "0%"


def _others(number: int, kind: str) -> str:
    if not number:
        return ""
    return f"1 more {kind}" if number == 1 else f"{number:,} more {kind}s"
