"""The page of a report: where it came from, when it counts, what it measured."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher import clock
from bencher.tenancy.models import Organization, User
from ingest import deletion
from ingest.models import Report
from series import projects
from series.models import Project, Visibility
from tests.factories import make_project, make_project_key, make_user_key, report_body
from tests.pages.accounts import make_report
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
HOUR = timedelta(hours=1)


@pytest.fixture
def engine(acme: Organization) -> Project:
    """Return a private project."""
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def browser(alice: User, browser_of: Browsers) -> Client:
    """Return the leader's browser."""
    return browser_of(alice)


def post(project: Project, results: Any, *, at: datetime, key: str = "", **more: Any) -> Report:
    """Report results of one or more iterations and return the stored report."""
    iterations = results if isinstance(results, list) else [results]
    key = key or make_project_key(project)
    answer = Client(headers={"authorization": f"Bearer {key}"}).post(
        f"/v0/projects/{project.uuid}/reports",
        report_body(*map(json.dumps, iterations), end_time=at, **more),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    return Report.objects.get(uuid=answer.json()["uuid"])


def address(report: Report) -> str:
    return f"/organizations/acme/projects/{report.project.slug}/reports/{report.uuid}/"


def facts(response: Any) -> dict[str, str]:
    """Return what the page states of the report."""
    assert response.status_code == 200, response.content
    return {words(each.dt): words(each.dd) for each in soup(response).select(".facts > div")}


class TestOrigin:
    def test_says_where_it_came_from(
        self, engine: Project, alice: User, browser: Client, now: datetime
    ) -> None:
        report = post(
            engine,
            {"a": {"latency": {"value": 1}}, "b": {"latency": {"value": 2}}},
            at=now - HOUR,
            key=make_user_key(alice),
            branch="feature/x",
            hash="8f5b3a1c" * 5,
            testbed="lab",
        )

        found = facts(browser.get(address(report)))

        assert found["Branch"] == "feature/x"
        assert found["Version"] == f"0 {'8f5b3a1c' * 5}"
        assert found["Testbed"] == "lab"
        assert found["Adapter"] == "json"
        assert found["Posted by"] == "Alice"
        assert found["Benchmarks × measures"] == "2 × 1"

    def test_a_project_key_has_no_name(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        report = post(engine, {"a": {"latency": {"value": 1}}}, at=now - HOUR)

        assert facts(browser.get(address(report)))["Posted by"] == "A project key"


class TestInstants:
    def test_of_a_report_in_time(self, engine: Project, browser: Client, now: datetime) -> None:
        report = post(engine, {"a": {"latency": {"value": 1}}}, at=now - HOUR)

        found = facts(browser.get(address(report)))

        assert found["Started"] == "18 November 2026, 11:02:37 UTC"
        assert found["Ended"] == "18 November 2026, 11:03:07 UTC"
        assert found["Received"].startswith("18 November 2026, 12:03:")
        assert found["Its series count as seen"] == (
            "18 November 2026, 11:03:07 UTC Its end, as sent."
        )

    @pytest.mark.parametrize(
        ("end", "why"),
        [(HOUR / 30, "Its end was in the future"), (-HOUR, "a period that was closed already")],
    )
    def test_one_that_counts_at_another_instant_says_why(
        self, engine: Project, browser: Client, now: datetime, end: timedelta, why: str
    ) -> None:
        report = post(engine, {"a": {"latency": {"value": 1}}}, at=now - HOUR)
        Report.objects.update(start_time=now - HOUR, end_time=report.received_at + end)
        Report.objects.update(seen_at=now)

        assert why in facts(browser.get(address(report)))["Its series count as seen"]


class TestMetrics:
    def test_are_listed_with_their_bounds(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        report = post(
            engine,
            {
                "b": {"latency": {"value": 1234567.25, "lower_value": 0.5, "upper_value": 2e18}},
                "a": {"latency": {"value": 3e-9}, "throughput": {"value": 7}},
            },
            at=now - HOUR,
        )

        assert rows(browser.get(address(report)), "metrics")[1:] == [
            ["a", "Latency, nanoseconds (ns)", "3e-09", "", ""],
            ["a", "Throughput, operations / second (ops/s)", "7", "", ""],
            ["b", "Latency, nanoseconds (ns)", "1,234,567.25", "0.5", "2e+18"],
        ]

    def test_iterations_are_told_apart(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        report = post(
            engine,
            [{"a": {"latency": {"value": 1}}}, {"a": {"latency": {"value": 2}}}],
            at=now - HOUR,
        )

        table = rows(browser.get(address(report)), "metrics")

        assert table[0] == ["Benchmark", "Measure", "Iteration", "Value"]
        assert [row[2:] for row in table[1:]] == [["1", "1"], ["2", "2"]]

    def test_pages_have_each_metric_once(
        self,
        engine: Project,
        browser: Client,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("ingest.report_views.PER_PAGE", 3)
        report = post(
            engine, {f"b{number}": {"latency": {"value": number}} for number in range(8)}, at=now
        )
        at, seen = address(report), []

        while at:
            page = browser.get(at)
            seen += [row[0] for row in rows(page, "metrics")[1:]]
            following = [a for a in soup(page).select("nav.pages a") if words(a) == "Next"]
            at = str(following[0]["href"]) if following else ""

        assert seen == [f"b{number}" for number in range(8)]
        assert "8 metrics, page 3 of 3" in words(page)
        for number in ("0", "4", "-1", "x", "9" * 30, "000000001" + "9" * 30, "0" * 9000 + "1"):
            assert browser.get(f"{address(report)}?page={number}").status_code == 404

    def test_of_one_benchmark_are_shown_alone(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        report = post(
            engine, {name: {"latency": {"value": 1}} for name in ("a", "b")}, at=now - HOUR
        )
        uuid = engine.benchmarks.get(name="b").uuid

        response = browser.get(f"{address(report)}?benchmark={uuid}")

        assert [row[0] for row in rows(response, "metrics")[1:]] == ["b"]
        (link,) = [a for a in soup(response).select("main a") if "All metrics" in words(a)]
        assert len(rows(browser.get(str(link["href"])), "metrics")) == 3
        other = f"{address(report)}?benchmark={engine.uuid}"
        assert browser.get(other).status_code == 404


class TestWhatIsGone:
    def test_a_deleted_report_is_shown_without_its_values(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        report = post(engine, {"a": {"latency": {"value": 1}}}, at=now - HOUR)
        deletion.delete(report, now=now)

        response = browser.get(address(report))

        assert "This report was deleted" in words(response)
        assert rows(response, "metrics")[1:] == [["a", "Latency, nanoseconds (ns)", "Deleted"]]

    def test_of_a_deleted_project_is_shown_too(
        self, engine: Project, browser: Client, now: datetime
    ) -> None:
        report = post(engine, {"a": {"latency": {"value": 1}}}, at=now - HOUR)
        projects.delete(engine, now=clock.now(), by=None)

        response = browser.get(address(report))

        assert "The project of this report is deleted." in words(response)


class TestAccess:
    def test_is_for_everybody_of_the_organization(
        self,
        engine: Project,
        alice: User,
        bob: User,
        charlie: User,
        browser_of: Browsers,
        now: datetime,
    ) -> None:
        report = Report.objects.get(uuid=make_report(engine, "a", at=now - HOUR))

        leader, member = (browser_of(user).get(address(report)) for user in (alice, bob))

        assert leader.status_code == member.status_code == 200
        assert "Series" in words(soup(leader).select_one(".tabs"))
        assert "Series of this testbed" in words(leader)
        assert "Series of this testbed" not in words(member)
        assert browser_of(charlie).get(address(report)).status_code == 404
        theirs = address(report).replace("/acme/", "/globex/")
        assert browser_of(charlie).get(theirs).status_code == 404
        assert Client().get(address(report)).status_code == 302

    def test_belongs_to_its_project(
        self, acme: Organization, engine: Project, browser: Client, now: datetime
    ) -> None:
        make_project("Gears", organization=acme, visibility=Visibility.PRIVATE)
        report = Report.objects.get(uuid=make_report(engine, "a", at=now - HOUR))

        assert browser.get(address(report).replace("engine", "gears")).status_code == 404
        assert browser.get(address(report).replace("engine", str(engine.uuid))).status_code == 200

    def test_takes_as_many_queries_however_much_it_measured(
        self,
        engine: Project,
        browser: Client,
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        report = post(
            engine, {f"b{number}": {"latency": {"value": 1}} for number in range(50)}, at=now
        )

        with django_assert_num_queries(7):
            browser.get(address(report))
