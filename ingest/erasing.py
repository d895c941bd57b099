"""What reports hold of an organization's names: branches, commits, idempotency keys."""

from bencher.tenancy.erasing import UUID_AS_TEXT, blank, register
from bencher.tenancy.models import Organization
from ingest.models import Branch, Report, Version


def register_parts() -> None:
    """Register all of it; called when the app starts."""
    register(
        Organization,
        blank(
            "branches",
            lambda of: Branch.objects.filter(project__organization=of),
            name=UUID_AS_TEXT,
            slug=UUID_AS_TEXT,
        ),
        blank(
            "versions with a commit",
            lambda of: Version.objects.filter(project__organization=of),
            hash="",
        ),
        # The client chose them, and may have put anything in.
        blank(
            "reports with an idempotency key",
            lambda of: Report.objects.filter(organization=of),
            idempotency_key="",
        ),
    )
