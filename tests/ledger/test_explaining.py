"""Every series behind a figure: while the period runs, when it has ended, and when it is closed."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher import clock
from bencher.dates import rfc3339
from billing import close, explaining
from billing.explaining import Wanted
from billing.models import BillingPeriod, Plan, Statement
from series import projects
from series.models import Project, SeriesLastSeen, Visibility
from tests.billing.conftest import MONTH, make_subscriber, report
from tests.databases import ROOT
from tests.factories import (
    bmf,
    make_member,
    make_organization,
    make_period,
    make_plan,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
    report_body,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
Get = Callable[..., Any]
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def plan() -> Plan:
    """Return Acme's plan; its Engine is private, Open is public, Gone is deleted.

    Five series of Engine were seen, two of them twice; three were seen before the period.
    """
    acme = make_organization("Acme", leader=make_user("acme"))
    engine, open_, gone = (
        make_project(name, organization=acme, visibility=visibility)
        for name, visibility in [
            ("Engine", Visibility.PRIVATE),
            ("Open", Visibility.PUBLIC),
            ("Gone", Visibility.PRIVATE),
        ]
    )
    now = clock.now()
    client = Client(headers={"authorization": f"Bearer {make_project_key(engine)}"})
    old = report_body(bmf(3), end_time=now - MONTH / 2 - HOUR, testbed="old")
    assert client.post(f"/v0/projects/{engine.uuid}/reports", old, "application/json").status_code
    plan = make_plan(acme)
    make_period(plan, starts_at=now - MONTH / 2, ends_at=now + MONTH / 2)
    report(engine, 5, ago=3 * HOUR)
    report(engine, 2, ago=HOUR)
    report(open_, 2, ago=HOUR)
    report(gone, 1, ago=HOUR)
    projects.delete(gone, now=now, by=None)
    return plan


@pytest.fixture
def get(plan: Plan) -> Get:
    """Return a function by which Acme's leader asks for series."""
    key = make_user_key(plan.organization.memberships.get().user)

    def ask(what: str = "usage/series", *, accept: str = "", **query: Any) -> Any:
        headers = {"authorization": f"Bearer {key}"} | ({"accept": accept} if accept else {})
        address = f"/v0/organizations/acme/{what}?{urlencode(query, doseq=True)}"
        return Client(headers=headers).get(address)

    return ask


def reasons(answer: Any) -> Counter[tuple[bool, str]]:
    assert answer.status_code == 200, answer.content
    return Counter((series["billed"], series["reason"]) for series in answer.json()["series"])


def end(plan: Plan) -> BillingPeriod:
    """Let the period end just now."""
    plan.periods.update(ends_at=clock.now())
    return plan.periods.get()


class TestRunningPeriod:
    def test_gives_every_series_its_reason(self, get: Get) -> None:
        answer = get()

        assert answer.json()["source"] == "ledger"
        assert answer.json()["evidence_sha256"] is None
        assert reasons(answer) == {
            (True, "seen"): 5,
            (False, "public"): 2,
            (False, "project_deleted"): 1,
            (False, "seen_outside"): 3,
        }

    def test_names_the_first_and_the_last_report(self, plan: Plan, get: Get) -> None:
        found = {
            (series["project"], series["benchmark"]): series
            for series in get().json()["series"]
            if series["testbed"] == "ci"
        }

        twice, once = found["Engine", "bench_1"], found["Engine", "bench_4"]
        assert twice["first_report"] == once["first_report"] == once["last_report"]
        assert twice["last_report"] not in (None, once["last_report"])
        assert twice["first_seen"] < twice["last_seen"]
        assert once["first_seen"] == once["last_seen"]

    def test_what_was_seen_outside_has_no_report_in_it(self, plan: Plan, get: Get) -> None:
        outside = get(reason="seen_outside").json()["series"]

        assert [series["first_report"] for series in outside] == [None] * 3
        (last_seen,) = {series["last_seen"] for series in outside}
        assert last_seen < rfc3339(plan.periods.get().starts_at)

    def test_a_trial_covers_what_would_be_billed(self, plan: Plan, get: Get) -> None:
        plan.periods.update(kind="trial")

        assert reasons(get())[True, "covered_by_trial"] == 5
        assert reasons(get(reason="covered_by_trial")) == {(True, "covered_by_trial"): 5}
        assert reasons(get(reason="seen")) == {}

    def test_without_a_plan_it_is_the_last_thirty_days(self, plan: Plan, get: Get) -> None:
        Plan.objects.update(ended_at=clock.now())

        answer = get()

        assert answer.json()["kind"] is None
        assert reasons(answer)[True, "seen"] == 8

    def test_the_billed_ones_are_as_many_as_the_usage_says(self, get: Get) -> None:
        billed = get(billed="true").json()["series"]

        assert len(billed) == get("usage").json()["active_series"] == 5

    def test_without_a_plan_it_is_billed_as_the_next_plan_would_be(
        self, plan: Plan, get: Get, settings: Any
    ) -> None:
        Plan.objects.update(ended_at=clock.now())
        settings.ACTIVE_SERIES_VISIBILITY = "all"

        # Eight of Engine and two of Open.
        assert reasons(get())[True, "seen"] == get("usage").json()["active_series"] == 10


