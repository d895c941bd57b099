"""The audit as staff see it, and who it says has changed something."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from bencher import clock
from bencher.models import Change
from bencher.tenancy.models import Membership, Organization, Role, User
from billing.models import Plan
from tests import factories
from tests.admin.acting import act
from tests.factories import DEC, NOV
from tests.pages.reading import soup, words


@pytest.fixture
def leader() -> User:
    """Return a leader."""
    return factories.make_user("lea")


@pytest.fixture
def plan(leader: User) -> Plan:
    """Return the plan of the leader's organization."""
    organization = factories.make_organization("Acme", leader=leader)
    factories.make_customer(organization)
    plan = factories.make_plan(organization)
    factories.make_period(plan, starts_at=NOV, ends_at=DEC)
    return plan


def latest(relation: str) -> Change:
    """Return the latest change of a table."""
    return Change.objects.filter(relation=relation).select_related("user").latest("id")


class TestWho:
    def test_is_the_member_of_staff_with_the_reason(
        self, desk: Client, staff: User, plan: Plan
    ) -> None:
        act(desk, plan, "freeze", reason="they dispute the bill")

        change = latest("billing_freeze")
        assert (change.user, change.why) == (staff, "they dispute the bill")
        assert change.organization_id == plan.organization_id
        assert change.program
        assert len(change.request) == 32

    def test_is_who_is_signed_in_on_a_page(self, leader: User, plan: Plan) -> None:
        other = factories.make_user("max")
        factories.make_member(other, plan.organization)
        membership = Membership.objects.get(user=other)
        browser = Client()
        browser.force_login(leader)

        browser.post(
            reverse("member-role", args=[plan.organization.slug, other.uuid]),
            {f"{other.uuid}-role": "leader"},
        )

        membership.refresh_from_db()
        assert membership.role == Role.LEADER
        change = latest("tenancy_membership")
        assert (change.user, change.before, change.after) == (
            leader,
            {"role": "member"},
            {"role": "leader"},
        )

    def test_is_whose_key_it_was(self, leader: User, plan: Plan) -> None:
        key = factories.make_user_key(leader)

        response = Client().post(
            f"/v0/organizations/{plan.organization.slug}/projects",
            {"name": "Engine", "visibility": "private"},
            content_type="application/json",
            headers={"authorization": f"Bearer {key}"},
        )

        assert response.status_code == 201, response.content
        assert latest("series_project").user == leader

    def test_is_forgotten_with_the_request(self, desk: Client, plan: Plan) -> None:
        act(desk, plan, "freeze")
        Organization.objects.update(private_until=clock.now() + timedelta(days=9))

        assert latest("tenancy_organization").user is None


class TestPages:
    def test_the_history_of_a_row_shows_before_after_and_why(
        self, desk: Client, plan: Plan, staff: User
    ) -> None:
        Plan.objects.update(status="past_due")

        page = soup(desk.get(reverse("admin:billing_plan_history", args=[plan.pk])))

        row = words(page.select(".audit tbody tr")[0])
        assert "status: active → past_due" in row
        assert "directly in the database" in row

    def test_instants_are_written_as_everywhere(self, desk: Client, plan: Plan) -> None:
        Plan.objects.update(ended_at=NOV)

        page = soup(desk.get(reverse("admin:billing_plan_history", args=[plan.pk])))

        row = words(page.select(".audit tbody tr")[0])
        assert "ended at: nothing → 1 November 2026, 00:00:00 UTC" in row

    def test_the_list_shows_changes_of_one_table(self, desk: Client, plan: Plan) -> None:
        address = reverse("admin:bencher_change_changelist")

        every = soup(desk.get(address)).select("#result_list tbody tr")
        of_plans = soup(desk.get(address, {"relation": "billing_plan"}))

        rows = of_plans.select("#result_list tbody tr")
        assert len(every) > len(rows) == 1
        assert "status: active" in words(rows[0])

    def test_nobody_can_take_anything_out(self, desk: Client, plan: Plan) -> None:
        change = latest("billing_plan")

        for page in ("change", "delete"):
            address = reverse(f"admin:bencher_change_{page}", args=[change.pk])
            assert desk.post(address, {"post": "yes"}).status_code == 403
        assert Change.objects.filter(pk=change.pk).exists()
