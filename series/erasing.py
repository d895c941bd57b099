"""What series hold of an organization's names, and of a user's roles."""

from typing import Any

from bencher.tenancy.erasing import UUID_AS_TEXT, Rows, blank, register, remove, revoke
from bencher.tenancy.models import Organization, User
from series.models import Benchmark, Measure, Project, ProjectKey, ProjectMembership, Testbed


def _dimension(what: str, model: Any, **more: Any) -> Rows:
    return blank(
        what,
        lambda of: model.objects.filter(project__organization=of),
        name=UUID_AS_TEXT,
        slug=UUID_AS_TEXT,
        **more,
    )


def register_parts() -> None:
    """Register all of it; called when the app starts."""
    register(
        Organization,
        blank(
            "projects",
            lambda of: Project.objects.filter(organization=of),
            name=UUID_AS_TEXT,
            slug=UUID_AS_TEXT,
            url="",
        ),
        _dimension("testbeds", Testbed),
        _dimension("benchmarks", Benchmark),
        _dimension("measures", Measure, units=""),
        revoke("project keys", lambda of: ProjectKey.objects.filter(project__organization=of)),
        remove(
            "project roles",
            lambda of: ProjectMembership.objects.filter(project__organization=of),
        ),
    )
    register(User, remove("project roles", lambda of: ProjectMembership.objects.filter(user=of)))
