"""What tests are about: people, organizations, projects, plans. Required arguments only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from django.db import transaction

from bencher.tenancy import keys, organizations
from bencher.tenancy.models import Membership, Organization, Role, User
from billing.models import BillingCustomer, BillingPeriod, Level, Plan, Status
from series import fence, projects
from series.models import Project, Visibility

NOV = datetime(2026, 11, 1, tzinfo=UTC)
DEC = datetime(2026, 12, 1, tzinfo=UTC)
JAN = datetime(2027, 1, 1, tzinfo=UTC)
PASSWORD = "correct horse battery staple"

# The default ladder: base fee to 250 series, two step-ups, then a price for each.
TIERS: list[dict[str, Any]] = [
    {"up_to": 250, "flat_amount": 10000, "unit_amount": 0},
    {"up_to": 375, "flat_amount": 15000, "unit_amount": 0},
    {"up_to": 500, "flat_amount": 20000, "unit_amount": 0},
    {"up_to": None, "flat_amount": 0, "unit_amount": 40},
]


def make_user(name: str, *, is_staff: bool = False) -> User:
    """Create a user called `name` at example.com, who signs in with PASSWORD."""
    return User.objects.create_user(
        f"{name}@example.com",
        name=name.title(),
        password=PASSWORD,
        now=NOV,
        address_is_verified=True,
        is_staff=is_staff,
        is_superuser=is_staff,
    )


def make_organization(name: str, *, leader: User) -> Organization:
    """Create an organization with its leader, which private projects cost nothing yet.

    As it was before billing was switched on: most tests are not about the plan that it lacks.
    """
    organization = organizations.found(name=name, leader=leader, now=NOV)
    organization.private_until = None
    organization.save(update_fields=["private_until"])
    return organization


def make_member(user: User, organization: Organization) -> Membership:
    """Make a user a plain member."""
    return Membership.objects.create(
        user=user, organization=organization, role=Role.MEMBER, created_at=NOV
    )


def make_project(name: str, *, organization: Organization, visibility: Visibility) -> Project:
    """Create a project."""
    return projects.add(
        organization=organization, name=name, visibility=visibility, now=NOV, by=None
    )


def make_project_key(project: Project) -> str:
    """Create a key for a project and return its text."""
    return projects.add_key(project, name="test", now=NOV)


def make_user_key(user: User) -> str:
    """Create a key for a user and return its text."""
    return keys.add_user_key(user, name="test", now=NOV)


def make_customer(organization: Organization) -> BillingCustomer:
    """Return the organization's Stripe customer row, made where needed."""
    customer, _ = BillingCustomer.objects.get_or_create(
        organization=organization,
        defaults={"stripe_customer_id": f"cus_{uuid4().hex[:14]}", "created_at": NOV},
    )
    return customer


def make_plan(organization: Organization, *, status: Status = Status.ACTIVE) -> Plan:
    """Create a live Pro plan, without a period."""
    make_customer(organization)
    return Plan.objects.create(
        organization=organization,
        level=Level.PRO,
        status=status,
        stripe_subscription_id=f"sub_{uuid4().hex[:14]}",
        stripe_item_id=f"si_{uuid4().hex[:14]}",
        stripe_price_id="price_pro",
        started_at=NOV,
        synced_at=NOV,
        status_since=NOV,
    )


def make_period(
    plan: Plan,
    *,
    starts_at: datetime,
    ends_at: datetime,
    kind: BillingPeriod.Kind = BillingPeriod.Kind.PAID,
) -> BillingPeriod:
    """Create an open period of a plan, and raise the fence as opening one does.

    That is to the start of the oldest one that is not closed.
    """
    period = BillingPeriod.objects.create(
        organization=plan.organization,
        plan=plan,
        stripe_subscription_id=plan.stripe_subscription_id,
        stripe_price_id=plan.stripe_price_id,
        tiers=TIERS,
        starts_at=starts_at,
        ends_at=ends_at,
        kind=kind,
        basis="private",
    )
    not_closed = BillingPeriod.objects.filter(organization=plan.organization, state="open")
    with transaction.atomic():
        fence.raise_to(plan.organization_id, not_closed.earliest("starts_at").starts_at)
    return period


def bmf(benchmarks: int, *, measures: tuple[str, ...] = ("latency",), prefix: str = "bench") -> str:
    """Return Bencher Metric Format with that many benchmarks."""
    return msgspec.json.encode(
        {
            f"{prefix}_{number}": {measure: {"value": number + 0.5} for measure in measures}
            for number in range(benchmarks)
        }
    ).decode()


def report_body(
    *results: str,
    end_time: datetime,
    branch: str = "main",
    testbed: str = "ci",
    **more: Any,
) -> dict[str, Any]:
    """Return the body of a report in Bencher's wire format."""
    return {
        "branch": branch,
        "testbed": testbed,
        "start_time": (end_time - timedelta(seconds=30)).isoformat(),
        "end_time": end_time.isoformat(),
        "results": list(results),
        "settings": {"adapter": "json"},
        **more,
    }
