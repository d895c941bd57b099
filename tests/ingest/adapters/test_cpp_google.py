"""Google Benchmark."""

import json
from typing import Any

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError
from tests.ingest.adapters.reading import latencies


def _report(*benchmarks: dict[str, Any]) -> str:
    return json.dumps({"context": {}, "benchmarks": benchmarks})


def _entry(name: str, real_time: float, **fields: Any) -> dict[str, Any]:
    return {"name": name, "real_time": real_time, "time_unit": "us", **fields}


class TestParse:
    @pytest.mark.parametrize(("unit", "scale"), [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)])
    def test_reads_every_unit(self, unit: str, scale: float) -> None:
        text = _report(_entry("BM", 2.0, time_unit=unit))

        assert latencies(Adapter.CPP_GOOGLE, text) == {"BM": (2.0 * scale, None, None)}

    def test_refuses_an_unknown_unit(self) -> None:
        with pytest.raises(AdapterError, match="unknown time unit"):
            registry.parse(Adapter.CPP_GOOGLE, _report(_entry("BM", 2.0, time_unit="fortnight")))

    @pytest.mark.parametrize("fault", ["error_occurred", "skipped"])
    def test_leaves_out_what_failed_or_was_skipped(self, fault: str) -> None:
        text = _report(_entry("BM_bad", 0.0, **{fault: True}), _entry("BM_good", 1.0))

        assert latencies(Adapter.CPP_GOOGLE, text).keys() == {"BM_good"}

    def test_takes_the_mean_and_the_deviation_of_repetitions(self) -> None:
        aggregate = {"run_name": "BM", "run_type": "aggregate"}
        text = _report(
            _entry("BM", 1.0, run_name="BM"),
            _entry("BM", 5.0, run_name="BM"),
            _entry("BM_mean", 3.0, aggregate_name="mean", **aggregate),
            _entry("BM_median", 9.0, aggregate_name="median", **aggregate),
            _entry("BM_stddev", 2.0, aggregate_name="stddev", **aggregate),
            _entry("BM_cv", 0.6, aggregate_name="cv", **aggregate),
        )

        assert latencies(Adapter.CPP_GOOGLE, text) == {"BM": (3000.0, 1000.0, 5000.0)}

    def test_passes_over_not_a_number_in_counters_only(self) -> None:
        text = '{"context": {}, "benchmarks": [{"name": "BM", "real_time": %s, "rate": NaN}]}'

        assert latencies(Adapter.CPP_GOOGLE, text % "1.5") == {"BM": (1.5, None, None)}
        with pytest.raises(AdapterError, match="'BM': latency is not a finite number"):
            registry.parse(Adapter.CPP_GOOGLE, text % "NaN")
