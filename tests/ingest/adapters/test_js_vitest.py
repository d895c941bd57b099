"""Vitest."""

import json
from typing import Any

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average
from tests.ingest.adapters.reading import measured


def _report(group: str, **benchmark: Any) -> str:
    fields = {"name": "b", "hz": 10.0, "rme": 50.0, "mean": 2.0, "sd": 1.0, "median": 3.0}
    groups = [{"fullName": group, "benchmarks": [{**fields, **benchmark}]}]
    return json.dumps({"files": [{"filepath": "x", "groups": groups}]})


class TestParse:
    def test_reads_the_median_without_bounds(self) -> None:
        assert measured(Adapter.JS_VITEST, _report("f > s"), Average.MEDIAN) == {
            "f > s > b": {"latency": (3e6, None, None), "throughput": (10.0, 5.0, 15.0)}
        }

    def test_names_a_benchmark_without_a_group_alone(self) -> None:
        assert measured(Adapter.JS_VITEST, _report("")).keys() == {"b"}

    def test_reads_without_bounds_what_has_no_spread(self) -> None:
        assert measured(Adapter.JS_VITEST, _report("", sd=None, rme=None)) == {
            "b": {"latency": (2e6, None, None), "throughput": (10.0, None, None)}
        }

    @pytest.mark.parametrize("missing", ["mean", "hz"])
    def test_leaves_out_benchmarks_that_threw(self, missing: str) -> None:
        with pytest.raises(AdapterError, match="no benchmark found"):
            registry.parse(Adapter.JS_VITEST, _report("", **{missing: None}))
