"""What people can choose series by: an organization's projects, and names over all of them.

A name stands for whatever bears it in any project, so “ci” is every project's testbed of that name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bencher.tenancy import slugs
from series.models import Measure, Project, Testbed

# More than a list on a page is good for; what is not in it can be named all the same.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Choices:
    """The first in the order of names, and whether there are more."""

    names: tuple[str, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Projects:
    """The first in the order of names, deleted ones too, and whether there are more."""

    projects: tuple[Project, ...]
    has_more: bool


def projects(organization_id: int) -> Projects:
    """Return an organization's projects."""
    found = Project.objects.filter(organization_id=organization_id)
    first = list(found.order_by("name", "pk")[: SHOWN + 1])
    return Projects(tuple(first[:SHOWN]), has_more=len(first) > SHOWN)


def names(model: type[Testbed | Measure], organization_id: int) -> Choices:
    """Return what an organization's testbeds or measures are called."""
    found = model.objects.filter(project__organization_id=organization_id)
    first = list(found.order_by("name").values_list("name", flat=True).distinct()[: SHOWN + 1])
    return Choices(tuple(first[:SHOWN]), has_more=len(first) > SHOWN)


def projects_called(organization_id: int, identifier: str) -> Sequence[UUID]:
    """Return the UUIDs of the projects with a slug, or of the one with that UUID."""
    uuid = slugs.uuid_of(identifier)
    found = Project.objects.filter(organization_id=organization_id)
    found = found.filter(slug=identifier) if uuid is None else found.filter(uuid=uuid)
    return list(found.values_list("uuid", flat=True))


def called(model: type[Testbed | Measure], organization_id: int, name: str) -> Sequence[UUID]:
    """Return the UUIDs of the testbeds or measures with a name, or of the one with that UUID."""
    uuid = slugs.uuid_of(name)
    found = model.objects.filter(project__organization_id=organization_id)
    found = found.filter(name=name) if uuid is None else found.filter(uuid=uuid)
    return list(found.values_list("uuid", flat=True))
