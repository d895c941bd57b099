"""What staff read: figures that can be compared, amounts of money, words in place of columns."""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import models
from django.test import Client
from django.urls import reverse

from bencher.tenancy.models import Organization, User
from billing.models import (
    BillingPeriod,
    Budget,
    Drift,
    FlatFeeProof,
    MeterEvent,
    Plan,
    ScheduledRun,
    Statement,
    WebhookReceipt,
)
from tests.admin.rows import NOW, make_world
from tests.factories import NOV
from tests.pages.reading import soup, words


@pytest.fixture(autouse=True)
def acme(db: None) -> Organization:
    """Return an organization with a row of every kind."""
    return make_world(1, now=NOW)


def listed(desk: Client, model: type[models.Model], query: str = "") -> BeautifulSoup:
    """Return the list of a model."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return soup(desk.get(f"{reverse(name)}{query}"))


def shown(desk: Client, row: models.Model) -> BeautifulSoup:
    """Return the page of a row."""
    meta = row._meta
    name = f"admin:{meta.app_label}_{meta.model_name}_change"
    return soup(desk.get(reverse(name, args=[row.pk])))


def field(page: BeautifulSoup, label: str) -> str:
    """Return what the page of a row says beside a label."""
    for row in page.select(".form-row"):
        if words(row.select_one("label")) == f"{label}:":
            return words(row.select_one(".readonly"))
    raise AssertionError(f"Nothing is called {label}.")


def number(page: BeautifulSoup, at: int = 0) -> str:
    """Return one of the figures of a list, which stand at the right."""
    return words(page.select("#result_list td.field-number")[at])


class TestNumbers:
    def test_have_separators_and_a_column_of_their_own(self, desk: Client) -> None:
        MeterEvent.objects.update(value=1_234_567)

        assert number(listed(desk, MeterEvent)) == "1,234,567"
        assert field(shown(desk, MeterEvent.objects.get()), "Value") == "1,234,567"

    def test_are_exported_as_numbers(self, desk: Client) -> None:
        MeterEvent.objects.update(value=1_234_567)

        response: Any = desk.get(reverse("admin:billing_meterevent_export"))

        assert b",1234567," in b"".join(response.streaming_content)

    def test_can_be_sorted_by(self, desk: Client) -> None:
        make_world(2, now=NOW)
        Budget.objects.filter(organization__name="Org 1").update(limit=2_000)

        pages = [listed(desk, Budget, f"?o={order}") for order in (2, -2)]

        assert [number(page) for page in pages] == ["100", "2,000"]


class TestMoney:
    def test_is_written_as_such(self, desk: Client) -> None:
        FlatFeeProof.objects.update(charged_cents=123_456)
        statement = Statement.objects.get()

        assert number(listed(desk, FlatFeeProof)) == "$1,234.56"
        assert field(shown(desk, statement), "Amount") == "$100.00"
        assert "$100.00" in words(shown(desk, statement).select_one(".inline-group"))

    @pytest.mark.parametrize(("unit", "written"), [("series", "1,050"), ("amount", "$10.50")])
    def test_a_limit_is_in_its_unit(self, desk: Client, unit: str, written: str) -> None:
        Budget.objects.update(unit=unit, limit=1_050)

        assert number(listed(desk, Budget)) == written
        assert field(shown(desk, Budget.objects.get()), "Limit") == written

    def test_a_ladder_is_its_bands(self, desk: Client) -> None:
        said = field(shown(desk, BillingPeriod.objects.first() or BillingPeriod()), "Tiers")

        assert said.startswith("0–250: $100.00 251–375: $150.00")
        assert said.endswith("501 and more: $0.40 per series")


class TestWords:
    def test_json_is_not_shown_as_such(self, desk: Client) -> None:
        ScheduledRun.objects.update(result={"failed": 0, "plans": 1, "events": 1200})
        Drift.objects.update(figures={"recount": 1234, "meter": None})

        (did,) = listed(desk, ScheduledRun).select(".field-did")
        assert words(did) == "1 plan, 1,200 events, 0 failed"
        said = field(shown(desk, Drift.objects.get()), "Figures")
        assert said == "meter: –, recount: 1,234"

    def test_lists_are_called_what_they_hold(self, desk: Client) -> None:
        assert words(listed(desk, WebhookReceipt).h1) == "Webhook receipts"
        assert words(shown(desk, WebhookReceipt.objects.get()).h1) == "Webhook receipt"

    def test_ids_are_spelled(self, desk: Client, acme: Organization) -> None:
        assert field(shown(desk, acme), "UUID") == str(acme.uuid)

    def test_nothing_is_a_dash(self, desk: Client, acme: Organization) -> None:
        assert field(shown(desk, acme), "Deleted at") == "–"

    def test_help_stays_beside_what_is_written_otherwise(self, desk: Client) -> None:
        page = shown(desk, Statement.objects.get())

        assert "Billed series, by the recount." in words(page.select_one(".field-series"))

    def test_apps_have_names(self, desk: Client) -> None:
        page = soup(desk.get(reverse("admin:index")))

        apps = [words(caption) for caption in page.select("#content-main caption")]
        assert apps[:2] == ["Billing", "People and organizations"]
        assert apps[-1] == "Stripe's objects, as mirrored"


class TestWhetherSomethingIsNoted:
    def test_is_asked_as_yes_or_no(self, desk: Client) -> None:
        page = listed(desk, WebhookReceipt)

        (handled,) = page.select("details[data-filter-title=handled]")
        assert words(handled.summary) == "Handled"
        assert [words(a) for a in handled.select("a")] == ["All", "no", "yes"]

    @pytest.mark.parametrize(("empty", "found"), [("1", 1), ("0", 0)])
    def test_keeps_the_rows(self, desk: Client, empty: str, found: int) -> None:
        page = listed(desk, WebhookReceipt, f"?handled_at__isempty={empty}")

        assert len(page.select("#result_list tbody tr")) == found
        chosen = page.select_one("details[data-filter-title=handled] [aria-current]")
        assert words(chosen) == ("no" if empty == "1" else "yes")


class TestFinding:
    def test_the_search_has_a_label_that_is_seen(self, desk: Client) -> None:
        page = listed(desk, Statement)

        assert words(page.select_one("label[for=searchbar]")) == "Search"
        assert "Show all" not in words(page.select_one("#toolbar"))
        assert "Show all" in words(listed(desk, Statement, "?q=acme").select_one("#toolbar"))

    def test_the_most_used_lists_are_on_every_page(self, desk: Client, staff: User) -> None:
        names = [words(a) for a in listed(desk, Statement).select(".most-used a")]

        assert names == ["Plans", "Statements", "Outbox", "Organizations", "Users", "Audit"]

    def test_only_what_may_be_seen_is_offered(self, desk: Client, staff: User) -> None:
        User.objects.filter(pk=staff.pk).update(is_superuser=False)

        page = soup(desk.get(reverse("admin:index")))

        assert page.select(".most-used a") == []


class TestWhyABillIsWhatItIs:
    def test_the_series_come_first(self, desk: Client) -> None:
        page = shown(desk, Statement.objects.get())

        first = page.select_one(".form-row a")
        assert words(first) == "The series of this statement, with their reports"


class TestRoles:
    def test_are_two_boxes(self, desk: Client, staff: User) -> None:
        page = shown(desk, staff)

        labels = [words(label) for label in page.select(".field-groups label")]
        assert labels == ["Roles:", "billing", "viewer"]
        assert len(page.select("input[name=groups][type=checkbox]")) == 2

    def test_can_be_given(self, desk: Client) -> None:
        erin = User.objects.create(
            email="erin@example.com", name="Erin", slug="erin", created_at=NOV + timedelta(1)
        )
        page = shown(desk, erin)
        (viewer,) = [
            box for box in page.select("input[name=groups]") if "viewer" in words(box.parent)
        ]

        desk.post(
            reverse("admin:tenancy_user_change", args=[erin.pk]),
            {
                "email": erin.email,
                "name": erin.name,
                "is_active": "on",
                "is_staff": "on",
                "groups": [viewer["value"]],
                "reason": "joined",
            },
        )

        erin.refresh_from_db()
        assert erin.is_staff
        assert [group.name for group in erin.groups.all()] == ["viewer"]


class TestAsking:
    def ask(self, desk: Client, row: models.Model, act: str, **more: str) -> BeautifulSoup:
        data = {"action": act, "_selected_action": str(row.pk), **more}
        return soup(desk.post(reverse(f"admin:billing_{row._meta.model_name}_changelist"), data))

    def test_begins_with_what_it_means(self, desk: Client) -> None:
        page = self.ask(desk, Plan.objects.get(), "freeze")

        content = [tag for tag in page.select("#content > *") if tag.name != "h1"]
        assert content[0]["class"] == ["consequence"]

    def test_leads_back_to_where_it_was_asked(self, desk: Client) -> None:
        plan = Plan.objects.get()
        lists, row = (
            reverse("admin:billing_plan_changelist"),
            reverse("admin:billing_plan_change", args=[plan.pk]),
        )

        for more, back in (({}, lists), ({"from_page": "1"}, row)):
            page = self.ask(desk, plan, "compare", **more)
            (leave,) = [a["href"] for a in page.select("form a") if words(a) == "Leave it"]
            assert leave == back

    def test_asks_for_no_reason_where_nothing_can_be_done(self, desk: Client) -> None:
        plan = Plan.objects.get()

        assert self.ask(desk, plan, "release").select("input[name=reason]") == []
        assert self.ask(desk, plan, "go_on").select("input[name=reason]")


class TestPasswords:
    def test_are_explained_by_what_there_is_here(self, desk: Client, staff: User) -> None:
        pages = (
            reverse("admin:tenancy_user_add"),
            reverse("admin:auth_user_password_change", args=[staff.pk]),
        )

        for page in pages:
            said = words(soup(desk.get(page)).select_one("#content-main"))
            assert "by a link that is mailed to them" in said
            assert "LDAP" not in said