class TestPreviousPeriod:
    def test_is_the_latest_that_has_ended(self, plan: Plan, get: Get) -> None:
        first = end(plan)
        following = make_period(plan, starts_at=first.ends_at, ends_at=first.ends_at + MONTH)
        report(Project.objects.get(name="Engine"), 2)

        before_close = get(period="previous")
        close.close(first.pk, now=clock.now())
        after_close = get(period="previous")

        for answer, source in ((before_close, "reports"), (after_close, "statement")):
            assert answer.json()["source"] == source
            assert answer.json()["start_time"] == rfc3339(first.starts_at)
            assert reasons(answer)[True, "seen"] == 5
        assert get().json()["start_time"] == rfc3339(following.starts_at)
        assert reasons(get())[True, "seen"] == 2

    def test_without_one_it_is_said_what_there_is(self, get: Get) -> None:
        answer = get(period="previous")

        assert answer.status_code == 404
        assert "No billing period has ended yet" in answer.json()["message"]


class TestEndedPeriod:
    def test_is_explained_from_the_reports_until_it_is_closed(self, plan: Plan, get: Get) -> None:
        engine = Project.objects.get(name="Engine")
        start = rfc3339(plan.periods.get().starts_at)
        plan.periods.update(ends_at=clock.now() - HOUR / 2)
        # These rows of the ledger move on, and take their sighting along.
        report(engine, 5)

        answer = get(period=start)

        assert answer.json()["source"] == "reports"
        assert reasons(answer)[True, "seen"] == 5


