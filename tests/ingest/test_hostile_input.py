"""What a sender may try: nothing becomes a 500, and nothing is half stored."""

from typing import Any

import pytest
from django.test import Client

from bencher import clock
from ingest.models import Report
from series.models import Benchmark, Project
from tests.factories import bmf, make_project_key, report_body
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db

FORTY = "a" * 40
CHANGES: dict[str, dict[str, Any]] = {
    "a NUL in the idempotency key": {"idempotency_key": "a\0b"},
    "a hash and a newline": {"hash": FORTY + "\n"},
    "a long hash and a newline": {"hash": "a" * 64 + "\n"},
    "a start before the year 1 in UTC": {"start_time": "0001-01-01T00:00:00+14:00"},
    "times in the year 1": {
        "start_time": "0001-01-01T00:00:00Z",
        "end_time": "0001-01-01T00:00:01Z",
    },
    "an offset of a day": {"end_time": "2026-11-01T00:00:00+23:59"},
    "a leap second": {"end_time": "2016-12-31T23:59:60Z"},
    "the last instant": {"end_time": "9999-12-31T23:59:59.999999-14:00"},
    "an integer beyond a float": {"results": ['{"a": {"l": {"value": ' + "9" * 400 + "}}}"]},
    "a lone surrogate in a name": {"results": ['{"\\ud800": {"l": {"value": 1}}}']},
    "a NUL in a name": {"results": ['{"a\\u0000b": {"l": {"value": 1}}}']},
    "a deep nest": {"results": ["[" * 50_000]},
    "a duplicate key": {"results": ['{"a": {"l": {"value": 1}}, "a": {"l": {"value": 2}}}']},
    "an empty sample": {"results": [""]},
}


class TestHostileBodies:
    @pytest.mark.parametrize("name", CHANGES)
    def test_are_refused_or_stored_whole(self, post: Post, name: str) -> None:
        response = post(report_body(bmf(1), end_time=clock.now()) | CHANGES[name])

        assert response.status_code in (201, 400), response.content
        assert Report.objects.count() == (response.status_code == 201)
        for report in Report.objects.all():
            assert report.start_time <= report.end_time
            assert report.version.hash == report.version.hash.strip()

    @pytest.mark.parametrize(
        "name",
        [
            "a NUL in the idempotency key",
            "a hash and a newline",
            "a long hash and a newline",
            "a start before the year 1 in UTC",
        ],
    )
    def test_what_cannot_be_stored_is_400(self, post: Post, name: str) -> None:
        response = post(report_body(bmf(1), end_time=clock.now()) | CHANGES[name])

        assert response.status_code == 400, response.content
        (field, *_) = CHANGES[name]
        assert field in response.json()["message"]

    def test_a_name_of_1024_bytes_fits_the_index(self, post: Post) -> None:
        name = "\N{CHEQUERED FLAG}" * 256
        body = report_body(f'{{"{name}": {{"latency": {{"value": 1}}}}}}', end_time=clock.now())

        assert post(body).status_code == 201
        assert Benchmark.objects.get().name == name

    def test_names_without_a_slug_get_one_each(self, post: Post) -> None:
        body = report_body(
            '{"!!!": {"latency": {"value": 1}}, "???": {"latency": {"value": 1}}}',
            end_time=clock.now(),
        )

        assert post(body).status_code == 201
        assert Benchmark.objects.count() == 2
        assert "" not in Benchmark.objects.values_list("slug", flat=True)

    def test_a_sample_that_cannot_be_read_names_its_place(self, post: Post) -> None:
        response = post(report_body(bmf(1), "{", end_time=clock.now()))

        assert response.status_code == 400
        assert "results[1]" in response.json()["message"]


class TestHostileRequests:
    @pytest.fixture
    def client(self, project: Project) -> Client:
        return Client(headers={"authorization": f"Bearer {make_project_key(project)}"})

    def test_a_nul_in_the_path_is_404(self, client: Client) -> None:
        response = client.post("/v0/projects/%00/reports", {}, content_type="application/json")

        assert response.status_code == 404

    @pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", ""])
    def test_the_body_counts_and_not_its_type(
        self, client: Client, project: Project, content_type: str
    ) -> None:
        response = client.generic(
            "POST",
            f"/v0/projects/{project.slug}/reports",
            b"not json",
            content_type=content_type,
        )

        assert response.status_code in (400, 415)

    @pytest.mark.parametrize(
        "credential", ["Bearer", "Bearer ", "Bearer \xff", "Basic eDp5", "bearer bencher_run_"]
    )
    def test_odd_credentials_are_401(self, project: Project, credential: str) -> None:
        response = Client().post(
            f"/v0/projects/{project.slug}/reports",
            {},
            content_type="application/json",
            headers={"authorization": credential},
        )

        assert response.status_code in (401, 404)
