"""The staff's pages over many organizations: as many queries as over few, answered by indexes."""

import csv
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bencher.capped_paginator import MOST
from bencher.models import Change
from bencher.tenancy.models import User
from billing.models import MeterEvent, Plan, Statement
from tests import factories
from tests.admin import bulk
from tests.admin.rows import NOW
from tests.admin.test_plans import make_pro
from tests.pages import accounts
from tests.pages.reading import soup, words
from tests.staffing import desk_of

FULL = os.environ.get("HYPOTHESIS_PROFILE") == "full"
# Each has two periods with so many events.
NUMBER, EVENTS = (100_000 if FULL else 11_000), 5
OURS = [
    model
    for model in admin.site._registry
    if model._meta.app_label in ("tenancy", "series", "ingest", "billing")
]
PLANS = "/admin/billing/plan/"

# What is read whole is small, or bounded by the page.
_SCANS = re.compile(r"Seq Scan on (\w+)")
_LONG = {
    "tenancy_organization",
    "tenancy_user",
    "tenancy_membership",
    "billing_plan",
    "billing_billingcustomer",
    "billing_billingperiod",
    "billing_meterevent",
    "billing_statement",
    "billing_settlement",
    "billing_verification",
    "billing_webhookreceipt",
    "series_project",
}


@pytest.fixture
def many(db: None) -> None:
    """Let there be many organizations on Pro."""
    bulk.make(number=NUMBER, events=EVENTS)


def scanned(queries: list[dict[str, str]]) -> set[str]:
    """Return the long tables that these statements read from end to end."""
    found: set[str] = set()
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN {query['sql']}")
                for (line,) in cursor.fetchall():
                    found |= set(_SCANS.findall(line))
    return found & _LONG


def opened(client: Client, address: str) -> list[dict[str, str]]:
    """Open a page and return the statements that it took."""
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200, address
    return captured.captured_queries


SEARCHES = {
    "org-7777": True,
    "Org 7777": True,
    "person7777@": True,
    "PERSON7777@example.com": True,
    "cus_org7777": True,
    "sub_org7777": True,
    "nobody": False,
    "nobody@example.com": False,
    "cus_nobody": False,
    "in_nobody": False,
    "evt_1": False,
    "bencher_run_x": False,
    "…": False,
}


@pytest.mark.slow
def test_every_page_and_search_is_as_fast_as_over_few_rows(desk: Client, many: None) -> None:
    """One test, because the rows take longer than what is asked of them."""
    check_pages(desk)
    check_searches_of_plans(desk)
    check_searches_of_rows(desk)
    check_filters(desk)
    check_exports(desk)


