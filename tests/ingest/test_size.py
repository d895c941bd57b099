"""How much one report may hold."""

from typing import Any

import pytest

from bencher import clock
from ingest.models import Report
from tests.factories import bmf, report_body
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db


class TestCheck:
    @pytest.mark.parametrize(
        ("setting", "most", "results", "named"),
        [
            ("BENCHMARKS", 4, [bmf(3), bmf(5)], "5 benchmarks"),
            ("MEASURES", 1, [bmf(1, measures=("latency", "throughput"))], "2 measures"),
            ("METRICS", 5, [bmf(3), bmf(3)], "6 metrics"),
        ],
    )
    def test_refuses_more_and_stores_nothing(
        self, post: Post, settings: Any, setting: str, most: int, results: list[str], named: str
    ) -> None:
        setattr(settings, f"INGEST_MAX_{setting}", most)

        response = post(report_body(*results, end_time=clock.now()))

        assert response.status_code == 400
        assert named in response.json()["message"]
        assert Report.objects.count() == 0

    def test_takes_exactly_as_much(self, post: Post, settings: Any) -> None:
        settings.INGEST_MAX_BENCHMARKS, settings.INGEST_MAX_METRICS = 3, 6

        assert post(report_body(bmf(3), bmf(3), end_time=clock.now())).status_code == 201
