"""An organization with a running plan is not deleted: it would be billed, and nobody could see it.

Billing ends the plan before; this refuses, inside the deletion's transaction, one that began since.
Here, because tenancy knows nothing of plans, and deletion must ask for them.
"""

from datetime import datetime

from bencher.tenancy.deletion import StillInUseError
from bencher.tenancy.models import Organization, User
from billing.models import Plan


def refuse(organization: Organization, now: datetime, by: User | None) -> None:
    """Raise StillInUseError where the organization has a plan that has not ended."""
    if Plan.objects.filter(organization=organization, ended_at=None).exists():
        raise StillInUseError(
            f"{organization.slug} has a plan that has not ended: it began just now. Delete the"
            " organization again, so that the plan ends first."
        )
