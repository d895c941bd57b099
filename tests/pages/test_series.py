"""The list of series: each with its reports, billed or not, and why."""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from bs4 import Tag
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import close
from billing.models import BillingPeriod
from ingest.models import Report
from series import projects
from series.models import Project, SeriesLastSeen, Visibility
from tests.factories import (
    NOV,
    make_period,
    make_plan,
    make_project,
)
from tests.pages import accounts
from tests.pages.accounts import OCT, make_report
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
SERIES = "/organizations/acme/billing/series/"
HOUR = timedelta(hours=1)


@pytest.fixture
def engine(acme: Organization) -> Project:
    """Return a private project."""
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def gears(acme: Organization) -> Project:
    """Return another one."""
    return make_project("Gears", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def browser(alice: User, browser_of: Browsers) -> Client:
    """Return the leader's browser."""
    return browser_of(alice)


def listed(response: Any) -> list[tuple[str, ...]]:
    """Return project, testbed, benchmark, measure and verdict of each series on a page."""
    assert response.status_code == 200, response.content
    found: list[tuple[str, ...]] = []
    for row in soup(response).select("table.series tbody tr"):
        benchmark, measure = (words(name) for name in row.select("th bdi"))
        testbed, project = (words(name) for name in row.select("td bdi"))
        badge = row.select_one(".badge")
        assert badge is not None
        found.append((project, testbed, benchmark, measure, words(badge)))
    return found


def named(response: Any) -> list[str]:
    """Return the benchmarks on a page."""
    return [row[2] for row in listed(response)]


def walked(browser: Client, address: str) -> list[tuple[str, ...]]:
    """Return all series of a list, gone through page by page."""
    found: list[tuple[str, ...]] = []
    while address:
        response = browser.get(address)
        found += listed(response)
        following = [link for link in soup(response).select("nav.pages a") if words(link) == "Next"]
        address = str(following[0]["href"]) if following else ""
    return found


def total(response: Any) -> str:
    """Return how many series a page says there are."""
    return words(soup(response).select_one("#found"))


class TestReasons:
    def test_each_series_says_whether_it_is_billed_and_why(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        open_ = make_project("Open", organization=acme, visibility=Visibility.PUBLIC)
        gone = make_project("Gone", organization=acme, visibility=Visibility.PRIVATE)
        make_report(engine, "a", at=now - HOUR)
        make_report(open_, "b", at=now - HOUR)
        make_report(gone, "c", at=now - HOUR)
        projects.delete(gone, now=now, by=None)
        accounts.make_series(engine, 1, at=OCT)

        response = browser.get(SERIES)

        cells = {row[0].split()[0]: row[-1] for row in rows(response, "found")[1:]}
        assert cells == {
            "a": "Billed",
            "b": "Not billed Its project is public.",
            "c": "Not billed Its project is deleted.",
            "bench": "Not billed No report in this period.",
        }
        assert total(response) == "4 series in all, 1 billed"

    def test_in_a_trial_they_are_counted_and_free(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme), kind=BillingPeriod.Kind.TRIAL)
        make_report(engine, "a", at=now - HOUR)

        response = browser.get(SERIES)

        assert rows(response, "found")[1][-1] == (
            "Counted The trial covers it: nothing is charged."
        )
        assert total(response) == "1 series in all, 1 counted"

    def test_without_a_plan_it_is_the_last_thirty_days(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        make_report(engine, "a", at=now - 29 * 24 * HOUR)
        make_report(engine, "b", at=now - 31 * 24 * HOUR)

        response = browser.get(SERIES)

        assert [(row[2], row[4]) for row in listed(response)] == [
            ("a", "Billed"),
            ("b", "Not billed"),
        ]
        assert "there is no billing period" in words(response)

    def test_nothing_yet_says_what_will_come(self, acme: Organization, browser: Client) -> None:
        response = browser.get(SERIES)

        assert listed(response) == []
        assert "Nothing was reported yet." in words(response)


class TestReports:
    def test_first_and_last_are_linked_with_their_times(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        first = make_report(engine, "a", at=now - 3 * HOUR)
        make_report(engine, "a", at=now - 2 * HOUR)
        last = make_report(engine, "a", at=now - HOUR)

        links = soup(browser.get(SERIES)).select("table.series td a")

        assert [urlsplit(str(link["href"])).path for link in links] == [
            f"/organizations/acme/projects/{engine.uuid}/reports/{uuid}/" for uuid in (first, last)
        ]
        assert [words(link) for link in links] == ["18 Nov 2026, 09:03:07", "18 Nov 2026, 11:03:07"]
        for link in links:
            assert browser.get(str(link["href"])).status_code == 200

    def test_what_was_seen_outside_has_none(
        self, acme: Organization, engine: Project, browser: Client
    ) -> None:
        accounts.make_november(make_plan(acme))
        accounts.make_series(engine, 1, at=OCT)

        (row,) = rows(browser.get(SERIES), "found")[1:]

        assert row[3:5] == ["None", "1 Oct 2026, 00:00:00"]


def make_many(engine: Project, gears: Project, now: datetime) -> list[tuple[str, ...]]:
    """Let two projects have series of awkward names, seen at various times; return them all."""
    names = ["a", "B", "ä1", "z 10", "z 9", "é2", "日本", "_3", "(x)", "Zz"]
    for index, project in enumerate((gears, engine)):
        for number, testbed in enumerate(("lab", "ci", "Émile")):
            at = now - HOUR * (1 + number + 3 * index)
            make_report(project, *names, at=at, testbed=testbed, measures=("latency", "size"))
    return [
        (row.project.name, row.testbed.name, row.benchmark.name, row.measure.name)
        for row in SeriesLastSeen.objects.select_related(
            "project", "testbed", "benchmark", "measure"
        )
    ]


class TestPaging:
    @pytest.mark.parametrize(
        "sort", ["", "name", "key", "last", "last-oldest", "first", "first-oldest"]
    )
    @pytest.mark.parametrize("source", ["ledger", "reports", "statement"])
    def test_every_series_is_on_one_page(
        self,
        acme: Organization,
        engine: Project,
        gears: Project,
        browser: Client,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
        source: str,
        sort: str,
    ) -> None:
        monkeypatch.setattr("billing.series_views.PER_PAGE", 7)
        period = accounts.make_november(make_plan(acme))
        everything = make_many(engine, gears, now)
        address = f"/organizations/acme/billing/periods/{period.starts_at:%FT%TZ}/series/"
        if source != "ledger":
            BillingPeriod.objects.update(ends_at=now)
        if source == "statement":
            close.close(period.pk, now=clock.now())

        found = [row[:4] for row in walked(browser, f"{address}?sort={sort}")]

        assert sorted(found) == sorted(everything)
        assert len(found) == 120

    @pytest.mark.parametrize("statement", [False, True])
    def test_the_orders_are_what_they_say(
        self,
        acme: Organization,
        engine: Project,
        browser: Client,
        now: datetime,
        statement: bool,
    ) -> None:
        period = accounts.make_november(make_plan(acme))
        make_report(engine, "c", "b", at=now - 4 * HOUR)
        make_report(engine, "a", at=now - 3 * HOUR)
        make_report(engine, "b", at=now - 2 * HOUR)
        address = f"/organizations/acme/billing/periods/{period.starts_at:%FT%TZ}/series/"
        if statement:
            BillingPeriod.objects.update(ends_at=now)
            close.close(period.pk, now=clock.now())

        def order(sort: str) -> list[str]:
            return named(browser.get(f"{address}?sort={sort}"))

        assert order("name") == ["a", "b", "c"]
        assert order("last") == ["b", "a", "c"]
        assert order("last-oldest") == ["c", "a", "b"]
        assert order("first")[0] == "a"
        assert order("first-oldest")[-1] == "a"

    def test_names_follow_project_then_testbed(
        self, engine: Project, gears: Project, browser: Client, now: datetime
    ) -> None:
        make_report(gears, "a", at=now - HOUR, testbed="ci")
        make_report(engine, "b", at=now - HOUR, testbed="lab")
        make_report(engine, "c", at=now - HOUR, testbed="ci")

        assert [row[:3] for row in listed(browser.get(SERIES))] == [
            ("Engine", "ci", "c"),
            ("Engine", "lab", "b"),
            ("Gears", "ci", "a"),
        ]

    def test_filters_stay_from_page_to_page(
        self,
        engine: Project,
        gears: Project,
        browser: Client,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("billing.series_views.PER_PAGE", 4)
        everything = make_many(engine, gears, now)

        found = walked(browser, f"{SERIES}?project=gears&testbed=ci&search=LAT&sort=last")

        assert sorted(row[:4] for row in found) == sorted(
            row for row in everything if row[:2] == ("Gears", "ci") and row[3] == "Latency"
        )

    @pytest.mark.parametrize(
        "cursor",
        ["x", "ledger.name..x.y.z", "statement.name.." + ".".join([str(NOV.year)] * 3), "a.b.c.d"],
    )
    def test_from_nowhere_it_begins_again_and_says_so(
        self, engine: Project, browser: Client, now: datetime, cursor: str
    ) -> None:
        make_report(engine, "a", at=now - HOUR)

        response = browser.get(f"{SERIES}?cursor={cursor}")

        assert named(response) == ["a"]
        assert "begins again" in words(soup(response).select_one("[role=alert]"))


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"search": "THROUGH"}, {"a throughput"}),
            ({"search": "gears"}, {"x"}),
            ({"search": "%"}, set()),
            ({"project": "engine"}, {"a", "a throughput", "b"}),
            ({"testbed": "lab"}, {"b", "x"}),
            ({"measure": "Latency"}, {"a", "b", "x"}),
            ({"project": "engine", "testbed": "lab"}, {"b"}),
            ({"show": "billed"}, {"a", "a throughput", "b", "x"}),
            ({"show": "not-billed"}, {"old"}),
        ],
    )
    def test_narrow_the_list(
        self,
        acme: Organization,
        engine: Project,
        gears: Project,
        browser: Client,
        now: datetime,
        query: dict[str, str],
        expected: set[str],
    ) -> None:
        make_report(engine, "old", at=OCT + HOUR)
        accounts.make_november(make_plan(acme))
        make_report(engine, "a", at=now - HOUR, measures=("latency", "throughput"))
        make_report(engine, "b", at=now - HOUR, testbed="lab")
        make_report(gears, "x", at=now - HOUR, testbed="lab")
        query = {"show": "billed"} | query

        response = browser.get(f"{SERIES}?{urlencode(query)}")

        found = {
            row[2] if row[3] == "Latency" else f"{row[2]} {row[3].lower()}"
            for row in listed(response)
        }
        assert found == expected
        assert total(response).startswith(f"{len(expected)} series found")

    def test_are_shown_as_they_were_chosen(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        make_report(engine, "a", at=now - HOUR)

        page = soup(browser.get(f"{SERIES}?search=A&project=engine&testbed=ci&sort=last"))

        chosen = {
            str(option.find_parent("select")["name"]): words(option)  # type: ignore[index]
            for option in page.select("option[selected]")
        }
        assert chosen == {
            "project": "Engine",
            "testbed": "ci",
            "measure": "All",
            "show": "All series",
            "sort": "Last report, newest first",
        }
        search = page.select_one("#search")
        assert isinstance(search, Tag)
        assert search["value"] == "A"

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"testbed": "nowhere"}, "Acme has no testbed “nowhere”"),
            ({"project": "globex"}, "Acme has no project “globex”"),
            ({"show": "some"}, "There is no “show” called “some”"),
            ({"sort": "size"}, "There is no “sort” called “size”"),
            ({"search": "a\0"}, "The search can’t be read"),
        ],
    )
    def test_what_they_can_not_mean_is_said(
        self, engine: Project, browser: Client, now: datetime, query: dict[str, str], told: str
    ) -> None:
        make_report(engine, "a", at=now - HOUR)

        response = browser.get(f"{SERIES}?{urlencode(query)}")

        assert told in words(soup(response).select_one("[role=alert]"))

    def test_too_many_to_choose_from_are_typed(
        self,
        engine: Project,
        gears: Project,
        browser: Client,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("series.choices.SHOWN", 1)
        make_report(engine, "a", at=now - HOUR, testbed="lab")
        make_report(gears, "b", at=now - HOUR, testbed="ci")

        page = soup(browser.get(f"{SERIES}?project=gears&testbed=ci"))

        assert {
            str(field["name"]): (field["value"], field["placeholder"])
            for field in page.select("input[placeholder]")
        } == {
            "project": ("gears", "All; or a project’s slug"),
            "testbed": ("ci", "All; or a whole name"),
        }
        assert [words(name) for name in page.select("table.series th bdi")][0::2] == ["b"]

    def test_names_of_others_find_nothing(
        self, charlie: User, engine: Project, browser: Client, now: datetime
    ) -> None:
        globex = charlie.memberships.get().organization
        theirs = make_project("Theirs", organization=globex, visibility=Visibility.PRIVATE)
        make_report(theirs, "secret", at=now - HOUR, testbed="bunker")

        response = browser.get(SERIES)

        assert "Theirs" not in words(response)
        assert "bunker" not in words(response)
        for query in (f"project={theirs.uuid}", "project=theirs", "testbed=bunker"):
            found = browser.get(f"{SERIES}?{query}")
            assert listed(found) == []
            assert "Acme has no" in words(soup(found).select_one("[role=alert]"))


class TestComparing:
    def test_new_ones_were_not_in_the_period_before(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        plan = make_plan(acme)
        october = make_period(plan, starts_at=OCT, ends_at=NOV)
        make_report(engine, "both", "october", at=OCT + HOUR)
        accounts.make_november(plan)
        make_report(engine, "both", "new", at=now - HOUR)
        open_ = make_project("Open", organization=acme, visibility=Visibility.PUBLIC)
        make_report(open_, "free", at=now - HOUR)

        before_close = named(browser.get(f"{SERIES}?show=new"))
        close.close(october.pk, now=clock.now())
        after_close = named(browser.get(f"{SERIES}?show=new"))

        assert before_close == after_close == ["new"]

    def test_dropping_out_are_those_of_the_period_before_that_have_not_come(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        accounts.make_series(engine, 1, at=OCT - HOUR)
        plan = make_plan(acme)
        make_period(plan, starts_at=OCT, ends_at=NOV)
        open_ = make_project("Open", organization=acme, visibility=Visibility.PUBLIC)
        make_report(open_, "free", at=OCT + HOUR)
        make_report(engine, "both", "october", at=OCT + HOUR)
        accounts.make_november(plan)
        make_report(engine, "both", "new", at=now - HOUR)

        response = browser.get(f"{SERIES}?show=missing")

        assert named(response) == ["october"]
        assert "only if they report before it ends" in words(response)

    def test_of_a_closed_period_new_ones_are_told_by_the_lines(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        plan = make_plan(acme)
        october = make_period(plan, starts_at=OCT, ends_at=NOV)
        make_report(engine, "both", at=OCT + HOUR)
        november = make_period(plan, starts_at=NOV, ends_at=now - HOUR)
        make_report(engine, "both", "new", at=NOV + HOUR)
        for period in (october, november):
            close.close(period.pk, now=clock.now())
        address = "/organizations/acme/billing/periods/2026-11-01T00:00:00Z/series/"

        assert named(browser.get(f"{address}?show=new")) == ["new"]
        assert "About to drop out" not in words(browser.get(address))


class TestPeriods:
    def test_a_closed_one_is_frozen_and_has_its_permalink(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        plan = make_plan(acme)
        october = make_period(plan, starts_at=OCT, ends_at=NOV)
        make_report(engine, "before", at=OCT + HOUR)
        accounts.make_november(plan)
        statement = close.close(october.pk, now=clock.now())
        engine.benchmarks.update(name="renamed")

        page = browser.get(SERIES)
        links = {words(link): str(link["href"]) for link in soup(page).select(".periods a")}
        response = browser.get(links["1 Oct – 1 Nov 2026"])

        assert named(response) == ["before"]
        assert "This list is frozen" in words(response)
        assert statement.evidence_sha256 in words(response)
        assert str(statement.uuid) in str(soup(response).select("main a"))

    @pytest.mark.parametrize("period", ["2026-10-02T00:00:00Z", "2026-13-01T00:00:00Z", "x", "-"])
    def test_what_is_none_is_not_found(
        self, acme: Organization, browser: Client, period: str
    ) -> None:
        address = f"/organizations/acme/billing/periods/{period}/series/"

        assert browser.get(address).status_code == 404
        assert browser.get(f"{SERIES}file/?format=csv&period={period}").status_code == 404


class TestFiles:
    @pytest.fixture
    def page(self, acme: Organization, engine: Project, browser: Client, now: datetime) -> Any:
        """Return a page with downloads of what it shows."""
        accounts.make_november(make_plan(acme))
        make_report(engine, "a", "b", "=c", at=now - HOUR)
        make_report(engine, "other", at=now - HOUR, testbed="lab")
        return browser.get(f"{SERIES}?testbed=ci")

    def file(self, browser: Client, page: Any, label: str) -> Any:
        """Follow a download's link."""
        (link,) = [each for each in soup(page).select("a[download]") if label in words(each)]
        return browser.get(str(link["href"]))

    def test_csv_has_what_the_page_finds(self, browser: Client, page: Any) -> None:
        response = self.file(browser, page, "CSV")

        text = response.getvalue().decode()
        assert [row["benchmark"] for row in csv.DictReader(io.StringIO(text))] == ["'=c", "a", "b"]
        assert response["Content-Disposition"] == 'attachment; filename="acme-2026-11-01.csv"'
        assert response["X-Total-Count"] == "3"

    def test_ndjson_too(self, browser: Client, page: Any) -> None:
        response = self.file(browser, page, "NDJSON")

        found = [json.loads(line) for line in response.getvalue().splitlines()]
        assert [series["benchmark"] for series in found] == ["=c", "a", "b"]
        assert {series["reason"] for series in found} == {"seen"}

    def test_rows_and_size_are_told_beforehand(self, browser: Client, page: Any) -> None:
        (csv_, ndjson) = (words(item) for item in soup(page).select(".downloads li"))

        assert csv_ == "CSV, 3 rows about 1 kB"
        assert ndjson == "NDJSON, 3 rows about 2 kB"

    @pytest.mark.parametrize("query", ["", "format=json", "format=pdf", "format=csv&testbed=x"])
    def test_others_are_not_found(self, acme: Organization, browser: Client, query: str) -> None:
        assert browser.get(f"{SERIES}file/?{query}").status_code == 404


class TestEnhancement:
    def test_htmx_gets_the_results_alone(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        make_report(engine, "a", at=now - HOUR)

        part = browser.get(SERIES, headers={"hx-request": "true"})
        restored = browser.get(
            SERIES, headers={"hx-request": "true", "hx-history-restore-request": "true"}
        )

        assert named(part) == named(restored) == ["a"]
        assert soup(part).html is None
        assert soup(restored).html is not None

    def test_the_form_asks_for_them_where_it_would_go_without(
        self, engine: Project, browser: Client
    ) -> None:
        form = soup(browser.get(SERIES)).select_one("form.filters")

        assert form is not None
        assert form["method"] == "get"
        assert form["action"] == form["hx-get"] == SERIES
        assert form["hx-target"] == "#results"


class TestQueries:
    def test_are_as_many_however_many_series(
        self,
        acme: Organization,
        engine: Project,
        gears: Project,
        browser: Client,
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        accounts.make_november(make_plan(acme))
        make_many(engine, gears, now)

        with django_assert_num_queries(14):
            browser.get(SERIES)


class TestAccess:
    @pytest.mark.parametrize("what", ["", "file/?format=csv"])
    def test_is_for_leaders(
        self,
        acme: Organization,
        bob: User,
        charlie: User,
        browser_of: Browsers,
        what: str,
    ) -> None:
        assert browser_of(bob).get(f"{SERIES}{what}").status_code == 403
        assert browser_of(charlie).get(f"{SERIES}{what}").status_code == 404
        assert Client().get(f"{SERIES}{what}").status_code == 302

    def test_names_are_escaped(self, engine: Project, browser: Client, now: datetime) -> None:
        make_report(engine, "<script>alert(1)</script>", at=now - HOUR)

        response = browser.get(SERIES)

        assert b"<script>alert" not in response.content
        assert named(response) == ["<script>alert(1)</script>"]


class TestTheWayToAReport:
    def test_is_three_clicks_from_the_billing_page(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        uuid = make_report(engine, "needle", "hay", at=now - HOUR)

        billing = soup(browser.get("/organizations/acme/billing/"))
        (tab,) = [link for link in billing.select("nav.tabs a") if words(link) == "Series"]
        found = soup(browser.get(f"{tab['href']}?search=needle"))
        link = found.select_one("table.series td a")
        assert link is not None
        page = browser.get(str(link["href"]))

        assert page.status_code == 200
        assert Report.objects.get(uuid=uuid).uuid.hex in str(link["href"]).replace("-", "")
        assert "What needle came to" in words(page)
