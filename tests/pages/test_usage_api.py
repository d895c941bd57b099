"""The usage endpoint: Bencher's shape, and the same figure as the page."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Organization, User
from billing.models import BillingPeriod, Level, MetricsPeriod, Plan, Status
from series.models import Visibility
from tests.factories import DEC, NOV, make_plan, make_project, make_project_key, make_user_key
from tests.pages import accounts
from tests.pages.reading import soup, words

USAGE = "/v0/organizations/acme/usage"


def get(client: Client, key: str | None, address: str = USAGE) -> Any:
    """Ask with a bearer key, or without."""
    return client.get(address, headers={"Authorization": f"Bearer {key}"} if key else {})


@pytest.fixture
def plan(acme: Organization) -> Plan:
    """Return Acme's Pro plan in a paid November."""
    plan = make_plan(acme)
    accounts.make_november(plan)
    return plan


class TestWhoMaySeeIt:
    def test_nobody_without_a_key(self, acme: Organization, client: Client) -> None:
        response = get(client, None)

        assert response.status_code == 401
        assert set(response.json()) == {"request_id", "message"}

    def test_nobody_by_cookie(self, acme: Organization, alice: User, client: Client) -> None:
        client.force_login(alice)

        assert get(client, None).status_code == 401

    def test_no_unknown_key(self, acme: Organization, client: Client) -> None:
        assert get(client, "bencher_user_" + "x" * 30).status_code == 401

    def test_no_project_key(self, acme: Organization, client: Client) -> None:
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)

        response = get(client, make_project_key(project))

        assert response.status_code == 403
        assert "Use a key of a user" in response.json()["message"]

    def test_no_member(self, bob: User, client: Client) -> None:
        response = get(client, make_user_key(bob))

        assert response.status_code == 403
        assert "Ask a leader" in response.json()["message"]

    def test_no_stranger(self, acme: Organization, charlie: User, client: Client) -> None:
        response = get(client, make_user_key(charlie))

        assert response.status_code == 404
        assert "There is no organization 'acme'" in response.json()["message"]

    def test_leaders_by_uuid_too(self, acme: Organization, alice: User, client: Client) -> None:
        response = get(client, make_user_key(alice), f"/v0/organizations/{acme.uuid}/usage")

        assert response.status_code == 200


class TestOnPro:
    @pytest.mark.usefixtures("plan")
    def test_says_the_same_as_the_page(
        self,
        acme: Organization,
        alice: User,
        client: Client,
        browser_of: Callable[[User], Client],
    ) -> None:
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 251, at=NOV)

        usage = get(client, make_user_key(alice)).json()
        page = browser_of(alice).get("/organizations/acme/billing/")

        figures = words(soup(page).find("dl", class_="figures"))
        assert (usage["active_series"], usage["estimate_cents"]) == (251, 15000)
        assert "Active private series 251" in figures
        assert "Estimate at this count $150.00" in figures

    def test_has_benchers_fields_and_three_more(
        self, acme: Organization, alice: User, plan: Plan, client: Client
    ) -> None:
        usage = get(client, make_user_key(alice)).json()

        counted_at = datetime.fromisoformat(usage.pop("counted_at"))
        assert f"{counted_at:%Y-%m-%d %H:%M}" == "2026-11-18 12:03"
        assert usage == {
            "organization": str(acme.uuid),
            "kind": "cloud_metered",
            "plan": {
                "organization": str(acme.uuid),
                "customer": {
                    "uuid": str(alice.uuid),
                    "name": "Alice",
                    "email": "alice@example.com",
                },
                "card": {
                    "brand": "unknown",
                    "last_four": "0000",
                    "exp_month": 12,
                    "exp_year": 2099,
                },
                "level": "pro",
                "unit_amount": 10000,
                "tiers": [
                    {"up_to": 250, "unit_amount": 0, "flat_amount": 10000},
                    {"up_to": 375, "unit_amount": 0, "flat_amount": 15000},
                    {"up_to": 500, "unit_amount": 0, "flat_amount": 20000},
                    {"up_to": None, "unit_amount": 40, "flat_amount": 0},
                ],
                "created": "2026-11-01T00:00:00Z",
                "current_period_start": "2026-11-01T00:00:00Z",
                "current_period_end": "2026-12-01T00:00:00Z",
                "status": "active",
                "cancel_at_period_end": False,
                "license": None,
            },
            "license": None,
            "start_time": "2026-11-01T00:00:00Z",
            "end_time": "2026-12-01T00:00:00Z",
            "metrics": None,
            "active_series": 0,
            "runner_minutes": 0,
            "tier": {
                "first": 0,
                "up_to": 250,
                "flat_amount_decimal": "10000",
                "unit_amount_decimal": "0",
            },
            "estimate_cents": 10000,
        }

    def test_a_trial_costs_nothing(self, acme: Organization, alice: User, client: Client) -> None:
        plan = make_plan(acme, status=Status.TRIALING)
        accounts.make_november(plan, kind=BillingPeriod.Kind.TRIAL)

        assert get(client, make_user_key(alice)).json()["estimate_cents"] == 0

    @pytest.mark.usefixtures("plan")
    def test_takes_a_fixed_number_of_queries(
        self,
        acme: Organization,
        alice: User,
        client: Client,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        key = make_user_key(alice)
        for number in range(10):
            name = f"Project {number}"
            project = make_project(name, organization=acme, visibility=Visibility.PRIVATE)
            accounts.make_series(project, 1, at=NOV)

        # Clock, key and its first use, organization, membership, clock, plan, period, count, last
        # event, and who subscribed: checkout, then leader.
        with django_assert_num_queries(13):
            get(client, key)


class TestOffPro:
    def test_without_a_plan_it_is_the_last_thirty_days(
        self, acme: Organization, alice: User, client: Client, now: datetime
    ) -> None:
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 2, at=now)

        usage = get(client, make_user_key(alice)).json()

        assert usage["kind"] == "cloud_free"
        assert usage["active_series"] == 2
        assert (usage["plan"], usage["tier"], usage["estimate_cents"]) == (None, None, None)
        start, end = (datetime.fromisoformat(usage[k]) for k in ("start_time", "end_time"))
        assert (end - start).days == 30

    def test_an_older_plan_has_no_active_series(
        self, acme: Organization, alice: User, plan: Plan, client: Client
    ) -> None:
        Plan.objects.filter(pk=plan.pk).update(level=Level.TEAM)

        usage = get(client, make_user_key(alice)).json()

        assert (usage["kind"], usage["active_series"]) == ("cloud_metered", None)

    def test_an_older_plan_has_the_period_of_its_metrics(
        self, acme: Organization, alice: User, client: Client
    ) -> None:
        plan = make_plan(acme)
        Plan.objects.filter(pk=plan.pk).update(level=Level.TEAM)
        MetricsPeriod.objects.create(
            organization=acme,
            plan=plan,
            stripe_subscription_id=plan.stripe_subscription_id,
            starts_at=NOV,
            ends_at=DEC,
            metered_from=NOV,
        )

        usage = get(client, make_user_key(alice)).json()

        shown = {name: usage["plan"][name] for name in ("level", "tiers", "current_period_start")}
        assert shown == {
            "level": "team",
            "tiers": [],
            "current_period_start": "2026-11-01T00:00:00Z",
        }
        assert usage["plan"]["current_period_end"] == usage["end_time"] == "2026-12-01T00:00:00Z"
