"""The list of plans: what each uses now and would cost."""

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Organization
from billing import overview
from billing.models import BillingPeriod, Level, Plan, Status
from series.models import Visibility
from tests import factories
from tests.admin.rows import NOW
from tests.factories import DEC, NOV
from tests.pages import accounts
from tests.pages.reading import soup, words

PLANS = "/admin/billing/plan/"


def make_pro(name: str, *, series: int) -> Plan:
    """Create an organization on Pro with that many active private series."""
    leader = factories.make_user(f"leader of {name}".replace(" ", "-"))
    organization = factories.make_organization(name, leader=leader)
    project = factories.make_project(
        f"{name} engine", organization=organization, visibility=Visibility.PRIVATE
    )
    accounts.make_series(project, series, at=NOW)
    plan = factories.make_plan(organization)
    accounts.make_november(plan)
    return plan


def listed(client: Client, **query: str) -> list[list[str]]:
    """Return the cells of the list."""
    page = soup(client.get(PLANS, query))
    found = page.select("#result_list tbody tr")
    return [[words(cell) for cell in row.select("th, td:not(.action-checkbox)")] for row in found]


class TestList:
    def test_shows_count_tier_estimate_and_last_post(self, desk: Client) -> None:
        plan = make_pro("Acme", series=251)
        accounts.make_event(plan.periods.get(), 200, at=NOW - timedelta(hours=2))
        accounts.make_event(plan.periods.get(), 240, at=NOW - timedelta(hours=1))

        assert listed(desk) == [
            [
                "Acme",
                "Pro",
                "Active",
                "1 Nov – 1 Dec 2026 (paid)",
                "251",
                "251–375",
                "$150.00",
                "240",
                "17 November 2026, 23:00:00 UTC",
                "–",
            ]
        ]

    def test_a_plan_without_a_current_period_has_nothing_to_count(self, desk: Client) -> None:
        plan = make_pro("Acme", series=1)
        BillingPeriod.objects.update(ends_at=NOV + timedelta(days=1))

        assert plan.pk
        assert listed(desk) == [["Acme", "Pro", "Active", *["–"] * 7]]

    def test_counts_all_its_rows_at_once(
        self, desk: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(5):
            make_pro(f"Org {number}", series=number)

        # Session, user, second factor, number of rows, rows, their counts, their periods.
        with django_assert_num_queries(7):
            assert [row[4] for row in listed(desk)] == ["4", "3", "2", "1", "0"]

    @pytest.mark.parametrize("what", ["slug", "name", "customer", "subscription"])
    def test_is_searched_by_organization_and_by_stripes_ids(self, desk: Client, what: str) -> None:
        plan = make_pro("Acme", series=1)
        make_pro("Globex", series=1)
        wanted = {
            "slug": "acme",
            "name": "Acme",
            "customer": plan.organization.billing_customer.stripe_customer_id,
            "subscription": plan.stripe_subscription_id,
        }

        assert [row[0] for row in listed(desk, q=wanted[what])] == ["Acme"]

    def test_is_filtered_by_level_and_status(self, desk: Client) -> None:
        make_pro("Acme", series=1)
        globex = make_pro("Globex", series=1)
        Plan.objects.filter(pk=globex.pk).update(level=Level.TEAM, status=Status.UNPAID)

        assert [row[0] for row in listed(desk, level__exact="pro")] == ["Acme"]
        assert [row[0] for row in listed(desk, status__exact="unpaid")] == ["Globex"]


class TestOfPlans:
    def test_agrees_with_the_page(self, desk: Client) -> None:
        plan = make_pro("Acme", series=7)
        public = factories.make_project(
            "Docs", organization=plan.organization, visibility=Visibility.PUBLIC
        )
        accounts.make_series(public, 3, at=NOW)

        found = overview.of_plans([plan.pk])[plan.pk]

        assert (found.series, found.estimate_cents) == (7, 10000)

    def test_a_trial_costs_nothing(self) -> None:
        plan = make_pro("Acme", series=7)
        BillingPeriod.objects.update(kind=BillingPeriod.Kind.TRIAL)

        assert overview.of_plans([plan.pk])[plan.pk].estimate_cents == 0

    def test_shows_no_post_of_an_earlier_period(self) -> None:
        plan = make_pro("Acme", series=7)
        october = factories.make_period(plan, starts_at=accounts.OCT, ends_at=NOV)
        accounts.make_event(october, 99, at=NOV - timedelta(hours=1))

        assert overview.of_plans([plan.pk])[plan.pk].posted is None

    def test_leaves_out_what_is_not_billed_by_series(self) -> None:
        plan = make_pro("Acme", series=7)
        Plan.objects.filter(pk=plan.pk).update(level=Level.TEAM)

        assert overview.of_plans([plan.pk]) == {}

    def test_counts_half_open(self) -> None:
        plan = make_pro("Acme", series=0)
        project = Organization.objects.get().projects.get()
        accounts.make_series(project, 1, at=DEC)

        assert overview.of_plans([plan.pk])[plan.pk].series == 0
