"""pytest-benchmark."""

import json

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError
from tests.ingest.adapters.reading import latencies

REPORT = {
    "machine_info": {},
    "commit_info": {},
    "benchmarks": [
        {
            "fullname": "t.py::test",
            "stats": {"mean": 2.0, "stddev": 0.5, "median": 1.0, "iqr": 0.0, "ops": 0.5},
        }
    ],
}


class TestParse:
    def test_reads_seconds_as_nanoseconds(self) -> None:
        assert latencies(Adapter.PYTHON_PYTEST, json.dumps(REPORT)) == {
            "t.py::test": (2e9, 1.5e9, 2.5e9)
        }

    @pytest.mark.parametrize("field", ["machine_info", "commit_info", "benchmarks"])
    def test_refuses_a_report_of_another_tool(self, field: str) -> None:
        report = {key: value for key, value in REPORT.items() if key != field}

        with pytest.raises(AdapterError, match=field):
            registry.parse(Adapter.PYTHON_PYTEST, json.dumps(report))
