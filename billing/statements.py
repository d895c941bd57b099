"""Finding an organization's statements, newest first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from bencher.tenancy.models import Organization
from billing.models import Statement, StatementLine


@dataclass(frozen=True, slots=True)
class ProjectShare:
    """How many series of a statement are one project's, as it was when they were frozen."""

    uuid: UUID
    name: str
    deleted: bool
    billed: bool
    series: int


class NoSuchStatementError(LookupError):
    """The organization has no such statement."""


def of(organization: Organization) -> QuerySet[Statement]:
    """Return an organization's statements, newest first, with what is shown of them."""
    return (
        Statement.objects.filter(organization=organization)
        .select_related("period", "organization")
        .prefetch_related("settlements", "corrections__decision")
        .order_by("-starts_at")
    )


def page(
    organization: Organization, *, before: datetime | None, limit: int
) -> tuple[list[Statement], datetime | None]:
    """Return up to `limit` statements that start before an instant, and where the next begin."""
    found = of(organization)
    if before is not None:
        found = found.filter(starts_at__lt=before)
    rows = list(found[: limit + 1])
    more = len(rows) > limit
    return rows[:limit], rows[limit - 1].starts_at if more else None


def find(organization: Organization, identifier: UUID | datetime) -> Statement:
    """Return a statement by its UUID or by its period's start. Raises NoSuchStatementError."""
    wanted = {"uuid": identifier} if isinstance(identifier, UUID) else {"starts_at": identifier}
    found = of(organization).filter(**wanted).first()
    if found is None:
        raise NoSuchStatementError(f"{organization.slug} has no statement {identifier}.")
    return found


def shares(statement: Statement) -> list[ProjectShare]:
    """Return the projects of a statement by its lines, billed ones first, the largest first."""
    lines = StatementLine.objects.filter(statement=statement)
    counted = (
        lines.values_list("project_uuid", "project_name", "project_deleted", "billed")
        .annotate(series=Count("pk"))
        .order_by("-billed", "-series", "project_name", "project_uuid")
    )
    return [ProjectShare(*row) for row in counted]
