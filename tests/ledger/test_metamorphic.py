"""Histories that must come to the same bill, and a move that must change it by exactly one."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.db import transaction
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from bencher import clock
from billing import close
from billing.models import BillingPeriod, Plan
from series import fence
from series.models import Project, Visibility
from tests.databases import rolled_back
from tests.factories import (
    make_organization,
    make_plan,
    make_project,
    make_project_key,
    make_user,
    report_body,
)

pytestmark = pytest.mark.django_db

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)
MICROSECOND = timedelta(microseconds=1)
# Steps close to each other, so that a unit more or less shows in the amount too.
TIERS = [
    {"up_to": 2, "flat_amount": 100, "unit_amount": 0},
    {"up_to": 5, "flat_amount": 200, "unit_amount": 0},
    {"up_to": None, "flat_amount": 0, "unit_amount": 50},
]
ITERATION = st.dictionaries(
    st.sampled_from(["add", "sub", "mul", "div"]),
    st.dictionaries(
        st.sampled_from(["latency", "memory"]), st.just({"value": 1.0}), min_size=1, max_size=2
    ),
    min_size=1,
    max_size=4,
)
REPORT = st.fixed_dictionaries(
    {
        "testbed": st.sampled_from(["ci", "lab"]),
        "branch": st.sampled_from(["main", "feature"]),
        "results": st.lists(ITERATION, min_size=1, max_size=3),
        # After the start of the first of two months.
        "hour": st.integers(0, 2 * 30 * 24 - 1),
    }
)
REPORTS = st.lists(REPORT, min_size=1, max_size=4)
# Each example closes four months or more.
few = settings(max_examples=max(8, settings().max_examples // 4))
Report = dict[str, Any]
Bill = tuple[int, int, int]


class Acme:
    """An organization with a private project and two months that are over and not closed."""

    def __init__(self) -> None:
        organization = make_organization("Acme", leader=make_user("alice"))
        self.project: Project = make_project(
            "Engine", organization=organization, visibility=Visibility.PRIVATE
        )
        self.key = make_project_key(self.project)
        self.plan: Plan = make_plan(organization)
        self.now = clock.now()
        self.start = self.now - 2 * MONTH - HOUR
        self.bound = self.start + MONTH
        with transaction.atomic():
            fence.raise_to(organization.pk, self.start)
        for starts_at in (self.start, self.bound):
            BillingPeriod.objects.create(
                organization=organization,
                plan=self.plan,
                stripe_subscription_id=self.plan.stripe_subscription_id,
                stripe_price_id=self.plan.stripe_price_id,
                tiers=TIERS,
                starts_at=starts_at,
                ends_at=starts_at + MONTH,
                kind=BillingPeriod.Kind.PAID,
                basis="private",
            )

    def report(self, report: Report, *, at: datetime | None = None) -> None:
        """Post a report that ended at its hour, or at an instant."""
        response = Client(headers={"authorization": f"Bearer {self.key}"}).post(
            f"/v0/projects/{self.project.uuid}/reports",
            report_body(
                *(msgspec.json.encode(iteration).decode() for iteration in report["results"]),
                end_time=at or self.start + report["hour"] * HOUR,
                testbed=report["testbed"],
                branch=report["branch"],
            ),
            content_type="application/json",
        )
        assert response.status_code == 201, response.content

    def bills(self) -> list[Bill]:
        """Close both months; return what each is billed: series, all series, cents."""
        periods = BillingPeriod.objects.filter(plan=self.plan).order_by("starts_at")
        statements = [close.close(period.pk, now=self.now) for period in periods]
        return [(found.series, found.total_series, found.amount_cents) for found in statements]


def bills(reports: list[Report]) -> list[Bill]:
    """Return what a history comes to, leaving nothing behind."""
    with rolled_back():
        acme = Acme()
        for report in reports:
            acme.report(report)
        return acme.bills()


def split(report: Report) -> list[Report]:
    """Return a report for each single metric of a report."""
    return [
        report | {"results": [{benchmark: {measure: metric}}]}
        for iteration in report["results"]
        for benchmark, measures in iteration.items()
        for measure, metric in measures.items()
    ]


class TestTheBillStaysTheSame:
    @few
    @given(data=st.data(), reports=REPORTS)
    def test_in_any_order(self, data: st.DataObject, reports: list[Report]) -> None:
        shuffled = data.draw(st.permutations(reports))

        assert bills(shuffled) == bills(reports)

    @few
    @given(data=st.data(), reports=REPORTS)
    def test_with_duplicates(self, data: st.DataObject, reports: list[Report]) -> None:
        again = data.draw(st.lists(st.sampled_from(reports), max_size=4))

        assert bills(reports + again) == bills(reports)

    @few
    @given(reports=REPORTS)
    def test_when_each_report_is_split_into_many(self, reports: list[Report]) -> None:
        assert bills([part for report in reports for part in split(report)]) == bills(reports)

    @few
    @given(reports=REPORTS)
    def test_from_whatever_branch(self, reports: list[Report]) -> None:
        assert bills([report | {"branch": "other"} for report in reports]) == bills(reports)


class TestTheBoundary:
    @few
    @given(reports=REPORTS)
    def test_moving_a_report_over_it_moves_one_series(self, reports: list[Report]) -> None:
        """A new series just before the bound is in the first month, at the bound in the second."""
        one = {"testbed": "new", "branch": "main", "results": [{"add": {"latency": {"value": 1}}}]}
        came_to = []
        for before in (MICROSECOND, timedelta(0)):
            with rolled_back():
                acme = Acme()
                for report in reports:
                    acme.report(report)
                acme.report(one, at=acme.bound - before)
                came_to.append([series for series, _, _ in acme.bills()])
        (first, second), (first_moved, second_moved) = came_to

        assert (first_moved, second_moved) == (first - 1, second + 1)
