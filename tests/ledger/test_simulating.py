"""What less or more would cost, against counting on one's fingers and against really doing it."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization
from billing import close
from series import projects
from series.models import Project, Visibility
from tests.billing.conftest import MONTH
from tests.factories import (
    bmf,
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

KINDS = ("project", "testbed", "benchmark", "measure")
# What each project reports; the second shares its names with the first and none of its series.
REPORTED: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "Engine": (("ci", "lab"), 6, ("latency", "throughput")),
    "Gears": (("ci",), 4, ("latency",)),
    "Open": (("ci",), 5, ("latency",)),
}
BILLED = 2 * 6 * 2 + 4


@dataclass(frozen=True)
class Acme:
    """An organization in the middle of a period, as its leader sees it over HTTP."""

    organization: Organization
    key: str
    projects: dict[str, Project] = field(default_factory=dict)

    def get(self, what: str, **query: Any) -> Any:
        """Return the answer to a question of its leader."""
        headers = {"authorization": f"Bearer {self.key}"}
        address = f"/v0/organizations/{self.organization.slug}/{what}"
        return Client(headers=headers).get(f"{address}?{urlencode(query, doseq=True)}")

    def simulate(self, **changes: Any) -> dict[str, Any]:
        """Return what the period would cost with these changes."""
        answer = self.get("usage/simulation", **changes)
        assert answer.status_code == 200, answer.content
        then: dict[str, Any] = answer.json()["then"]
        return then

    def usage(self) -> tuple[int, int]:
        """Return the billed count and what it costs, as the usage says."""
        usage = self.get("usage").json()
        return usage["active_series"], usage["estimate_cents"]

    def billed(self) -> list[dict[str, Any]]:
        """Return every billed series, as the list says."""
        found: list[dict[str, Any]] = self.get("usage/series", billed="true", per_page=1000).json()[
            "series"
        ]
        return found


def make(name: str) -> Acme:
    """Return a subscriber without reports."""
    leader = make_user(name)
    organization = make_organization(name.title(), leader=leader)
    now = clock.now()
    make_period(make_plan(organization), starts_at=now - MONTH / 2, ends_at=now + MONTH / 2)
    return Acme(organization, make_user_key(leader))


def report(
    acme: Acme,
    project: str,
    *,
    testbed: str,
    benchmarks: int,
    measures: tuple[str, ...],
    prefix: str = "bench",
) -> None:
    """Report to a project of that name, which is made where needed."""
    if project not in acme.projects:
        visibility = Visibility.PUBLIC if project == "Open" else Visibility.PRIVATE
        acme.projects[project] = make_project(
            project, organization=acme.organization, visibility=visibility
        )
    to = acme.projects[project]
    answer = Client(headers={"authorization": f"Bearer {make_project_key(to)}"}).post(
        f"/v0/projects/{to.uuid}/reports",
        report_body(
            bmf(benchmarks, measures=measures, prefix=prefix),
            end_time=clock.now() - timedelta(minutes=1),
            testbed=testbed,
        ),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content


@pytest.fixture
def acme() -> Acme:
    """Return Acme with two private projects and a public one."""
    acme = make("acme")
    for project, (testbeds, benchmarks, measures) in REPORTED.items():
        for testbed in testbeds:
            report(acme, project, testbed=testbed, benchmarks=benchmarks, measures=measures)
    assert acme.usage()[0] == BILLED
    return acme


def left_of(series: list[dict[str, Any]], drop: dict[str, set[str]]) -> int:
    """Count, one by one, the series that are in nothing of what is dropped."""
    return sum(
        not any(one[f"{kind}_uuid"] in drop.get(f"drop_{kind}", ()) for kind in KINDS)
        for one in series
    )


class TestDropping:
    @pytest.mark.parametrize("kinds", list(product((False, True), repeat=len(KINDS))))
    def test_leaves_what_is_in_none_of_the_dropped(
        self, acme: Acme, kinds: tuple[bool, ...]
    ) -> None:
        """Every combination of kinds; where two name the same series it goes once."""
        series = acme.billed()
        drop = {
            f"drop_{kind}": {series[index * 7 % len(series)][f"{kind}_uuid"] for index in (0, 1)}
            for kind, chosen in zip(KINDS, kinds, strict=True)
            if chosen
        }

        then = acme.simulate(**{name: sorted(uuids) for name, uuids in drop.items()})

        assert then["active_series"] == left_of(series, drop)

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_of_a_kind_alone(self, acme: Acme, kind: str) -> None:
        series = acme.billed()

        for uuid in {one[f"{kind}_uuid"] for one in series}:
            expected = left_of(series, {f"drop_{kind}": {uuid}})
            assert acme.simulate(**{f"drop_{kind}": uuid})["active_series"] == expected
            # Named twice it is dropped once.
            twice = acme.simulate(**{f"drop_{kind}": [uuid, uuid]})
            assert twice["active_series"] == expected < BILLED

    def test_what_is_not_billed_saves_nothing(self, acme: Acme) -> None:
        then = acme.simulate(drop_project=acme.projects["Open"].uuid)

        assert then["active_series"] == BILLED

    def test_everything_costs_the_base_fee(self, acme: Acme) -> None:
        then = acme.simulate(drop_project=[one.uuid for one in acme.projects.values()])

        assert (then["active_series"], then["amount_cents"]) == (0, 10000)
        assert (then["tier"]["first"], then["tier"]["up_to"]) == (0, 250)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("whose", ["nobody's", "somebody else's"])
    def test_a_uuid_of_others_is_not_found_and_its_field_is_named(
        self, acme: Acme, kind: str, whose: str
    ) -> None:
        uuid = str(uuid4())
        if whose == "somebody else's":
            globex = make("globex")
            report(globex, "Engine", testbed="ci", benchmarks=1, measures=("latency",))
            uuid = globex.billed()[0][f"{kind}_uuid"]
        own = acme.billed()[0][f"{kind}_uuid"]

        answer = acme.get("usage/simulation", **{f"drop_{kind}": [own, uuid]})

        assert answer.status_code == 404
        assert answer.json()["message"] == (
            f"`drop_{kind}`: The organization has no {kind} {uuid}."
        )

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"add": -1}, "add"),
            ({"add": "many"}, "add"),
            ({"add": 10**8}, "add"),
            ({"drop_testbed": "ci"}, "drop_testbed"),
            ({"drop_measure": ["", ""]}, "drop_measure"),
        ],
    )
    def test_what_can_not_be_read_is_refused_and_its_field_is_named(
        self, acme: Acme, query: dict[str, Any], field: str
    ) -> None:
        answer = acme.get("usage/simulation", **query)

        assert answer.status_code == 400
        assert field in answer.json()["message"]


class TestAdding:
    @pytest.mark.parametrize(
        ("count", "cents", "first"),
        [
            (250, 10000, 0),
            (251, 15000, 251),
            (375, 15000, 251),
            (376, 20000, 376),
            (500, 20000, 376),
            (501, 20040, 501),
            (10_000_000, 400_000_000, 501),
        ],
    )
    def test_crosses_each_step_at_its_count(
        self, acme: Acme, count: int, cents: int, first: int
    ) -> None:
        then = acme.simulate(add=count - BILLED)

        assert (then["active_series"], then["amount_cents"]) == (count, cents)
        assert then["tier"]["first"] == first


class TestReallyDoingIt:
    def test_deleting_a_project_comes_to_what_was_simulated(self, acme: Acme) -> None:
        engine = acme.projects["Engine"]
        then = acme.simulate(drop_project=engine.uuid)

        projects.delete(engine, now=clock.now(), by=None)

        assert acme.usage() == (then["active_series"], then["amount_cents"]) == (4, 10000)

    def test_reporting_more_comes_to_what_was_simulated(self, acme: Acme) -> None:
        then = acme.simulate(add=480)

        report(
            acme, "Gears", testbed="new", benchmarks=240, measures=("latency", "size"), prefix="n"
        )

        assert acme.usage() == (then["active_series"], then["amount_cents"]) == (508, 20320)

    def test_never_having_reported_it_comes_to_what_was_simulated_and_billed(
        self, acme: Acme
    ) -> None:
        series = {(one["project"], one["testbed"], one["measure"]): one for one in acme.billed()}
        then = acme.simulate(
            drop_testbed=series["Engine", "lab", "Latency"]["testbed_uuid"],
            drop_measure=series["Engine", "ci", "Throughput"]["measure_uuid"],
            add=500,
        )
        other = make("globex")
        report(other, "Engine", testbed="ci", benchmarks=6, measures=("latency",))
        report(other, "Gears", testbed="ci", benchmarks=4, measures=("latency",))
        report(other, "Gears", testbed="ci", benchmarks=500, measures=("size",))

        assert other.usage() == (then["active_series"], then["amount_cents"]) == (510, 20400)
        other.organization.billing_periods.update(ends_at=clock.now())
        statement = close.close(other.organization.billing_periods.get().pk, now=clock.now())
        assert (statement.series, statement.amount_cents) == cost_of(then)


def cost_of(then: dict[str, Any]) -> tuple[int, int]:
    """Return count and amount of a simulation."""
    return then["active_series"], then["amount_cents"]
