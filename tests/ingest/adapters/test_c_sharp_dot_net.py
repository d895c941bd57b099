"""BenchmarkDotNet."""

import json
from typing import Any

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average
from tests.ingest.adapters.reading import latencies, measured

STATISTICS = {"Mean": 10.0, "Median": 9.0, "StandardDeviation": 2.0, "InterquartileRange": 3.0}


def _report(**fields: Any) -> str:
    benchmark = {"Namespace": "N", "Method": "M", "Statistics": STATISTICS, **fields}
    return json.dumps({"Title": "T", "Benchmarks": [benchmark]})


class TestParse:
    def test_reads_either_average_with_its_spread(self) -> None:
        assert latencies(Adapter.C_SHARP_DOT_NET, _report()) == {"N.M": (10.0, 8.0, 12.0)}
        assert latencies(Adapter.C_SHARP_DOT_NET, _report(), Average.MEDIAN) == {
            "N.M": (9.0, 6.0, 12.0)
        }

    @pytest.mark.parametrize("namespace", ["", None])
    def test_names_a_method_outside_of_namespaces_alone(self, namespace: str | None) -> None:
        assert latencies(Adapter.C_SHARP_DOT_NET, _report(Namespace=namespace)).keys() == {"M"}

    def test_reads_only_the_memory_that_was_measured(self) -> None:
        memory = {"BytesAllocatedPerOperation": None, "Gen0Collections": 1, "TotalOperations": 5}

        assert measured(Adapter.C_SHARP_DOT_NET, _report(Memory=memory))["N.M"] == {
            "latency": (10.0, 8.0, 12.0),
            "gen0-collects": (1.0, None, None),
            "total-operations": (5.0, None, None),
        }

    def test_leaves_out_failed_benchmarks(self) -> None:
        with pytest.raises(AdapterError, match="no benchmark found"):
            registry.parse(Adapter.C_SHARP_DOT_NET, _report(Statistics=None))

    def test_passes_over_bare_nan_as_older_versions_write_it(self) -> None:
        text = _report(Statistics={**STATISTICS, "StandardDeviation": float("nan"), "Skewness": 0})
        assert "NaN" in text

        assert latencies(Adapter.C_SHARP_DOT_NET, text) == {"N.M": (10.0, None, None)}