class TestClosedPeriod:
    @pytest.fixture
    def statement(self, plan: Plan) -> Statement:
        return close.close(end(plan).pk, now=clock.now())

    def test_is_explained_from_the_frozen_lines(self, statement: Statement, get: Get) -> None:
        engine = Project.objects.get(name="Engine")
        report(engine, 9)
        Project.objects.filter(pk=engine.pk).update(name="Motor", visibility="public")

        answer = get(period=rfc3339(statement.starts_at))

        assert answer.json()["source"] == "statement"
        assert answer.json()["evidence_sha256"] == statement.evidence_sha256
        assert reasons(answer) == {
            (True, "seen"): 5,
            (False, "public"): 2,
            (False, "project_deleted"): 1,
        }
        assert {series["project"] for series in answer.json()["series"]} == {
            "Engine",
            "Open",
            "Gone",
        }

    def test_the_evidence_is_what_was_hashed(self, statement: Statement, get: Get) -> None:
        answer = get(period=rfc3339(statement.starts_at), format="evidence")

        evidence = b"".join(answer.streaming_content)
        assert evidence.count(b"\n") == statement.total_series
        assert hashlib.sha256(evidence).hexdigest() == statement.evidence_sha256
        assert answer["X-Evidence-SHA256"] == statement.evidence_sha256
        assert answer["Content-Disposition"].endswith('.evidence.ndjson"')

    def test_the_documented_program_finds_the_hash(self, statement: Statement, get: Get) -> None:
        page = (ROOT / "docs/evidence.md").read_text()
        (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
        answer = get(period=rfc3339(statement.starts_at), format="ndjson")

        done = subprocess.run(
            [sys.executable, "-c", program],
            input=b"".join(answer.streaming_content),
            capture_output=True,
            check=True,
        )

        assert done.stdout.decode().strip() == statement.evidence_sha256

    def test_a_trial_is_shown_as_covered(self, plan: Plan, get: Get) -> None:
        plan.periods.update(kind="trial")
        statement = close.close(end(plan).pk, now=clock.now())

        start = rfc3339(statement.starts_at)
        assert reasons(get(period=start))[True, "covered_by_trial"] == statement.series
        shown = get(f"statements/{statement.uuid}").json()
        assert (shown["covered_by_trial"], shown["amount_cents"]) == (True, 0)

    def test_a_cursor_of_the_running_period_is_refused(self, plan: Plan, get: Get) -> None:
        cursor = get(per_page=2).json()["next"]
        statement = close.close(end(plan).pk, now=clock.now())

        answer = get(period=rfc3339(statement.starts_at), cursor=cursor)

        assert answer.status_code == 400
        assert "begin again" in answer.json()["message"]


class TestPages:
    @pytest.mark.parametrize("closed", [False, True])
    @pytest.mark.parametrize("size", [1, 4, 100])
    def test_together_are_everything_once(
        self, plan: Plan, get: Get, closed: bool, size: int
    ) -> None:
        query: dict[str, Any] = {"per_page": size}
        if closed:
            query["period"] = rfc3339(close.close(end(plan).pk, now=clock.now()).starts_at)

        pages = [get(**query).json()]
        while pages[-1]["next"]:
            pages.append(get(**query, cursor=pages[-1]["next"]).json())

        series = [
            (one["testbed_uuid"], one["benchmark_uuid"], one["measure_uuid"])
            for page in pages
            for one in page["series"]
        ]
        assert len(series) == len(set(series)) == (8 if closed else 11)
        assert all(len(page["series"]) == size for page in pages[:-1])

    def test_take_a_fixed_number_of_queries(
        self, plan: Plan, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        of = explaining.subject(plan.organization, start=None, now=clock.now())

        # The series of the page, then their reports.
        with django_assert_num_queries(2):
            explaining.page(of, Wanted(), cursor="", limit=10)

    @pytest.mark.parametrize(
        "cursor",
        # The last one has the form of a cursor and names nothing: an end, if it were taken.
        ["x", "ledger.1.2.3", "ledger", f"ledger.{NOBODY}", f"ledger.{NOBODY}.{NOBODY}.{NOBODY}"],
    )
    def test_refuse_a_cursor_that_was_not_given_out(self, get: Get, cursor: str) -> None:
        assert get(cursor=cursor).status_code == 400


class TestFilters:
    @pytest.mark.parametrize("name", ["project", "testbed", "benchmark", "measure"])
    def test_by_uuid(self, get: Get, name: str) -> None:
        every = get().json()["series"]
        uuid = every[0][f"{name}_uuid"]

        found = get(**{name: uuid}).json()["series"]

        assert found == [series for series in every if series[f"{name}_uuid"] == uuid]
        assert 0 < len(found) <= len(every)
        assert get(**{name: NOBODY}).json()["series"] == []

    @pytest.mark.parametrize(
        ("search", "number"), [("BENCH_4", 1), ("engine", 8), ("old", 3), ("%", 0), ("LATEN", 11)]
    )
    def test_by_a_part_of_a_name(self, get: Get, search: str, number: int) -> None:
        assert len(get(search=search).json()["series"]) == number

    def test_by_billed_and_reason(self, get: Get) -> None:
        assert len(get(billed="false").json()["series"]) == 6
        assert reasons(get(reason="public")) == {(False, "public"): 2}
        assert reasons(get(reason="public", billed="true")) == {}

    @pytest.mark.parametrize(
        "query",
        [
            {"period": "yesterday"},
            {"period": "2026-11-01T00:00:00"},
            {"period": "0001-01-01T00:00:00+01:00"},
            {"project": "engine"},
            {"reason": "why"},
            {"billed": "perhaps"},
            {"per_page": 0},
            {"format": "xlsx"},
            {"search": "a\0b"},
        ],
    )
    def test_what_can_not_be_read_is_refused(self, get: Get, query: dict[str, Any]) -> None:
        answer = get(**query)

        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/json"

    @pytest.mark.parametrize("start", ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00-23:00"])
    def test_an_unknown_period_is_not_found(self, get: Get, start: str) -> None:
        answer = get(period=start)

        assert answer.status_code == 404
        assert "`/statements`" in answer.json()["message"]


class TestDownloads:
    @pytest.mark.parametrize("query", [{"format": "csv"}, {"accept": "text/csv, */*;q=0.5"}])
    def test_as_csv(self, get: Get, query: dict[str, str]) -> None:
        answer = get(**query)

        content = b"".join(answer.streaming_content)
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert content.startswith(b"project_uuid,project,visibility,")
        assert len(rows) == 11
        outside = {row["first_report"] for row in rows if row["reason"] == "seen_outside"}
        assert outside == {""}

    @pytest.mark.parametrize("query", [{"format": "ndjson"}, {"accept": "application/x-ndjson"}])
    def test_as_ndjson_it_is_what_the_pages_say(self, get: Get, query: dict[str, str]) -> None:
        lines = b"".join(get(**query).streaming_content).splitlines()

        assert [json.loads(line) for line in lines] == get().json()["series"]

    def test_take_filters(self, get: Get) -> None:
        content = b"".join(get(format="ndjson", billed="true").streaming_content)

        assert content.count(b"\n") == 5

    @pytest.mark.parametrize(
        "name", ["=1+1", "+1", "-1", "@A1", "\t=1", "  =1", "＝1", '=HYPERLINK("http://x","y")']
    )
    def test_a_name_is_never_a_formula(self, get: Get, name: str) -> None:
        Project.objects.filter(name="Engine").update(name=name)

        text = b"".join(get(format="csv", billed="true").streaming_content).decode()

        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["project"] for row in rows} == {f"'{name}"}
        lines = b"".join(get(format="ndjson", billed="true").streaming_content).splitlines()
        assert {json.loads(line)["project"] for line in lines} == {name}

    def test_of_evidence_of_a_running_period_have_no_hash_yet(self, get: Get) -> None:
        answer = get(format="evidence")

        assert "X-Evidence-SHA256" not in answer
        assert b"".join(answer.streaming_content).count(b'"billed":true') == 5


class TestStatements:
    def test_are_listed_newest_first_and_paged(self, plan: Plan, get: Get) -> None:
        now = clock.now()
        first = end(plan)
        BillingPeriod.objects.filter(pk=first.pk).update(ends_at=now - 2 * HOUR)
        for hours in (2, 1):
            other = BillingPeriod.objects.get(pk=first.pk)
            other.pk = None
            other.starts_at = now - hours * HOUR
            other.ends_at = now - (hours - 1) * HOUR
            other.save()
        for attempt in close.close_due(now=now + HOUR):
            assert attempt.statement

        newest = get("statements", per_page=2).json()
        oldest = get("statements", per_page=2, before=newest["next"]).json()

        starts = [one["start_time"] for page in (newest, oldest) for one in page["statements"]]
        assert len(starts) == 3
        assert starts == sorted(starts, reverse=True)
        assert oldest["next"] is None

    def test_one_is_found_by_uuid_and_by_its_start(self, plan: Plan, get: Get) -> None:
        statement = close.close(end(plan).pk, now=clock.now())

        by_uuid = get(f"statements/{statement.uuid}").json()
        by_start = get(f"statements/{rfc3339(statement.starts_at)}").json()

        assert by_uuid == by_start
        assert by_uuid["active_series"] == statement.series
        assert by_uuid["evidence_sha256"] == statement.evidence_sha256
        assert by_uuid["price"] == "price_pro"
        assert by_uuid["tier"]["up_to"] == 250
        assert by_uuid["settlement"] is None
        (change,) = by_uuid["late_changes"]
        assert (change["kind"], change["series"]) == ("deleted", 1)

    @pytest.mark.parametrize(
        "name",
        [
            "x",
            NOBODY,
            "2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00-23:00",
            "9999-12-31T23:59:59-01:00",
        ],
    )
    def test_others_are_not_found(self, get: Get, name: str) -> None:
        assert get(f"statements/{name}").status_code == 404

    def test_are_paged_from_an_instant_of_any_zone(self, plan: Plan, get: Get) -> None:
        statement = close.close(end(plan).pk, now=clock.now())
        after = statement.starts_at + timedelta(seconds=1)

        answers = [
            get("statements", before=before.astimezone(timezone(timedelta(hours=23))).isoformat())
            for before in (statement.starts_at, after)
        ]

        assert [len(answer.json()["statements"]) for answer in answers] == [0, 1]

    def test_an_instant_that_is_in_no_year_is_refused(self, get: Get) -> None:
        answer = get("statements", before="0001-01-01T00:00:00+01:00")

        assert answer.status_code == 400
        assert "`before`" in answer.json()["message"]


class TestSimulation:
    def test_says_what_is_and_what_would_be(self, plan: Plan, get: Get) -> None:
        benchmark = SeriesLastSeen.objects.filter(benchmark__name="bench_3").first()
        assert benchmark is not None

        answer = get("usage/simulation", drop_benchmark=benchmark.benchmark.uuid, add=300).json()

        assert answer["now"]["active_series"] == 5
        assert answer["then"] == {
            "active_series": 304,
            "tier": {
                "first": 251,
                "up_to": 375,
                "flat_amount_decimal": "15000",
                "unit_amount_decimal": "0",
            },
            "amount_cents": 15000,
            "without_trial_cents": 15000,
        }

    def test_a_series_that_is_dropped_twice_goes_once(self, plan: Plan, get: Get) -> None:
        row = SeriesLastSeen.objects.get(
            benchmark__name="bench_3", project__name="Engine", testbed__name="ci"
        )
        drop = {
            "drop_benchmark": [
                row.benchmark.uuid,
                *Project.objects.get(name="Open").benchmarks.values_list("uuid", flat=True),
            ],
            "drop_measure": Project.objects.get(name="Gone").measures.get().uuid,
        }

        assert get("usage/simulation", **drop).json()["then"]["active_series"] == 4

    @pytest.mark.parametrize("name", ["project", "testbed", "measure"])
    def test_whole_dimensions_can_go(self, get: Get, name: str) -> None:
        row = SeriesLastSeen.objects.filter(project__name="Engine", testbed__name="ci").first()
        uuid = getattr(row, name).uuid

        answer = get("usage/simulation", **{f"drop_{name}": uuid}).json()

        assert answer["then"]["active_series"] == 0
        assert answer["then"]["amount_cents"] == 10000

    def test_a_trial_covers_it_and_the_price_is_shown(self, plan: Plan, get: Get) -> None:
        plan.periods.update(kind="trial")

        then = get("usage/simulation", add=600).json()["then"]

        assert (then["amount_cents"], then["without_trial_cents"]) == (0, 605 * 40)

    def test_without_changes_it_is_the_usage(self, get: Get) -> None:
        answer, usage = get("usage/simulation").json(), get("usage").json()

        assert answer["now"] == answer["then"]
        assert answer["now"]["amount_cents"] == usage["estimate_cents"]
        assert answer["now"]["tier"] == usage["tier"]

    @pytest.mark.parametrize("query", [{"add": -1}, {"add": "x"}, {"drop_testbed": "ci"}])
    def test_what_can_not_be_read_is_refused(self, get: Get, query: dict[str, Any]) -> None:
        assert get("usage/simulation", **query).status_code == 400

    def test_what_belongs_to_others_is_not_found(self, get: Get) -> None:
        _, foreign = make_subscriber("globex")

        answer = get("usage/simulation", drop_project=foreign.uuid)

        assert answer.status_code == 404
        assert str(foreign.uuid) in answer.json()["message"]


@pytest.mark.parametrize(
    "what", ["usage/series", "usage/series?format=csv", "usage/simulation", "statements"]
)
class TestWhoMaySeeIt:
    def ask(self, what: str, key: str | None) -> int:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        status: int = Client(headers=headers).get(f"/v0/organizations/acme/{what}").status_code
        return status

    def test_leaders_only(self, plan: Plan, what: str) -> None:
        bob = make_user("bob")
        make_member(bob, plan.organization)
        charlie, _ = make_subscriber("globex")
        stranger = charlie.organization.memberships.get().user
        leader = plan.organization.memberships.get(role="leader").user
        project_key = make_project_key(plan.organization.projects.get(name="Engine"))

        assert self.ask(what, make_user_key(leader)) == 200
        assert self.ask(what, make_user_key(bob)) == 403
        assert self.ask(what, project_key) == 403
        assert self.ask(what, make_user_key(stranger)) == 404
        assert self.ask(what, None) == 401

    def test_series_of_others_are_in_none_of_it(self, plan: Plan, what: str) -> None:
        _, project = make_subscriber("globex")
        report(project, 40, ago=HOUR)
        of = explaining.subject(plan.organization, start=None, now=clock.now())

        found = [series for chunk in explaining.stream(of, Wanted()) for series in chunk]
        lines = b"".join(explaining.evidence_lines(of))

        assert len(found) == 11
        assert str(project.uuid).encode() not in lines
