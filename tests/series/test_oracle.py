"""Ledger and recount against the independent oracle, over generated histories."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from bencher import clock
from ingest.models import Report
from series import counting, fence, projects, recounting
from series.counting import Basis
from series.models import Visibility
from tests.databases import rolled_back
from tests.factories import (
    make_organization,
    make_project,
    make_project_key,
    make_user,
    report_body,
)
from tests.oracle import Oracle

pytestmark = pytest.mark.django_db

NAMES = st.sampled_from(["add", "sub", "mul", "Div", "mod"])
MEASURES = st.sampled_from(["latency", "throughput", "Memory Peak"])
RESULTS = st.lists(
    st.dictionaries(NAMES, st.dictionaries(MEASURES, st.floats(-1e9, 1e9), max_size=3), max_size=4),
    min_size=1,
    max_size=3,
)
HOURS = st.integers(-24 * 40, 0)
REPORT = st.fixed_dictionaries(
    {
        "do": st.just("report"),
        "project": st.integers(0, 2),
        "testbed": st.sampled_from(["ci", "lab"]),
        "branch": st.sampled_from(["main", "feature/x"]),
        "hours": HOURS,
        "minutes_ahead": st.sampled_from([0, 0, 0, 4]),
        "results": RESULTS,
    }
)
CHANGE = st.fixed_dictionaries(
    {"do": st.sampled_from(["flip", "delete", "restore"]), "project": st.integers(0, 2)}
)
FENCE = st.fixed_dictionaries({"do": st.just("fence"), "hours": HOURS})
HISTORY = st.lists(st.one_of(REPORT, REPORT, REPORT, CHANGE, FENCE), min_size=1, max_size=12)
WINDOWS = st.lists(st.tuples(HOURS, HOURS), min_size=1, max_size=4)


class World:
    def __init__(self) -> None:
        self.acme = make_organization("Acme", leader=make_user("alice"))
        self.now = clock.now()
        self.oracle = Oracle()
        self.projects = [
            make_project(name, organization=self.acme, visibility=visibility)
            for name, visibility in [
                ("one", Visibility.PRIVATE),
                ("two", Visibility.PUBLIC),
                ("three", Visibility.PRIVATE),
            ]
        ]
        self.keys = [make_project_key(project) for project in self.projects]
        for project in self.projects:
            self.oracle.private[project.slug] = project.visibility == Visibility.PRIVATE

    def apply(self, step: dict[str, Any]) -> None:
        getattr(self, step["do"])(step)

    def report(self, step: dict[str, Any]) -> None:
        project = self.projects[step["project"]]
        end = self.now + timedelta(hours=step["hours"], minutes=step["minutes_ahead"])
        results: list[dict[str, dict[str, object]]] = [
            {
                name: {measure: {"value": value} for measure, value in measures.items()}
                for name, measures in iteration.items()
            }
            for iteration in step["results"]
        ]
        response = Client().post(
            f"/v0/projects/{project.uuid}/reports",
            report_body(
                *(msgspec.json.encode(iteration).decode() for iteration in results),
                end_time=end,
                branch=step["branch"],
                testbed=step["testbed"],
            ),
            content_type="application/json",
            headers={"authorization": f"Bearer {self.keys[step['project']]}"},
        )
        if project.slug in self.oracle.deleted:
            assert response.status_code == 404
            return
        assert response.status_code == 201, response.content
        self.oracle.posted(
            project=project.slug,
            testbed=step["testbed"],
            results=results,
            end_time=end,
            received_at=datetime.fromisoformat(response.json()["created"]),
        )

    def flip(self, step: dict[str, Any]) -> None:
        project = self.projects[step["project"]]
        private = self.oracle.private[project.slug] = not self.oracle.private[project.slug]
        visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
        projects.set_visibility(project, visibility, now=self.now, by=None)

    def delete(self, step: dict[str, Any]) -> None:
        project = self.projects[step["project"]]
        projects.delete(project, now=self.now, by=None)
        self.oracle.deleted.add(project.slug)

    def restore(self, step: dict[str, Any]) -> None:
        project = self.projects[step["project"]]
        projects.restore(project, now=self.now, by=None)
        self.oracle.deleted.discard(project.slug)

    def fence(self, step: dict[str, Any]) -> None:
        at = self.now + timedelta(hours=step["hours"])
        fence.raise_to(self.acme.pk, at)
        self.oracle.fence = at if self.oracle.fence is None else max(at, self.oracle.fence)


class TestCountsEqualTheOracle:
    @given(history=HISTORY, windows=WINDOWS)
    def test_after_any_history(
        self, history: list[dict[str, Any]], windows: list[tuple[int, int]]
    ) -> None:
        with rolled_back():
            world = World()
            for step in history:
                world.apply(step)

            for first, second in windows:
                self.check_open(world, hours=first)
                if first != second:
                    self.check_ended(world, *sorted((first, second)))

    def check_open(self, world: World, *, hours: int) -> None:
        start, end = world.now + timedelta(hours=hours), datetime(2100, 1, 1, tzinfo=UTC)
        by_ledger = counting.count_active(world.acme.pk, start=start, end=end, basis=Basis.PRIVATE)
        by_reports = recounting.recount(world.acme.pk, start=start, end=end, basis=Basis.PRIVATE)
        assert by_ledger.billed == world.oracle.billed(start, end)
        assert by_reports.projects == by_ledger.projects
        assert sum(project.series for project in by_ledger.projects) == len(
            world.oracle.active(start, end)
        )

    def check_ended(self, world: World, first: int, second: int) -> None:
        start, end = (world.now + timedelta(hours=hours) for hours in (first, second))
        by_reports = recounting.recount(world.acme.pk, start=start, end=end, basis=Basis.PRIVATE)
        assert by_reports.billed == world.oracle.billed(start, end)


class TestBounds:
    @pytest.mark.parametrize(
        ("offset", "counted"), [(-1, 0), (0, 1), (1, 1)], ids=["before", "at", "after"]
    )
    def test_the_start_belongs_to_the_period_and_the_end_to_the_next(
        self, offset: int, counted: int
    ) -> None:
        world = World()
        step = {
            "project": 0,
            "testbed": "ci",
            "branch": "main",
            "hours": -5,
            "minutes_ahead": 0,
            "results": [{"add": {"latency": 1.0}}],
        }
        world.report(step)
        bound = world.now - timedelta(hours=5) - timedelta(microseconds=offset)
        before, after = bound - timedelta(days=1), bound + timedelta(days=1)
        count = counting.count_active

        assert count(world.acme.pk, start=bound, end=after, basis=Basis.PRIVATE).billed == counted
        assert (
            count(world.acme.pk, start=before, end=bound, basis=Basis.PRIVATE).billed == 1 - counted
        )


class TestRecountBounds:
    @pytest.fixture
    def world(self) -> World:
        world = World()
        world.report(
            {
                "project": 0,
                "testbed": "ci",
                "branch": "main",
                "hours": -5,
                "minutes_ahead": 0,
                "results": [{"add": {"latency": 1.0}}],
            }
        )
        return world

    def recounted(self, world: World, start: datetime, end: datetime) -> int:
        return recounting.recount(world.acme.pk, start=start, end=end, basis=Basis.PRIVATE).billed

    def test_the_start_belongs_to_the_period_and_the_end_to_the_next(self, world: World) -> None:
        at, day = world.now - timedelta(hours=5), timedelta(days=1)

        assert self.recounted(world, at, at + day) == 1
        assert self.recounted(world, at - day, at) == 0

    def test_deleted_reports_still_prove_activity(self, world: World) -> None:
        at, day = world.now - timedelta(hours=5), timedelta(days=1)
        Report.objects.update(deleted_at=world.now)

        assert self.recounted(world, at - day, at + day) == 1

    def test_a_report_at_the_fence_itself_counts_at_its_own_time(self, world: World) -> None:
        at = world.now - timedelta(hours=2)
        fence.raise_to(world.acme.pk, at)

        world.report(
            {
                "project": 0,
                "testbed": "ci",
                "branch": "main",
                "hours": -2,
                "minutes_ahead": 0,
                "results": [{"sub": {"latency": 1.0}}],
            }
        )

        assert Report.objects.latest("id").seen_at == at
