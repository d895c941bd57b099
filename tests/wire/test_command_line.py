"""What the `bencher` command line v0.6.12 sends, in its order, and every field that it reads."""

from typing import Any
from uuid import uuid4

import pytest

from bencher import clock
from series.models import Project
from tests.factories import bmf, report_body
from tests.ingest.conftest import Caller
from tests.wire.conftest import Validate

pytestmark = pytest.mark.django_db

CONTEXT = {
    "bencher.dev/v0/repo/name": "engine",
    "bencher.dev/v0/repo/hash": "3d4c6f1b1d2e4a0f9b8c7d6e5f4a3b2c1d0e9f8a",
    "bencher.dev/v0/branch/ref": "refs/heads/feature/x",
    "bencher.dev/v0/branch/ref/name": "feature/x",
    "bencher.dev/v0/branch/hash": "b" * 40,
    "bencher.dev/v0/testbed/os": "Linux",
    "bencher.dev/v0/testbed/fingerprint": "3bnrg5e17bpa0",
}


def run(**fields: Any) -> dict[str, Any]:
    """Return the whole body of `bencher run`, as it is written out."""
    body = report_body(bmf(2, measures=("latency", "throughput")), end_time=clock.now())
    return {
        "project": "engine",
        "idempotency_key": str(uuid4()),
        "branch": "feature/x",
        "hash": "b" * 40,
        "start_point": {
            "branch": "main",
            "hash": "a" * 40,
            "max_versions": 255,
            "clone_thresholds": True,
            "reset": True,
        },
        "testbed": "ubuntu-latest",
        "thresholds": {
            "models": {
                "latency": {
                    "test": "t_test",
                    "min_sample_size": None,
                    "max_sample_size": 64,
                    "window": None,
                    "lower_boundary": None,
                    "upper_boundary": 0.99,
                }
            },
            "reset": True,
        },
        "start_time": body["start_time"],
        "end_time": body["end_time"],
        "results": body["results"],
        "settings": {"adapter": "json", "average": None, "fold": None},
        "context": CONTEXT,
    } | fields


class TestRun:
    def test_gets_what_it_reads_in_its_order(
        self, ci: Caller, project: Project, settings: Any, validate: Validate
    ) -> None:
        version = ci.get("server/version")
        posted = ci.post("run", run())
        console = ci.get("server/config/console")

        assert (version.status_code, version.json()) == (200, {"version": "0.6.12"})
        assert (console.status_code, console.json()) == (200, {"url": settings.BASE_URL})
        validate("JsonApiVersion", version.json())
        validate("JsonConsole", console.json())
        assert posted.status_code == 201, posted.content
        validate("JsonReport", posted.json())

    def test_gets_every_field_that_its_links_are_made_of(self, ci: Caller) -> None:
        report = ci.post("run", run()).json()

        assert report["project"]["slug"] == "engine"
        assert report["project"]["visibility"] == "public"
        assert report["project"]["claimed"]
        assert report["project"]["organization"]
        assert report["branch"]["name"] == "feature/x"
        assert report["branch"]["slug"] == "feature-x"
        assert report["branch"]["head"]["version"] == {"number": 0, "hash": "b" * 40}
        assert report["testbed"]["slug"] == "ubuntu-latest"
        assert report["testbed"]["spec"] is None
        assert report["adapter"] == "json"
        (iteration,) = report["results"]
        assert [row["benchmark"]["name"] for row in iteration] == ["bench_0", "bench_1"]
        assert [[one["measure"]["name"] for one in row["measures"]] for row in iteration] == [
            ["Latency", "Throughput"]
        ] * 2
        assert {row["iteration"] for row in iteration} == {0}
        assert report["alerts"] == []
        assert report["counts"] == {
            "results": [{"benchmarks": 2, "measures": 2}],
            "alerts": {"active": 0, "total": 0},
        }
        for at in ("start_time", "end_time", "created"):
            assert report[at].endswith("Z")

    def test_retries_get_the_first_answer(self, ci: Caller) -> None:
        sent = run()

        answers = [ci.post("run", sent) for _ in range(3)]

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1

    def test_is_told_what_is_wrong(self, ci: Caller, validate: Validate) -> None:
        response = ci.post("run", run(results=["not a benchmark"]))

        assert response.status_code == 400
        validate("Error", response.json())
        assert response.json()["request_id"]

    def test_without_benchmarks_is_a_report_all_the_same(
        self, ci: Caller, validate: Validate
    ) -> None:
        posted = ci.post("run", run(results=["{}"]))

        assert posted.status_code == 201
        assert posted.json()["results"] == []
        validate("JsonReport", posted.json())


class TestOtherCommands:
    """`bencher report`, `bencher branch` and `bencher archive`."""

    def test_reports_are_created_listed_and_viewed(self, ci: Caller, validate: Validate) -> None:
        created = ci.post(
            "projects/engine/reports",
            report_body(bmf(1), bmf(1), end_time=clock.now(), hash="c" * 40, start_point={}),
        ).json()
        listed = ci.get("projects/engine/reports")
        expanded = ci.get("projects/engine/reports", expand="true")
        viewed = ci.get(f"projects/engine/reports/{created['uuid']}").json()

        assert created == viewed == expanded.json()[0]
        validate("JsonReports", listed.json())
        validate("JsonReports", expanded.json())
        validate("JsonReport", viewed)
        assert listed["X-Total-Count"] == "1"

    def test_branches_are_created_listed_viewed_and_archived(
        self, ci: Caller, validate: Validate
    ) -> None:
        ci.post("run", run(branch="main", start_point=None))
        created = ci.post(
            "projects/engine/branches", {"name": "fix", "start_point": {"branch": "main"}}
        ).json()
        listed = ci.get("projects/engine/branches").json()
        archived = ci.patch("projects/engine/branches/fix", {"archived": True}).json()

        assert created in listed
        validate("JsonBranches", listed)
        validate("JsonBranch", created)
        validate("JsonBranch", archived)
        assert archived["archived"] is not None
