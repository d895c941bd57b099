"""Accepting a report over HTTP, as CI does."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher import clock
from ingest.models import Branch, MetricColumn, Report, Version
from series import models as series_models
from series.models import (
    Benchmark,
    Measure,
    Project,
    SeriesLastSeen,
    Visibility,
)
from tests.factories import (
    NOV,
    bmf,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
    report_body,
)
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db

TABLES = (
    Report,
    MetricColumn,
    SeriesLastSeen,
    Benchmark,
    Measure,
    series_models.Testbed,
    Branch,
    Version,
)


def stored() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in TABLES}


class TestAccept:
    def test_stores_metrics_by_column_and_one_series_each(self, post: Post) -> None:
        end = clock.now() - timedelta(minutes=1)

        response = post(report_body(bmf(3, measures=("latency", "throughput")), end_time=end))

        assert response.status_code == 201, response.content
        assert response["X-New-Series"] == "6"
        assert stored() | {"Branch": 1, "Version": 1, "Testbed": 1} == stored()
        assert MetricColumn.objects.count() == 2
        assert set(SeriesLastSeen.objects.values_list("last_seen", flat=True)) == {end}

    def test_answers_with_the_report(self, post: Post, project: Project) -> None:
        response = post(
            report_body(bmf(2), end_time=clock.now(), branch="feature/x", hash="a" * 40)
        )

        report = response.json()
        assert report["project"]["slug"] == project.slug
        assert report["branch"]["name"] == "feature/x"
        assert report["branch"]["head"]["version"] == {"number": 0, "hash": "a" * 40}
        assert report["testbed"]["name"] == "ci"
        (iteration,) = report["results"]
        assert [row["benchmark"]["name"] for row in iteration] == ["bench_0", "bench_1"]
        assert iteration[1]["measures"][0]["metric"]["value"] == 1.5
        assert iteration[1]["measures"][0]["measure"]["units"] == "nanoseconds (ns)"
        assert report["counts"] == {
            "results": [{"benchmarks": 2, "measures": 1}],
            "alerts": {"active": 0, "total": 0},
        }
        assert response["Location"].endswith(report["uuid"])

    def test_iterations_and_branches_do_not_multiply_series(self, post: Post) -> None:
        end = clock.now() - timedelta(minutes=1)
        post(report_body(bmf(2), bmf(2), bmf(2), end_time=end))
        post(report_body(bmf(2), end_time=end, branch="feature"))

        assert SeriesLastSeen.objects.count() == 2
        assert MetricColumn.objects.count() == 4

    def test_last_seen_only_rises(self, post: Post) -> None:
        late = clock.now() - timedelta(minutes=1)
        post(report_body(bmf(1), end_time=late))
        post(report_body(bmf(1), end_time=late - timedelta(days=3)))

        assert SeriesLastSeen.objects.get().last_seen == late
        assert Report.objects.order_by("seen_at")[0].seen_at == late - timedelta(days=3)

    def test_a_future_end_counts_as_seen_on_receipt(self, post: Post) -> None:
        post(report_body(bmf(1), end_time=clock.now() + timedelta(minutes=4)))

        report = Report.objects.get()
        assert report.seen_at == report.received_at < report.end_time

    def test_statements_do_not_grow_with_the_report(
        self, post: Post, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        end = clock.now() - timedelta(minutes=1)
        post(report_body(bmf(2), end_time=end, hash="a" * 40))
        post(report_body(bmf(2000), end_time=end, hash="a" * 40))

        for benchmarks in (1, 2000):
            with django_assert_num_queries(14):
                post(report_body(bmf(benchmarks), end_time=end, hash="a" * 40))

    def test_a_wide_report_is_stored_in_parts(self, post: Post) -> None:
        response = post(report_body(bmf(2500), end_time=clock.now()))

        assert response["X-New-Series"] == "2500"
        parts = MetricColumn.objects.order_by("part").values_list("benchmark_ids__len", flat=True)
        assert list(parts) == [1000, 1000, 500]
        assert len(response.json()["results"][0]) == 2500

    def test_a_name_means_a_uuid_then_a_slug_then_a_name(self, post: Post) -> None:
        end = clock.now()
        post(report_body('{"Add Two": {"latency": {"value": 1}}}', end_time=end))
        known = Benchmark.objects.get()

        for name in (str(known.uuid), "add-two", "Add Two"):
            post(report_body(f'{{"{name}": {{"latency": {{"value": 1}}}}}}', end_time=end))

        assert Benchmark.objects.get() == known
        assert Report.objects.count() == 4

    def test_an_archived_benchmark_that_reports_is_in_use_again(self, post: Post) -> None:
        post(report_body(bmf(1), end_time=clock.now()))
        Benchmark.objects.update(archived_at=NOV)

        post(report_body(bmf(1), end_time=clock.now()))

        assert Benchmark.objects.get().archived_at is None

    def test_a_commit_is_one_version_and_no_commit_the_next(self, post: Post) -> None:
        for commit in ("a" * 40, "a" * 40, "b" * 40, None):
            post(report_body(bmf(1), end_time=clock.now(), hash=commit))

        assert [*Version.objects.order_by("number").values_list("number", "hash")] == [
            (0, "a" * 40),
            (1, "b" * 40),
            (2, ""),
        ]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "results of a wrong type": ({"results": "x"}, "$.results"),
    "no results": ({"results": []}, "$.results"),
    "a branch of a wrong type": ({"branch": 1}, "$.branch"),
    "a testbed name that is too long": ({"testbed": "x" * 65}, "testbed"),
    "an empty testbed": ({"testbed": ""}, "testbed"),
    "a NUL in the testbed": ({"testbed": "a\0b"}, "testbed"),
    "a branch of white space": ({"branch": " main"}, "branch"),
    "an unknown adapter": ({"settings": {"adapter": "abacus"}}, "$.settings.adapter"),
    "a hash that is none": ({"hash": "main"}, "$.hash"),
    "a time without a zone": ({"end_time": "2026-11-01T00:00:00"}, "$.end_time"),
    "an end before the start": ({"end_time": "2001-01-01T00:00:00Z"}, "end_time"),
    "an end ten minutes ahead": ({"end_time": "2999-01-01T00:00:00Z"}, "end_time"),
    "a sample that is not JSON": ({"results": ["{"]}, ""),
    "a NaN": ({"results": ['{"a": {"latency": {"value": NaN}}}']}, ""),
    "an infinity": ({"results": ['{"a": {"latency": {"value": 1e999}}}']}, "a"),
    "a benchmark name that is too long": (
        {"results": ['{"' + "x" * 1025 + '": {"latency": {"value": 1}}}']},
        "x",
    ),
    "a sample of another tool": (
        {"results": ["{}"], "settings": {"adapter": "python_pytest"}},
        "",
    ),
    "one benchmark under two names": (
        {"results": ['{"bench_0": {"l": {"value": 1}}, "bench-0": {"l": {"value": 2}}}']},
        "bench",
    ),
}


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    def test_names_the_field_and_stores_nothing(self, post: Post, name: str) -> None:
        changes, field = REFUSED[name]
        post(report_body(bmf(1), end_time=clock.now()))
        before = stored()

        response = post(report_body(bmf(1), end_time=clock.now()) | changes)

        assert response.status_code == 400, response.content
        assert field in response.json()["message"]
        assert response.json()["request_id"] == response["X-Request-Id"].replace("-", "")
        assert stored() == before

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"branch": NaN}', b"[" * 100000])
    def test_refuses_what_is_not_a_report(self, post: Post, project: Project, body: bytes) -> None:
        key = make_project_key(project)

        response = Client().post(
            f"/v0/projects/{project.slug}/reports",
            body,
            content_type="application/json",
            headers={"authorization": f"Bearer {key}"},
        )

        assert response.status_code == 400
        assert stored()["Report"] == 0

    def test_refuses_more_than_the_limit(self, post: Post, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.INGEST_MAX_BYTES = 1000

        response = post(report_body(bmf(100), end_time=clock.now()))

        assert response.status_code == 413
        assert "1000 bytes" in response.json()["message"]


class TestPermissions:
    def url(self, project: Project) -> str:
        return f"/v0/projects/{project.slug}/reports"

    def send(self, project: Project, credential: str | None) -> int:
        headers = {"authorization": f"Bearer {credential}"} if credential else {}
        body = report_body(bmf(1), end_time=clock.now())
        response = Client(headers=headers).post(
            self.url(project), body, content_type="application/json"
        )
        assert set(response.json()) >= ({"message"} if response.status_code >= 400 else {"uuid"})
        return response.status_code

    @pytest.mark.parametrize("visibility", Visibility)
    def test_who_may_report(self, visibility: Visibility) -> None:
        alice, bob, charlie = make_user("alice"), make_user("bob"), make_user("charlie")
        acme = make_organization("Acme", leader=alice)
        globex = make_organization("Globex", leader=charlie)
        project = make_project("Engine", organization=acme, visibility=visibility)
        other = make_project("Other", organization=acme, visibility=visibility)
        foreign = make_project("Foreign", organization=globex, visibility=visibility)
        outside = 404 if visibility == Visibility.PRIVATE else 403

        assert self.send(project, make_project_key(project)) == 201
        assert self.send(project, make_user_key(alice)) == 201
        assert self.send(project, make_user_key(bob)) == outside
        assert self.send(project, make_user_key(charlie)) == outside
        assert self.send(project, make_project_key(other)) == outside
        assert self.send(project, make_project_key(foreign)) == outside
        # Without a key a private project does not exist; a public one asks for a key.
        assert self.send(project, None) == (401 if visibility == Visibility.PUBLIC else 404)
        assert self.send(project, "bencher_run_" + "x" * 30) == 401
        assert self.send(project, "nonsense") == 401
        assert Report.objects.count() == 2

    def test_a_revoked_key_is_no_key(self, project: Project) -> None:
        key = make_project_key(project)
        project.keys.update(revoked_at=NOV)

        assert self.send(project, key) == 401

    def test_a_private_project_needs_a_plan_that_covers_it(self, project: Project) -> None:
        project.organization.private_until = clock.now()
        project.organization.save(update_fields=["private_until"])

        assert self.send(project, make_project_key(project)) == 402
        assert Report.objects.count() == 0

    def test_a_public_project_needs_none(self, project: Project) -> None:
        project.organization.private_until = NOV
        project.organization.save(update_fields=["private_until"])
        Project.objects.update(visibility=Visibility.PUBLIC)

        assert self.send(project, make_project_key(project)) == 201


class TestIdempotency:
    def test_a_repeat_returns_the_first_report_and_writes_nothing(self, post: Post) -> None:
        body = report_body(bmf(1), end_time=clock.now(), idempotency_key="run-1")
        first = post(body)
        before = stored()

        again = post(body)

        assert (again.status_code, again.json()["uuid"]) == (201, first.json()["uuid"])
        assert stored() == before

    def test_the_same_key_with_another_body_is_a_conflict(self, post: Post) -> None:
        post(report_body(bmf(1), end_time=clock.now(), idempotency_key="run-1"))
        before = stored()

        response = post(report_body(bmf(2), end_time=clock.now(), idempotency_key="run-1"))

        assert response.status_code == 409
        assert stored() == before
