"""The page of a plan: ours beside Stripe's, and everything that happened in one order."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

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
from billing import correcting, plan_panel, timeline, timeline_texts
from billing.models import (
    BillingPeriod,
    Drift,
    MeterEvent,
    Plan,
    Settlement,
    Statement,
    StatementLine,
    Status,
    Verification,
    WebhookReceipt,
)
from ingest.models import Report
from series.models import Project, ProjectChange, Visibility
from tests import factories
from tests.admin.rows import NOW, make_world
from tests.factories import DEC, NOV
from tests.pages import accounts
from tests.pages.reading import soup, words
from tests.staffing import desk_of

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


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


def make_equal_instants(plan: Plan) -> None:
    """Let much have happened at the very same instants, of one kind and of several."""
    period = plan.periods.latest("starts_at")
    for at in (NOW - HOUR, NOW - 2 * HOUR):
        for number in range(4):
            WebhookReceipt.objects.create(
                event_id=f"evt_{at:%H}_{number}",
                type="invoice.paid",
                object_id="in_1",
                subject_id=plan.stripe_subscription_id,
                received_at=at,
            )
            event = accounts.make_event(period, number, at=at - number * MINUTE - MINUTE)
            MeterEvent.objects.filter(pk=event.pk).update(counted_at=at)
        plan.organization.freezes.create(
            reason="so", begun_at=at, ended_at=at, ended_why="answered"
        )


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

        places = [(moment.at, moment.kind, moment.id) for moment in page.moments]
        assert places == sorted(places, reverse=True)

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    def test_pages_leave_nothing_out_and_repeat_nothing(self, plan: Plan, limit: int) -> None:
        make_equal_instants(plan)
        whole = timeline.of(plan, now=NOW, limit=1000).moments
        found, before = [], None
        for number in range(len(whole) // limit + 2):
            page = timeline.of(plan, now=NOW, before=before, limit=limit)
            assert len(page.moments) == min(limit, len(whole) - number * limit)
            found += page.moments
            before = page.ends_at
            if before is None:
                break

        assert found == whole

    def test_a_page_that_holds_all_of_it_is_the_last(self, plan: Plan) -> None:
        number = len(timeline.of(plan, now=NOW, limit=1000).moments)

        assert timeline.of(plan, now=NOW, limit=number).ends_at is None
        assert timeline.of(plan, now=NOW, limit=number - 1).ends_at is not None

    def test_has_nothing_that_is_still_to_come(self, plan: Plan) -> None:
        factories.make_period(plan, starts_at=DEC, ends_at=DEC + timedelta(days=31))

        moments = timeline.of(plan, now=NOW, limit=1000).moments

        assert max(moment.at for moment in moments if moment.kind == "period") == NOV

    def test_tells_corrections_of_its_own_statements(self, plan: Plan) -> None:
        """An organization's next plan has its own."""
        leader = plan.organization.memberships.get().user
        other = factories.make_plan(plan.organization)
        statement = accounts.make_statement(
            other, starts_at=DEC, ends_at=DEC + timedelta(days=9), series=3, amount_cents=10000
        )
        correction = correcting.propose(statement, series=2, why="so", by=leader, now=NOW)
        correcting.decline(correction, by=leader, now=NOW)

        def told(of: Plan) -> list[int]:
            moments = timeline.of(of, now=NOW, limit=1000).moments
            return [one.id for one in moments if one.kind in ("correction", "decision")]

        assert told(other) == [correction.pk] * 2
        assert correction.pk not in told(plan)

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
        assert changed.detail.startswith("stripe price: price_")
        assert changed.detail.endswith(f" → price_new. By {staff.email}, by release: they moved")
        assert (member.title, member.detail.partition(". By ")[0]) == (
            "Membership changed",
            "role: leader → member",
        )
        assert "directly in the database" in member.detail

    def test_tells_of_a_period_what_no_statement_tells(self, plan: Plan) -> None:
        before = len(_told(plan, "change"))
        periods = BillingPeriod.objects.filter(pk=plan.periods.latest("starts_at").pk)

        periods.update(state=BillingPeriod.State.FROZEN)
        assert len(_told(plan, "change")) == before
        plan.organization.private_until = NOW
        plan.organization.save()
        assert len(_told(plan, "change")) == before
        periods.update(stripe_price_id="price_new")

        changed, *others = _told(plan, "change")
        assert len(others) == before
        assert changed.title == "Billing period changed"
        assert "→ price_new" in changed.detail

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

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({}, "waits to be sent, not tried yet"),
            (
                {"attempts": 2, "answer": {"message": "No answer"}},
                "waits to be sent, tried 2 times. Stripe said: No answer",
            ),
            ({"sent_at": NOW}, "delivered to Stripe at 18 November 2026, 00:00:00 UTC"),
            ({"rejected_at": NOW}, "rejected by Stripe: without a word"),
            (
                {"rejected_at": NOW, "expired_at": NOW, "answer": {"message": "No answer"}},
                "expired: Stripe takes nothing so old, and it is not billed",
            ),
            ({"superseded_at": NOW}, "superseded by a newer value"),
            ({"held_at": NOW}, "held back by staff"),
            ({"held_at": NOW, "sent_at": NOW}, "delivered to Stripe at 18 November 2026,"),
        ],
    )
    def test_tells_how_far_a_value_came(
        self, plan: Plan, changes: dict[str, Any], says: str
    ) -> None:
        MeterEvent.objects.update(**changes)

        (said,) = _told(plan, "event")

        assert said.detail.startswith(says)

    def test_tells_who_is_gone_from_who_never_was(self, plan: Plan) -> None:
        plan.organization.freezes.update(begun_by=None)
        project = plan.organization.projects.get()
        ProjectChange.objects.create(project=project, kind="created", at=NOW, by=None)

        assert _told(plan, "freeze")[0].detail == "by somebody who is gone: a question"
        assert _told(plan, "project")[0].detail == "by a report, or somebody who is gone"

    def test_tells_why_a_released_plan_was_held(self, plan: Plan) -> None:
        (said,) = _told(plan, "release")

        assert said.detail.endswith("new price It was held: changed")


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

    @pytest.mark.parametrize("has_ended", [True, False])
    def test_a_period_that_stripe_keeps_differs_only_while_one_runs_here(
        self, desk: Client, plan: Plan, has_ended: bool
    ) -> None:
        Plan.objects.update(ended_at=NOW if has_ended else None)
        bounds = {"current_period_start": 1, "current_period_end": 2}
        item = {"id": plan.stripe_item_id, "price": {"id": plan.stripe_price_id}, **bounds}
        Subscription.objects.create(
            id=plan.stripe_subscription_id,
            livemode=False,
            customer=Customer.objects.create(id="cus_other", livemode=False, stripe_data={}),
            stripe_data={"status": "active", "items": {"data": [item]}},
        )

        rows = _rows(soup(desk.get(address(plan))), "compared")

        differing = [row[0] for row in rows if "Differs" in row[-1]]
        wanted = [] if has_ended else ["Current period begins", "Current period ends"]
        assert differing == wanted

    def test_counts_until_a_period_ends_and_no_longer(self, plan: Plan) -> None:
        for at, has_one in {DEC - SECOND: True, DEC: False}.items():
            assert bool(plan_panel.of(plan, now=at, before=None).band) == has_one

    def test_says_as_of_when_and_where_to_ask_now(self, desk: Client, plan: Plan) -> None:
        said = words(_section(soup(desk.get(address(plan))), "compared"))
        assert "Here as of 1 November 2026, 00:00:00 UTC; Stripe has told us nothing yet" in said

        Subscription.objects.create(
            id=plan.stripe_subscription_id,
            livemode=False,
            customer=Customer.objects.create(id="cus_other", livemode=False, stripe_data={}),
            stripe_data={"status": "active", "customer": "cus_other", "items": {"data": []}},
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE djstripe_subscription SET djstripe_updated ="
                " statement_timestamp() - interval '3 hours 10 minutes'"
            )
        section = _section(soup(desk.get(address(plan))), "compared")

        assert "Stripe's as it told us last, 3 hours ago." in words(section)
        form = section.select_one("form")
        assert form is not None
        posted = {str(one["name"]): str(one.get("value", "")) for one in form.select("[name]")}
        asked = soup(desk.post(str(form["action"]), posted))
        assert words(asked.select_one("h1")) == "Compare with Stripe"

    def test_is_two_clicks_from_the_front_page_and_two_from_the_proof(
        self, desk: Client, plan: Plan
    ) -> None:
        report = Report.objects.get()
        StatementLine.objects.create(
            **{
                field.name: getattr(StatementLine.objects.get(), field.name)
                for field in StatementLine._meta.fields
                if field.name not in ("id", "benchmark_uuid", "first_report_uuid")
            },
            benchmark_uuid=uuid4(),
            first_report_uuid=report.uuid,
        )
        front = soup(desk.get("/admin/")).select_one("form[role=search]")
        assert front is not None

        page = desk.get(str(front["action"]), {"q": "org-1"}, follow=True)
        assert page.redirect_chain == [(address(plan), 302)]
        october = _section(soup(page), "periods").select("tbody tr")[1]
        lines = soup(desk.get(str(october.select("td a")[0]["href"])))
        assert len(lines.select("#result_list tbody tr")) == 2
        (link,) = (link for link in lines.select("a") if words(link) == str(report.uuid))
        found = soup(desk.get(str(link["href"]))).select("#result_list tbody tr")
        assert len(found) == 1

    def test_is_led_to_only_where_one_is_meant(self, desk: Client, plan: Plan) -> None:
        make_world(2, now=NOW)

        for text in ("org", "", "nobody", "…"):
            answer = desk.get("/admin/billing/plan/find/", {"q": text})
            assert answer["Location"] == f"/admin/billing/plan/?{urlencode({'q': text})}"
        assert desk.get("/admin/billing/plan/find/", {"q": "org-1"})["Location"] == address(plan)

    def test_is_not_found_by_who_may_not_see_plans(self, plan: Plan) -> None:
        dora = factories.make_user("dora", is_staff=True)
        dora.is_superuser = False
        dora.save(update_fields=["is_superuser"])
        client = desk_of(dora)

        assert client.get("/admin/billing/plan/find/", {"q": "org-1"}).status_code == 403
        assert not soup(client.get("/admin/")).select("form[role=search]")

    def test_series_by_project_add_up_to_the_count(self, desk: Client, plan: Plan) -> None:
        Plan.objects.filter(pk=plan.pk).update(ended_at=None)
        for name, visibility, series in [
            ("Docs", Visibility.PUBLIC, 5),
            ("Core", Visibility.PRIVATE, 7),
            ("Old", Visibility.PRIVATE, 11),
        ]:
            project = factories.make_project(
                name, organization=plan.organization, visibility=visibility
            )
            accounts.make_series(project, series, at=NOW)
            if name == "Old":
                Project.objects.filter(pk=project.pk).update(deleted_at=NOW)

        section = _section(soup(desk.get(address(plan))), "projects")
        rows = [[words(cell) for cell in row.select("th, td")] for row in section.select("tr")[1:]]

        # One of the world's own project, and Core's.
        assert sum(int(row[2]) for row in rows if row[3] == "yes") == 8
        assert {row[1] for row in rows if row[3] == "no"} == {"public", "private, deleted"}
        assert "8 billed, band 0–250" in words(section)
        listed = soup(desk.get("/admin/billing/plan/")).select_one(".field-series_now")
        assert words(listed) == "8"

    def test_shows_each_period_with_every_holder(self, desk: Client, plan: Plan) -> None:
        rows = _rows(soup(desk.get(address(plan))), "periods")

        november, october = rows[1:3]
        assert november[:4] == ["1 Nov – 1 Dec 2026 (paid)", "open", "1", "–"]
        assert october[5:] == ["1", "$100.00", "1, $100.00", "The invoice differs. Look at it"]

    def test_shows_what_holds_of_a_period_and_not_what_held(self, desk: Client, plan: Plan) -> None:
        Drift.objects.update(resolved_at=NOW)
        Settlement.objects.create(
            statement=Statement.objects.get(),
            stripe_invoice_id="in_later",
            series=2,
            amount_cents=20000,
            agrees=False,
            difference="The later invoice differs.",
            settled_at=NOW,
        )
        november = plan.periods.latest("starts_at")
        for value, changes in {7: {"sent_at": NOW}, 9: {}}.items():
            event = accounts.make_event(november, value, at=NOW + value * MINUTE)
            MeterEvent.objects.filter(pk=event.pk).update(**changes)

        rows = _rows(soup(desk.get(address(plan))), "periods")

        assert rows[1][2:4] == ["9", "7"]
        assert rows[2][7:] == ["2, $200.00", "The later invoice differs. Look at it"]

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

    @pytest.mark.parametrize(
        "query",
        [
            "?at=soon",
            "?at=2026-11-01T00:00:00Z&kind=x&id=y",
            "?id=",
            "?at=2026-11-01T00:00:00Z&kind=event&id=99999999999999999999999999",
            "?at=0001-01-01&kind=event&id=1",
            "?at=9999-12-31T23:59:59-23:59&kind=event&id=1",
        ],
    )
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


def _section(page: Any, name: str) -> Any:
    return page.find("section", attrs={"aria-labelledby": name})


def _rows(page: Any, section: str) -> list[list[str]]:
    found = _section(page, section)
    return [[words(cell) for cell in row.find_all(["th", "td"])] for row in found.find_all("tr")]
