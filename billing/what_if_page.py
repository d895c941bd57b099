"""What leaving something out would change, ready to show: before, after, and the difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import money
from billing.simulating import Changes, Cost, Simulation
from series.breakdown import Breakdown, Part

_LEGENDS = {Part.PROJECT: "Projects", Part.TESTBED: "Testbeds", Part.MEASURE: "Measures"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure as it is, as it would be, and what lies between."""

    label: str
    now: str
    then: str
    difference: str


@dataclass(frozen=True, slots=True)
class Box:
    """Something that can be left out, and how many series it has."""

    value: str
    name: str
    within: str
    series: str
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What can be left out of one kind: the largest, and how many others there are."""

    name: str
    legend: str
    boxes: tuple[Box, ...]
    others: str


@dataclass(frozen=True, slots=True)
class WhatIfPage:
    """Everything that the page shows; `verdict` says the difference in a sentence."""

    organization: str
    slug: str
    action: str
    errors: tuple[str, ...]
    period: str
    counted_at: Written
    verdict: str
    comparisons: tuple[Comparison, ...]
    has_price: bool
    search: str
    add: int
    groups: tuple[Group, ...]
    is_changed: bool


def what_if_page(
    organization: Organization,
    *,
    simulated: Simulation,
    changes: Changes,
    parts: dict[Part, Breakdown],
    search: str,
    is_trailing: bool,
    errors: Sequence[str],
) -> WhatIfPage:
    """Return what the page shows of the changes that were asked for."""
    now, then = simulated.now, simulated.then
    dropped = {
        Part.PROJECT: changes.projects,
        Part.TESTBED: changes.testbeds,
        Part.MEASURE: changes.measures,
    }
    return WhatIfPage(
        organization=organization.name,
        slug=organization.slug,
        action=reverse("what-if", args=[organization.slug]),
        errors=tuple(errors),
        period=(
            "The last 30 days; there is no billing period."
            if is_trailing
            else f"The period {dates.span(simulated.starts_at, simulated.ends_at)}."
        ),
        counted_at=dates.time_of_day(simulated.counted_at),
        verdict=_verdict(now, then, is_changed=_is_changed(changes)),
        comparisons=tuple(_comparisons(now, then)),
        has_price=now.band is not None,
        search=search,
        add=changes.add,
        groups=tuple(_group(part, parts[part], dropped[part]) for part in Part),
        is_changed=_is_changed(changes),
    )


def _is_changed(changes: Changes) -> bool:
    return bool(changes.projects or changes.testbeds or changes.measures or changes.add)


def _verdict(now: Cost, then: Cost, *, is_changed: bool) -> str:
    if not is_changed:
        return "Tick what to leave out, or say how many series to add."
    series = f"{_signed(then.series - now.series)} series"
    if now.band is None:
        return f"{series}."
    cents = _full(then) - _full(now)
    if cents == 0:
        return f"{series}. The amount stays the same."
    return f"{series}: {_signed_money(cents)} a period."


def _full(cost: Cost) -> int:
    return cost.without_trial_cents or 0


def _comparisons(now: Cost, then: Cost) -> Iterator[Comparison]:
    yield Comparison(
        "Active series",
        f"{now.series:,}",
        f"{then.series:,}",
        _signed(then.series - now.series),
    )
    if now.band is None or then.band is None:
        return
    yield Comparison(
        "Band",
        money.band_range(now.band),
        money.band_range(then.band),
        "The same" if now.band == then.band else "Another",
    )
    yield _amounts("Amount", now.amount_cents or 0, then.amount_cents or 0)
    if now.amount_cents != now.without_trial_cents:
        yield _amounts("Amount without the trial", _full(now), _full(then))


def _amounts(label: str, now: int, then: int) -> Comparison:
    return Comparison(label, money.written(now), money.written(then), _signed_money(then - now))


def _signed(number: int) -> str:
    return f"{_sign(number)}{abs(number):,}"


def _signed_money(cents: int) -> str:
    return f"{_sign(cents)}{money.written(abs(cents))}"


def _sign(number: int) -> str:
    if number == 0:
        return ""
    return "+" if number > 0 else "\N{MINUS SIGN}"


def _group(part: Part, found: Breakdown, dropped: Sequence[UUID]) -> Group:
    return Group(
        name=f"drop_{part}",
        legend=_LEGENDS[part],
        boxes=tuple(
            Box(
                value=str(share.uuid),
                name=share.name,
                within="" if part is Part.PROJECT else share.project,
                series=f"{share.series:,}",
                is_ticked=share.uuid in dropped,
            )
            for share in found.largest
        ),
        others=(
            f"{found.others:,} more with {found.others_series:,} series: search for them."
            if found.others
            else ""
        ),
    )
