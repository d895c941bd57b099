"""Reading and deleting reports over HTTP."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bencher import clock
from ingest import stored
from ingest.models import MetricColumn, Report
from series import models as series_models
from series import recounting
from series.counting import Basis
from series.models import Project, SeriesLastSeen
from tests.factories import NOV, bmf, report_body
from tests.ingest.conftest import Caller, Post

pytestmark = pytest.mark.django_db

UUID_OF_NOTHING = "5aba59e1-9202-4819-b2a2-7b656e160122"
REPORTS = "projects/engine/reports"


def uuids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["uuid"] for row in response.json()]


def millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class TestList:
    @pytest.fixture
    def three(self, post: Post) -> list[str]:
        """Post three reports, the first an hour before the last; return them newest first."""
        now = clock.now()
        bodies = [
            report_body(bmf(1), end_time=now - timedelta(hours=1), branch="main", testbed="ci"),
            report_body(bmf(2), bmf(3), end_time=now - timedelta(minutes=30), branch="fix/1"),
            report_body(bmf(1), end_time=now, branch="main", testbed="Lab One"),
        ]
        return [post(body).json()["uuid"] for body in bodies][::-1]

    def test_is_newest_first_and_collapsed(self, alice: Caller, three: list[str]) -> None:
        response = alice.get(REPORTS)

        assert uuids(response) == three
        assert response["X-Total-Count"] == "3"
        middle = response.json()[1]
        assert "results" not in middle
        assert "alerts" not in middle
        assert middle["counts"] == {
            "results": [{"benchmarks": 2, "measures": 1}, {"benchmarks": 3, "measures": 1}],
            "alerts": {"active": 0, "total": 0},
        }

    def test_expanded_it_is_what_each_report_answers(self, alice: Caller, three: list[str]) -> None:
        rows = alice.get(REPORTS, expand="true").json()

        assert rows == [alice.get(f"{REPORTS}/{uuid}").json() for uuid in three]
        assert [len(row["results"]) for row in rows] == [1, 2, 1]

    def test_pages(self, alice: Caller, three: list[str]) -> None:
        second = alice.get(REPORTS, page=2, per_page=2)

        assert uuids(second) == three[2:]
        assert second["X-Total-Count"] == "3"
        assert uuids(alice.get(REPORTS, direction="asc")) == three[::-1]
        assert uuids(alice.get(REPORTS, per_page=0)) == []

    def test_is_narrowed_by_branch_and_testbed(self, alice: Caller, three: list[str]) -> None:
        last, middle, first = three
        branch = alice.get(f"{REPORTS}/{middle}").json()["branch"]["uuid"]

        assert uuids(alice.get(REPORTS, branch="main")) == [last, first]
        assert uuids(alice.get(REPORTS, branch="fix/1")) == [middle]
        assert uuids(alice.get(REPORTS, branch="fix-1")) == [middle]
        assert uuids(alice.get(REPORTS, branch=branch)) == [middle]
        assert uuids(alice.get(REPORTS, testbed="Lab One")) == [last]
        assert uuids(alice.get(REPORTS, testbed="lab-one", branch="fix/1")) == []
        assert uuids(alice.get(REPORTS, branch="nothing\0")) == []

    def test_is_narrowed_by_time(self, alice: Caller, three: list[str]) -> None:
        now = clock.now()
        last, middle, first = three

        assert uuids(alice.get(REPORTS, start_time=millis(now - timedelta(minutes=40)))) == [
            last,
            middle,
        ]
        assert uuids(alice.get(REPORTS, end_time=millis(now - timedelta(minutes=20)))) == [
            middle,
            first,
        ]

    def test_archived_are_those_of_an_archived_branch_or_testbed(
        self, alice: Caller, three: list[str]
    ) -> None:
        alice.patch("projects/engine/branches/fix-1", {"archived": True})
        series_models.Testbed.objects.filter(name="Lab One").update(archived_at=NOV)
        last, middle, first = three

        assert uuids(alice.get(REPORTS)) == [first]
        assert uuids(alice.get(REPORTS, archived="true")) == [last, middle]

    @pytest.mark.parametrize(
        "query",
        [
            {"start_time": "yesterday"},
            {"end_time": 10**18},
            {"per_page": 256},
            {"sort": "size"},
            {"archived": "maybe"},
        ],
    )
    def test_names_the_parameter_that_it_can_not_read(
        self, alice: Caller, query: dict[str, Any]
    ) -> None:
        response = alice.get(REPORTS, **query)

        assert response.status_code == 400
        assert next(iter(query)) in response.json()["message"]

    @pytest.mark.parametrize("expand", ["false", "true"])
    def test_a_page_takes_a_fixed_number_of_queries(
        self, alice: Caller, post: Post, expand: str
    ) -> None:
        now = clock.now()
        for number in range(12):
            body = report_body(bmf(2), end_time=now, branch=f"b{number}", testbed=f"t{number}")
            post(body | {"start_point": {"branch": "b0"}})
        taken = []
        # The first use of a key is noted, once.
        alice.get(REPORTS, per_page=1)

        for size in (1, 255):
            with CaptureQueriesContext(connection) as captured:
                assert uuids(alice.get(REPORTS, per_page=size, expand=expand))
            taken.append(len(captured))

        assert taken == ([10, 10] if expand == "true" else [7, 7])

    def test_refuses_to_expand_more_than_fits(
        self, alice: Caller, three: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored, "MAX_EXPANDED_METRICS", 5)

        assert alice.get(REPORTS, expand="true", per_page=1).status_code == 200
        refused = alice.get(REPORTS, expand="true")

        assert refused.status_code == 400
        assert "per_page" in refused.json()["message"]


class TestGet:
    def test_answers_what_posting_answered(self, alice: Caller, post: Post) -> None:
        measures = ("latency", "throughput", "Memory Peak")
        body = report_body(bmf(1200, measures=measures), bmf(3), end_time=clock.now())
        posted = post(body | {"start_point": {"branch": "nowhere"}})

        read = alice.get(f"{REPORTS}/{posted.json()['uuid']}")

        assert read.json() == posted.json()
        assert alice.client.get(posted["Location"]).json() == posted.json()

    def test_gives_each_metric_a_uuid_of_what_it_is_about(self, post: Post) -> None:
        report = post(report_body(bmf(2), bmf(1), end_time=clock.now())).json()

        for row in (row for iteration in report["results"] for row in iteration):
            for measured in row["measures"]:
                about = (row["iteration"], measured["measure"]["uuid"], row["benchmark"]["uuid"])
                expected = uuid5(UUID(report["uuid"]), "/".join(map(str, about)))
                assert measured["metric"]["uuid"] == str(expected)

    def test_leaves_iterations_out_that_measured_nothing(self, post: Post) -> None:
        answer = post(report_body("{}", bmf(1), '{"a": {}}', end_time=clock.now())).json()

        assert [row["iteration"] for iteration in answer["results"] for row in iteration] == [1]
        assert answer["counts"]["results"] == [{"benchmarks": 1, "measures": 1}]

    @pytest.mark.parametrize("identifier", ["nothing", UUID_OF_NOTHING])
    def test_knows_no_other(self, alice: Caller, identifier: str) -> None:
        assert alice.get(f"{REPORTS}/{identifier}").status_code == 404

    def test_knows_no_report_of_another_project(self, alice: Caller, project: Project) -> None:
        other = alice.post(
            "organizations/acme/projects", {"name": "Other", "visibility": "private"}
        ).json()
        body = report_body(bmf(1), end_time=clock.now())
        theirs = alice.post(f"projects/{other['slug']}/reports", body).json()

        assert alice.get(f"{REPORTS}/{theirs['uuid']}").status_code == 404
        assert alice.delete(f"{REPORTS}/{theirs['uuid']}").status_code == 404


class TestDelete:
    @pytest.fixture
    def uuid(self, post: Post) -> str:
        """Return a report of two iterations with bounds."""
        result = '{"a": {"latency": {"value": 1, "lower_value": 0, "upper_value": 2}}}'
        body = report_body(result, bmf(3), end_time=clock.now(), hash="a" * 40)
        answer: str = post(body).json()["uuid"]
        return answer

    def test_hides_it_everywhere(self, alice: Caller, uuid: str) -> None:
        deleted = alice.delete(f"{REPORTS}/{uuid}")

        assert (deleted.status_code, deleted.content) == (204, b"")
        assert alice.get(f"{REPORTS}/{uuid}").status_code == 404
        assert alice.delete(f"{REPORTS}/{uuid}").status_code == 404
        assert uuids(alice.get(REPORTS)) == []
        assert alice.get(REPORTS)["X-Total-Count"] == "0"

    def test_empties_its_values_and_nothing_that_counts(
        self, alice: Caller, post: Post, project: Project, uuid: str
    ) -> None:
        others = post(report_body(bmf(1), end_time=clock.now())).json()["uuid"]
        ledger = set(SeriesLastSeen.objects.values_list())
        before = self.recount(project)

        alice.delete(f"{REPORTS}/{uuid}")

        assert set(SeriesLastSeen.objects.values_list()) == ledger
        assert self.recount(project) == before == 4
        for column in MetricColumn.objects.filter(report__uuid=uuid):
            numbers = [*column.values, *column.lower_values, *column.upper_values]
            assert set(numbers) == {None}
            assert len(numbers) == 3 * len(column.benchmark_ids)
        assert Report.objects.get(uuid=uuid).seen_at is not None
        assert alice.get(f"{REPORTS}/{others}").json()["results"][0][0]["measures"]

    def test_keeps_the_numbers_of_versions(self, alice: Caller, post: Post, uuid: str) -> None:
        alice.delete(f"{REPORTS}/{uuid}")

        later = post(report_body(bmf(1), end_time=clock.now(), hash="b" * 40)).json()
        again = post(report_body(bmf(1), end_time=clock.now(), hash="a" * 40)).json()

        assert later["branch"]["head"]["version"]["number"] == 1
        assert again["branch"]["head"]["version"]["number"] == 0

    def test_its_idempotency_key_stays_used(self, alice: Caller, post: Post) -> None:
        body = report_body(bmf(1), end_time=clock.now(), idempotency_key="run-1")
        uuid = post(body).json()["uuid"]
        alice.delete(f"{REPORTS}/{uuid}")

        response = post(body)

        assert response.status_code == 409
        assert "deleted" in response.json()["message"]

    def test_a_project_key_does_not_delete(self, ci: Caller, uuid: str) -> None:
        assert ci.delete(f"{REPORTS}/{uuid}").status_code == 403
        assert ci.get(f"{REPORTS}/{uuid}").status_code == 200

    def recount(self, project: Project) -> int:
        return recounting.recount(
            project.organization_id,
            start=NOV - timedelta(days=1000),
            end=clock.now() + timedelta(days=1),
            basis=Basis.ALL,
        ).billed
