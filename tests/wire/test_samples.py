"""Every sample of a tool's output, posted and read back over HTTP, has its expected values."""

from pathlib import Path
from typing import Any

import pytest

from bencher import clock
from ingest.adapters.registry import Adapter
from ingest.models import Report
from tests.factories import report_body
from tests.ingest.adapters import test_samples as parsing
from tests.ingest.conftest import Caller

pytestmark = pytest.mark.django_db


class TestSample:
    @pytest.mark.parametrize(("sample", "setting", "expected"), parsing._cases())
    def test_is_read_back_as_expected(
        self, ci: Caller, sample: Path, setting: str, expected: dict[str, Any]
    ) -> None:
        settings = {"adapter": expected["adapter"]}
        if setting != "default":
            settings["average"] = setting
        body = report_body(sample.read_bytes().decode(), end_time=clock.now(), settings=settings)

        posted = ci.post("projects/engine/reports", body)

        if not expected["parses"]:
            assert posted.status_code == 400
            assert not Report.objects.exists()
            return
        assert posted.status_code == 201, posted.content[:500]
        report = ci.get(f"projects/engine/reports/{posted.json()['uuid']}").json()
        assert report == posted.json()
        assert report["adapter"] == Adapter(expected["adapter"]).normalized
        _assert_as_expected(report["results"], expected)


def _assert_as_expected(results: list[list[dict[str, Any]]], expected: dict[str, Any]) -> None:
    rows = {row["benchmark"]["name"]: row["measures"] for row in (results or [[]])[0]}
    assert len(rows) == expected["count"]
    for benchmark, measures in expected["benchmarks"].items():
        found = {measured["measure"]["slug"]: measured for measured in rows[benchmark]}
        if measures:
            assert found.keys() == measures.keys()
        for measure, numbers in measures.items():
            metric = found[measure]["metric"]
            read = [metric["value"], metric["lower_value"], metric["upper_value"]]
            assert [number is None for number in read] == [number is None for number in numbers]
            # Whoever wrote the expectations read some floats a bit off in the last place.
            assert list(filter(None, read)) == pytest.approx(
                list(filter(None, numbers)), rel=1e-15, abs=0
            )
            assert found[measure]["measure"]["units"] != "Measure (units)"
