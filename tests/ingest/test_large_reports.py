"""A report of ten thousand benchmarks is taken and answered in bounded memory."""

import tracemalloc
from datetime import datetime

import msgspec
import pytest

from bencher import clock
from ingest.models import MetricColumn
from series.models import Visibility
from tests.factories import (
    bmf,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    report_body,
)
from tests.ingest.conftest import Caller

MEASURES = ("latency", "throughput", "Memory Peak")
MAX_BYTES = 96 * 1024 * 1024


def large(end_time: datetime) -> bytes:
    return msgspec.json.encode(report_body(bmf(10_000, measures=MEASURES), end_time=end_time))


class TestTenThousandBenchmarks:
    @pytest.fixture
    def ci(self, committed_db: str) -> Caller:
        """Return CI of a project in a database in which reports are committed."""
        acme = make_organization("Acme", leader=make_user("alice"))
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        return Caller(make_project_key(project))

    def test_are_taken_and_read_back_in_bounded_memory(self, ci: Caller) -> None:
        body = large(clock.now())
        tracemalloc.start()
        try:
            response = ci.client.post(
                "/v0/projects/engine/reports", body, content_type="application/json"
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert response["X-New-Series"] == "30000"
        assert peak < MAX_BYTES
        assert MetricColumn.objects.count() == 30
        read = ci.client.get(response["Location"])
        assert read.content == response.content
