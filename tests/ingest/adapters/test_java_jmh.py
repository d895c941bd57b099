"""JMH."""

import json

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError
from tests.ingest.adapters.reading import measured


def _report(unit: str, score: object = 2.0, confidence: object = (1.0, 3.0)) -> str:
    primary = {"score": score, "scoreUnit": unit, "scoreConfidence": confidence}
    return json.dumps([{"benchmark": "a.B.c", "primaryMetric": primary, "mode": "avgt"}])


class TestParse:
    @pytest.mark.parametrize(
        ("unit", "scale"),
        [
            ("ns/op", 1.0),
            ("us/op", 1e3),
            ("ms/op", 1e6),
            ("s/op", 1e9),
            ("min/op", 60e9),
            ("hr/op", 3600e9),
            ("day/op", 86400e9),
        ],
    )
    def test_reads_time_per_operation_as_latency(self, unit: str, scale: float) -> None:
        assert measured(Adapter.JAVA_JMH, _report(unit)) == {
            "a.B.c": {"latency": (2 * scale, scale, 3 * scale)}
        }

    @pytest.mark.parametrize(
        ("unit", "scale"),
        [("ops/ns", 1e9), ("ops/us", 1e6), ("ops/ms", 1e3), ("ops/s", 1.0), ("ops/min", 1 / 60)],
    )
    def test_reads_operations_per_time_as_throughput(self, unit: str, scale: float) -> None:
        found = measured(Adapter.JAVA_JMH, _report(unit))

        assert found == {"a.B.c": {"throughput": pytest.approx((2 * scale, scale, 3 * scale))}}

    def test_reads_a_single_iteration_without_bounds(self) -> None:
        text = _report("ns/op", confidence=["NaN", "NaN"])

        assert measured(Adapter.JAVA_JMH, text) == {"a.B.c": {"latency": (2.0, None, None)}}

    @pytest.mark.parametrize("unit", ["", "/op", "ops/", "bytes", "parsec/op", "ops/parsec"])
    def test_refuses_other_units(self, unit: str) -> None:
        with pytest.raises(AdapterError, match="unknown"):
            registry.parse(Adapter.JAVA_JMH, _report(unit))

    @pytest.mark.parametrize("score", ["NaN", None, "2.0"])
    def test_refuses_a_score_that_is_no_number(self, score: object) -> None:
        with pytest.raises(AdapterError):
            registry.parse(Adapter.JAVA_JMH, _report("ns/op", score))