def check_pages(desk: Client) -> None:
    """Check that no page takes more queries, and that no list is counted whole."""
    addresses = ["/admin/"]
    for model in OURS:
        opts = model._meta
        addresses.append(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"))
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            name = f"admin:{opts.app_label}_{opts.model_name}_change"
            addresses.append(reverse(name, args=[row.pk]))

    taken = {address: len(opened(desk, address)) for address in addresses}
    page = soup(desk.get(PLANS))

    assert {address: number for address, number in taken.items() if number > 15} == {}
    assert f"more than {MOST} plans" in words(page.select_one(".paginator"))
    assert len(page.select("#result_list tbody tr")) == 50


def check_searches_of_plans(desk: Client) -> None:
    """Check that each kind of text finds what it should, by an index."""
    for text, finds in SEARCHES.items():
        address = f"{PLANS}?{urlencode({'q': text})}"

        queries = opened(desk, address)

        rows = soup(desk.get(address)).select("#result_list tbody tr")
        assert bool(rows) == finds, text
        assert all("Org 7777" in words(row) for row in rows), text
        assert scanned(queries) == set(), text
        assert len(queries) <= 7, text


def check_searches_of_rows(desk: Client) -> None:
    """Check that rows are found by all that belongs to them, by an index."""
    statement = Statement.objects.select_related("organization").latest("pk")
    whole = {
        Plan: (str(statement.organization.uuid), f"in_{statement.pk}"),
        MeterEvent: ("org-7777", "cus_org7777"),
        Statement: (str(statement.uuid), f"in_{statement.pk}", "sub_org7777"),
    }
    for model, texts in whole.items():
        address = reverse(f"admin:billing_{model._meta.model_name}_changelist")
        for text in texts:
            queries = opened(desk, f"{address}?{urlencode({'q': text})}")

            page = soup(desk.get(address, {"q": text}))
            assert page.select("#result_list tbody tr"), (model, text)
            assert scanned(queries) == set(), (model, text)


def check_filters(desk: Client) -> None:
    """Check that each filter takes as many queries as none, but for the clock's."""
    for query in (
        {"standing": "past-due"},
        {"trial": "ending"},
        {"usage": "over"},
        {"posted": "not-for-26h"},
        {"drift": "yes"},
        {"drift": "frozen"},
        {"level__exact": "pro"},
        {"usage": "nonsense"},
    ):
        assert len(opened(desk, f"{PLANS}?{urlencode(query)}")) <= 8, query


def check_exports(desk: Client) -> None:
    """Check that a download has every row, in few queries, and keeps the filters."""
    with CaptureQueriesContext(connection) as captured:
        organizations = list(_exported(desk, "/admin/tenancy/organization/export/"))
    overdue = Plan.objects.filter(
        organization__slug__startswith="org-77", status="past_due"
    ).count()
    query = urlencode({"q": "org-77", "standing": "past-due", "p": 3})
    plans = list(_exported(desk, f"{PLANS}export/?{query}"))

    assert organizations[0][:2] == ["Name", "Slug"]
    assert len(organizations) == NUMBER + 1
    assert len(captured) <= 8
    assert plans[0][:3] == ["Organization", "Level", "Status"]
    assert len(plans) == overdue + 1
    assert all(row[3].startswith("1\N{NO-BREAK SPACE}Nov") for row in plans[1:])


class TestFilters:
    def test_over_the_first_band_is_by_the_value_stored_last(self, desk: Client, db: None) -> None:
        for name, values in {"Acme": [100, 251], "Globex": [300, 250]}.items():
            plan = make_pro(name, series=1)
            for minute, value in enumerate(values):
                at = NOW.replace(minute=minute)
                accounts.make_event(plan.periods.get(), value, at=at)

        rows = soup(desk.get(PLANS, {"usage": "over"})).select("#result_list tbody tr")

        assert [words(row).split()[0] for row in rows] == ["Acme"]

    def test_not_posted_keeps_the_forgotten(self, desk: Client, db: None) -> None:
        for name, hours in {"Acme": 1, "Globex": 30, "Initech": 60}.items():
            plan = make_pro(name, series=1)
            accounts.make_event(plan.periods.get(), 1, at=NOW - timedelta(hours=hours))

        def listed(choice: str) -> set[str]:
            rows = soup(desk.get(PLANS, {"posted": choice})).select("#result_list tbody tr")
            return {words(row).split()[0] for row in rows}

        assert listed("not-for-2h") == {"Globex", "Initech"}
        assert listed("not-for-50h") == {"Initech"}


class TestExport:
    def test_guards_against_formulas(self, desk: Client) -> None:
        factories.make_organization("=1+1", leader=factories.make_user("alice"))

        rows = list(_exported(desk, "/admin/tenancy/organization/export/"))

        assert rows[1][0] == "'=1+1"

    def test_leaves_an_entry_of_what_was_taken_along(self, desk: Client, staff: User) -> None:
        list(_exported(desk, f"{PLANS}export/?q=org-77&standing=past-due"))
        list(_exported(desk, f"{PLANS}export/"))

        filtered, whole = LogEntry.objects.order_by("pk")
        assert (filtered.user, filtered.object_repr) == (staff, "Plans")
        assert filtered.change_message == "Exported as CSV: q=org-77, standing=past-due"
        assert whole.change_message == "Exported as CSV: the whole list"
        assert {change.user for change in Change.objects.filter(relation="django_admin_log")} == {
            staff
        }
        log = soup(desk.get(reverse("admin:admin_logentry_changelist")))
        assert "Exported as CSV: the whole list" in words(log.select_one("#result_list"))

    def test_refuses_a_filter_that_there_is_not(self, desk: Client) -> None:
        assert desk.get(f"{PLANS}export/?nonsense__x=1").status_code == 400

    def test_is_for_who_may_view(self) -> None:
        dora = factories.make_user("dora", is_staff=True)
        dora.is_superuser = False
        dora.save(update_fields=["is_superuser"])

        assert desk_of(dora).get(f"{PLANS}export/").status_code == 403

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_every_list_has_one(self, desk: Client, model: type[Plan]) -> None:
        opts = model._meta
        address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        link = soup(desk.get(address)).select_one(".object-tools a[href*='/export/']")

        assert link is not None
        assert list(_exported(desk, str(link["href"])))


def _exported(client: Client, address: str) -> Iterator[list[str]]:
    response: Any = client.get(address)
    assert response.status_code == 200, address
    assert response.streaming
    text = b"".join(response.streaming_content).decode()
    return csv.reader(text.splitlines())
