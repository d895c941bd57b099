"""The page that says what less, or more, would cost; for leaders."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher import clock, partials
from bencher.tenancy import access, slugs
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from billing import simulating, usage, what_if_page
from billing.simulating import Changes, Simulation
from series import breakdown, dropping
from series.breakdown import Breakdown, Part

# Of each kind the largest; whatever else there is can be searched for.
SHOWN = 20
# An address holds no more, and stays one that can be passed on.
MOST_DROPPED = 50
MOST_ADDED = 10_000_000
LONGEST_SEARCH = 100


@never_cache
@login_required
@require_safe
def what_if(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show what the current period would cost without what the address leaves out."""
    found = access.led_by(request.user, organization)
    now = clock.now()
    errors: list[str] = []
    changes = _changes(request.GET, errors)
    search = request.GET.get("search", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    simulated, changes = _simulated(found, changes, errors, now=now)
    within = usage.bounds(found, now=now)
    page = what_if_page.what_if_page(
        found,
        simulated=simulated,
        changes=changes,
        parts=_parts(found, within, changes, search=search),
        search=search,
        is_trailing=within.is_trailing,
        errors=errors,
    )
    return partials.render(
        request, {"page": page}, page="billing/what_if.html", part="billing/_what_if.html"
    )


def _simulated(
    organization: Organization, changes: Changes, errors: list[str], *, now: datetime
) -> tuple[Simulation, Changes]:
    """Simulate; where something is left out that is none of theirs, say so and change nothing."""
    try:
        return simulating.simulate(organization, changes, now=now), changes
    except dropping.NoSuchEntityError as error:
        errors.append(f"{error} Nothing was left out; tick it again.")
        return simulating.simulate(organization, Changes(), now=now), Changes()


def _parts(
    organization: Organization, within: usage.Bounds, changes: Changes, *, search: str
) -> dict[Part, Breakdown]:
    dropped = {
        Part.PROJECT: changes.projects,
        Part.TESTBED: changes.testbeds,
        Part.MEASURE: changes.measures,
    }
    return {
        part: breakdown.by(
            part,
            organization.pk,
            start=within.starts_at,
            end=within.ends_at,
            basis=within.basis,
            limit=SHOWN,
            search=search,
            including=dropped[part],
        )
        for part in Part
    }


def _changes(query: QueryDict, errors: list[str]) -> Changes:
    projects, testbeds, measures = (_uuids(query, f"drop_{part}", errors) for part in Part)
    if len(projects) + len(testbeds) + len(measures) > MOST_DROPPED:
        errors.append(
            f"An address holds {MOST_DROPPED} that are left out, and this one has more: nothing was"
            " left out. Tick fewer, or leave out their project."
        )
        projects = testbeds = measures = ()
    return Changes(
        projects=projects, testbeds=testbeds, measures=measures, add=_added(query, errors)
    )


def _uuids(query: QueryDict, name: str, errors: list[str]) -> Sequence[UUID]:
    found = {text: slugs.uuid_of(text) for text in query.getlist(name)}
    unread = [text for text, uuid in found.items() if uuid is None]
    if unread:
        errors.append(f"`{name}` is no UUID: {unread[0][:50]!r}. It was not left out.")
    return tuple(uuid for uuid in found.values() if uuid is not None)


def _added(query: QueryDict, errors: list[str]) -> int:
    text = query.get("add", "").strip() or "0"
    if text.isascii() and text.isdigit() and int(text[:9]) <= MOST_ADDED and len(text) < 9:
        return int(text)
    errors.append(f"Series to add: give a whole number from 0 to {MOST_ADDED:,}. None was added.")
    return 0
