"""Setting and taking back an organization's budgets."""

from collections.abc import Sequence
from datetime import datetime

from bencher.tenancy.models import Organization, User
from billing.models import Budget


def of(organization: Organization) -> dict[Budget.Unit, Budget]:
    """Return an organization's budgets by their unit."""
    found = Budget.objects.filter(organization=organization)
    return {Budget.Unit(budget.unit): budget for budget in found}


def put(
    organization: Organization,
    *,
    unit: Budget.Unit,
    limit: int,
    thresholds: Sequence[int],
    by: User,
    now: datetime,
) -> Budget:
    """Set a budget in place of the one with its unit: series, or cents."""
    budget, _ = Budget.objects.update_or_create(
        organization=organization,
        unit=unit,
        defaults={
            "limit": limit,
            "thresholds": sorted(thresholds),
            "set_by": by,
            "set_at": now,
        },
    )
    return budget


def remove(organization: Organization, *, unit: Budget.Unit) -> bool:
    """Take back a budget; False where there is none."""
    removed, _ = Budget.objects.filter(organization=organization, unit=unit).delete()
    return bool(removed)
