"""The page of a plan: ours beside Stripe's, and everything that happened in one order."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from djstripe.models import Customer, Subscription
from pytest_django import DjangoAssertNumQueries

from bencher import auditing
from bencher.models import Change
from bencher.tenancy.models import Role, User
from billing import timeline, timeline_texts
from billing.models import MeterEvent, Plan, Status, Verification, WebhookReceipt
from tests.admin.rows import NOW, make_world
from tests.pages import accounts
from tests.pages.reading import soup, words

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def plan(db: None, staff: User) -> Plan:
    """Return a plan about which there is something of every kind."""
    make_world(1, now=NOW)
    plan = Plan.objects.select_related("organization").get()
    at = NOW - timedelta(days=1)
    Plan.objects.filter(pk=plan.pk).update(held_at=at, held_why="another price", ended_at=at)
    Verification.objects.update(verified_at=at, passed_unverified_at=at)
    WebhookReceipt.objects.update(subject_id=plan.stripe_subscription_id)
    plan.organization.freezes.update(ended_at=at, ended_why="answered")
    LogEntry.objects.create(
        user=staff,
        content_type=ContentType.objects.get_for_model(Plan),
        object_id=str(plan.pk),
        object_repr=str(plan),
        action_flag=CHANGE,
        change_message="Post usage now: done. Reason: asked",
        action_time=at,
    )
    plan.refresh_from_db()
    return plan


def address(plan: Plan) -> str:
    return f"/admin/billing/plan/{plan.pk}/change/"


class TestTimeline:
    def test_has_something_of_every_kind(self, plan: Plan) -> None:
        page = timeline.of(plan, now=NOW, limit=1000)

        assert {moment.kind for moment in page.moments} == set(timeline.kinds())
        assert page.ends_at is None

    def test_is_in_order_newest_first_and_one_query(
        self, plan: Plan, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            page = timeline.of(plan, now=NOW, limit=1000)

        instants = [moment.at for moment in page.moments]
        assert instants == sorted(instants, reverse=True)

    @pytest.mark.parametrize("limit", [1, 3, 7])
    def test_pages_leave_nothing_out_and_repeat_nothing(self, plan: Plan, limit: int) -> None:
        whole = timeline.of(plan, now=NOW, limit=1000).moments
        found, before = [], None
        while True:
            page = timeline.of(plan, now=NOW, before=before, limit=limit)
            found += page.moments
            before = page.ends_at
            if before is None:
                break

        assert found == whole

    def test_tells_nothing_of_other_organizations(self, plan: Plan) -> None:
        before = timeline.of(plan, now=NOW, limit=1000)

        make_world(2, now=NOW)

        assert timeline.of(plan, now=NOW, limit=1000) == before

    def test_tells_from_the_audit_who_changed_what_and_why(self, plan: Plan, staff: User) -> None:
        with auditing.context(user=staff.pk, program="release", why="they moved"):
            Plan.objects.filter(pk=plan.pk).update(stripe_price_id="price_new")
        plan.organization.memberships.update(role=Role.MEMBER)

        member, changed = _told(plan, "change")[:2]

        assert changed.title == "Plan changed"
        assert changed.detail.startswith("stripe_price: price_")
        assert changed.detail.endswith(f" → price_new. By {staff.email}, by release: they moved")
        assert (member.title, member.detail.partition(". By ")[0]) == (
            "Membership changed",
            "role: leader → member",
        )
        assert "directly in the database" in member.detail

    def test_tells_nothing_from_the_audit_of_an_earlier_plan(self, plan: Plan) -> None:
        before = _told(plan, "change")
        earlier = Plan.objects.create(
            organization=plan.organization,
            level=plan.level,
            status=Status.CANCELED,
            stripe_subscription_id="sub_earlier",
            stripe_item_id="si_earlier",
            stripe_price_id="price_pro",
            started_at=NOW,
            ended_at=NOW,
            synced_at=NOW,
            status_since=NOW,
        )
        Plan.objects.filter(pk=earlier.pk).update(held_why="an earlier one")
        assert Change.objects.filter(relation="billing_plan", row=str(earlier.pk)).count() == 2

        assert _told(plan, "change") == before

    def test_says_something_of_every_kind(self, plan: Plan) -> None:
        for moment in timeline.of(plan, now=NOW, limit=1000).moments:
            entry = timeline_texts.entry(moment)

            assert entry.title, moment
            assert "None" not in f"{entry.title} {entry.detail}", entry

    def test_tells_what_stripe_answered(self, plan: Plan) -> None:
        MeterEvent.objects.update(
            rejected_at=NOW, answer={"message": "No such customer", "status": 400}
        )

        said = [
            timeline_texts.entry(moment).detail
            for moment in timeline.of(plan, now=NOW, limit=1000).moments
            if moment.kind == "event"
        ]

        assert said == ["rejected by Stripe: No such customer"]


def _told(plan: Plan, kind: str) -> list[timeline_texts.Entry]:
    moments = timeline.of(plan, now=NOW, limit=1000).moments
    return [timeline_texts.entry(moment) for moment in moments if moment.kind == kind]


class TestPage:
    def test_takes_a_fixed_number_of_queries(self, desk: Client, plan: Plan) -> None:
        desk.get(address(plan))
        taken = []
        for half in (0, 1):
            with CaptureQueriesContext(connection) as captured:
                assert desk.get(address(plan)).status_code == 200
            taken.append(len(captured))
            for hours in range(1, 30):
                accounts.make_event(
                    plan.periods.latest("starts_at"),
                    hours,
                    at=NOW - hours * HOUR / 2 - (1 + half) * MINUTE,
                )

        assert taken[0] == taken[1]
        assert taken[0] <= 15

    def test_shows_what_happened_and_leads_to_what_is_older(self, desk: Client, plan: Plan) -> None:
        for hours in range(1, 60):
            accounts.make_event(
                plan.periods.latest("starts_at"), hours, at=NOW - hours * HOUR / 2 - MINUTE
            )

        first = soup(desk.get(address(plan)))
        older = soup(desk.get(address(plan) + _older(first).removesuffix("#timeline")))

        titles = [words(title) for title in first.select(".timeline__title")]
        assert len(titles) == timeline.PAGE
        assert any("1 active series counted, after a report" in title for title in titles)
        assert not set(_times(first)) & set(_times(older)[1:])

    def test_puts_ours_beside_stripes(self, desk: Client, plan: Plan) -> None:
        Subscription.objects.create(
            id=plan.stripe_subscription_id,
            livemode=False,
            customer=Customer.objects.create(id="cus_other", livemode=False, stripe_data={}),
            stripe_data={"status": "past_due", "customer": "cus_other", "items": {"data": []}},
        )

        rows = _rows(soup(desk.get(address(plan))), "compared")

        assert ["Status", "active", "past_due Differs"] in rows
        assert rows[3][0] == "Price"
        assert rows[3][2] == "–"

    def test_shows_each_period_with_every_holder(self, desk: Client, plan: Plan) -> None:
        rows = _rows(soup(desk.get(address(plan))), "periods")

        november, october = rows[1:3]
        assert november[:4] == ["1 Nov – 1 Dec 2026 (paid)", "open", "1", "–"]
        assert october[5:] == ["1", "$100.00", "1, $100.00", "The invoice differs. Look at it"]

    def test_leads_to_stripes_dashboard_in_test_mode(self, desk: Client, plan: Plan) -> None:
        links = [str(link["href"]) for link in soup(desk.get(address(plan))).select("a[href]")]

        subscription = plan.stripe_subscription_id
        assert f"https://dashboard.stripe.com/test/subscriptions/{subscription}" in links
        assert f"/admin/djstripe/subscription/?q={subscription}" in links

    def test_offers_its_acts(self, desk: Client, plan: Plan) -> None:
        buttons = soup(desk.get(address(plan))).select(".acts button")

        assert [words(button) for button in buttons][:2] == [
            "Post usage now",
            "Compare with Stripe",
        ]

    @pytest.mark.parametrize("query", ["?at=soon", "?at=2026-11-01T00:00:00Z&kind=x&id=y", "?id="])
    def test_takes_nonsense_for_the_newest(self, desk: Client, plan: Plan, query: str) -> None:
        assert desk.get(address(plan) + query).status_code == 200

    def test_of_nothing_leads_back_to_the_list(self, desk: Client) -> None:
        assert desk.get("/admin/billing/plan/1234567/change/").status_code == 302

    def test_is_small(self, desk: Client, plan: Plan) -> None:
        assert len(desk.get(address(plan)).content) < 100_000


def _older(page: Any) -> str:
    (link,) = (link for link in page.select("a.button") if words(link) == "Older")
    return str(link["href"])


def _times(page: Any) -> list[datetime]:
    return [datetime.fromisoformat(str(at["datetime"])) for at in page.select(".timeline time")]


def _rows(page: Any, section: str) -> list[list[str]]:
    found = page.find("section", attrs={"aria-labelledby": section})
    return [[words(cell) for cell in row.find_all(["th", "td"])] for row in found.find_all("tr")]
