"""Until when an organization's private reports are accepted: `Organization.private_until`.

Empty means without limit, which holds only while billing is dark. A plan covers its period and a
day more, and cover never ends because Stripe can't be asked.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from bencher.tenancy.models import Organization
from billing.models import COVERED_STATUSES, Plan, Status

# Private reports stay accepted for a day past the period, in case Stripe can't be asked.
MARGIN = timedelta(days=1)


def is_limited() -> bool:
    """Tell whether private projects need a plan here at all."""
    return bool(settings.ACTIVE_SERIES_PRODUCT)


def follow(plan: Plan, *, ends_at: datetime, asked_at: datetime) -> None:
    """Cover what a plan covers whose period ends at `ends_at`, as Stripe said when asked."""
    if not is_limited():
        return
    organizations = Organization.objects.filter(pk=plan.organization_id)
    if plan.status in COVERED_STATUSES:
        # A paused plan has no further period, and is covered all the same.
        _lengthen(organizations, until=max(ends_at, asked_at) + MARGIN)
    elif plan.status == Status.UNPAID:
        grace = timedelta(days=settings.PLAN_GRACE_DAYS)
        organizations.update(private_until=plan.status_since + grace)
    elif plan.ended_at is not None:
        if not Plan.objects.filter(organization_id=plan.organization_id, ended_at=None).exists():
            _shorten(organizations, until=plan.ended_at + MARGIN)
    else:
        # Incomplete: nothing was paid yet, so nothing is covered that was not before.
        organizations.filter(private_until=None).update(private_until=asked_at)


def lengthen(organization: Organization, *, until: datetime) -> None:
    """Cover an organization until an instant at least, whatever becomes of its plan."""
    if is_limited():
        _lengthen(Organization.objects.filter(pk=organization.pk), until=until)


def _lengthen(organizations: QuerySet[Organization], *, until: datetime) -> None:
    organizations.filter(Q(private_until=None) | Q(private_until__lt=until)).update(
        private_until=until
    )


def _shorten(organizations: QuerySet[Organization], *, until: datetime) -> None:
    organizations.filter(Q(private_until=None) | Q(private_until__gt=until)).update(
        private_until=until
    )


def begin(organization: Organization, now: datetime) -> None:
    """Limit a new organization, which has no plan yet, to public projects."""
    if is_limited():
        Organization.objects.filter(pk=organization.pk).update(private_until=now)
        organization.private_until = now


def end_without_plan(*, now: datetime) -> int:
    """Limit organizations that never had a plan; returns how many.

    For those that were founded while billing was dark.
    """
    if not is_limited():
        return 0
    return (Organization.objects.filter(~Exists(_live_plans()), private_until=None)).update(
        private_until=now
    )


def outlast_outage(*, now: datetime) -> int:
    """Let no plan's cover run out while Stripe can't be asked; returns how many were near it.

    Called where Stripe did not answer. What it said last still holds for those plans.
    """
    covered = Exists(_live_plans().filter(status__in=COVERED_STATUSES))
    near = Organization.objects.filter(covered, private_until__lt=now + MARGIN / 2)
    return near.update(private_until=now + MARGIN)


def _live_plans() -> QuerySet[Plan]:
    return Plan.objects.filter(organization=OuterRef("pk"), ended_at=None)
