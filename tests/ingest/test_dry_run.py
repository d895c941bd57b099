"""What a report would add, asked before it is sent."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bencher import clock
from series.models import Project
from tests.factories import NOV, bmf, report_body
from tests.ingest.conftest import Caller, Post
from tests.ingest.test_reports import REFUSED, stored

pytestmark = pytest.mark.django_db

DRY = "projects/engine/reports?dry_run=true"


def names(response: Any) -> list[tuple[str, str, str]]:
    assert response.status_code == 200, response.content
    answer = response.json()
    assert response["X-New-Series"] == str(answer["new_series"])
    return [(row["testbed"], row["benchmark"], row["measure"]) for row in answer["series"]]


class TestPreview:
    def test_tells_what_is_new_and_stores_nothing(self, ci: Caller, post: Post) -> None:
        post(report_body(bmf(2), end_time=clock.now()))
        before = stored()
        sent = report_body(bmf(3, measures=("latency", "Memory")), end_time=clock.now())

        found = names(ci.post(DRY, sent))

        assert found == [
            ("ci", "bench_0", "Memory"),
            ("ci", "bench_1", "Memory"),
            ("ci", "bench_2", "Latency"),
            ("ci", "bench_2", "Memory"),
        ]
        assert stored() == before
        assert post(sent)["X-New-Series"] == "4"
        assert names(ci.post(DRY, sent)) == []

    def test_on_a_new_testbed_everything_is_new(self, ci: Caller, post: Post) -> None:
        post(report_body(bmf(2), end_time=clock.now()))

        found = names(ci.post(DRY, report_body(bmf(2), end_time=clock.now(), testbed="Lab")))

        assert found == [("Lab", "bench_0", "Latency"), ("Lab", "bench_1", "Latency")]

    def test_iterations_and_other_names_of_one_measure_do_not_multiply(self, ci: Caller) -> None:
        one = '{"a": {"latency": {"value": 1}}}'
        other = '{"a": {"Latency": {"value": 1}}}'
        sent = report_body(one, other, one, end_time=clock.now())

        assert names(ci.post(DRY, sent)) == [("ci", "a", "Latency")]

    def test_shows_the_first_of_many_and_counts_all(self, ci: Caller) -> None:
        response = ci.post(DRY, report_body(bmf(400), end_time=clock.now()))

        assert response["X-New-Series"] == "400"
        assert len(names(response)) == 255

    @pytest.mark.parametrize("name", REFUSED)
    def test_refuses_what_would_be_refused(self, ci: Caller, post: Post, name: str) -> None:
        post(report_body(bmf(1), end_time=clock.now()))
        changes, field = REFUSED[name]

        response = ci.post(DRY, report_body(bmf(1), end_time=clock.now()) | changes)

        # Names that mean one thing only once they are stored are found out by storing them.
        if name != "one benchmark under two names":
            assert response.status_code == 400
            assert field in response.json()["message"]

    def test_refuses_names_that_mean_one_known_benchmark(self, ci: Caller, post: Post) -> None:
        post(report_body('{"Add Two": {"l": {"value": 1}}}', end_time=clock.now()))
        twice = '{"Add Two": {"l": {"value": 1}}, "add-two": {"l": {"value": 1}}}'

        assert ci.post(DRY, report_body(twice, end_time=clock.now())).status_code == 400

    def test_refuses_without_plan_or_permission(self, ci: Caller, project: Project) -> None:
        sent = report_body(bmf(1), end_time=clock.now())
        missing = "5aba59e1-9202-4819-b2a2-7b656e160122"

        assert Caller(None).post(DRY, sent).status_code == 404
        assert ci.post(DRY, sent | {"branch": missing}).status_code == 404
        assert ci.post(DRY, sent | {"testbed": missing}).status_code == 404
        project.organization.private_until = NOV
        project.organization.save(update_fields=["private_until"])
        assert ci.post(DRY, sent).status_code == 402

    def test_a_used_key_adds_nothing_or_conflicts(self, ci: Caller, post: Post) -> None:
        sent = report_body(bmf(1), end_time=clock.now(), idempotency_key="run-1")
        post(sent)

        assert names(ci.post(DRY, sent)) == []
        assert ci.post(DRY, sent | {"branch": "other"}).status_code == 409

    def test_of_a_run_makes_no_project(self, alice: Caller) -> None:
        sent = report_body(bmf(2), end_time=clock.now(), project="rocket")

        assert len(names(alice.post("run?dry_run=true", sent))) == 2
        assert Project.objects.count() == 1

    def test_only_reads_and_opens_no_transaction(self, ci: Caller, post: Post) -> None:
        sent = report_body(bmf(2), end_time=clock.now())
        post(sent)

        with CaptureQueriesContext(connection) as captured:
            ci.post(DRY, sent | {"branch": "new", "testbed": "new"})

        statements = [query["sql"].strip() for query in captured]
        assert all(sql.startswith("SELECT") for sql in statements)
        assert not any("advisory" in sql or "FOR " in sql for sql in statements)
