"""hyperfine."""

import json
from typing import Any

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError
from tests.ingest.adapters.reading import latencies


def _report(**fields: Any) -> str:
    result = {"command": "ls", "mean": 2.0, "stddev": 0.5, "median": 2.0, "min": 1.0, "max": 3.0}
    return json.dumps({"results": [{**result, **fields}]})


class TestParse:
    def test_reads_a_single_run_without_bounds(self) -> None:
        assert latencies(Adapter.SHELL_HYPERFINE, _report(stddev=None)) == {"ls": (2e9, None, None)}

    def test_strips_a_command_that_was_written_over_lines(self) -> None:
        text = _report(command="\n  a &&\n  b\n")

        assert latencies(Adapter.SHELL_HYPERFINE, text).keys() == {"a &&\n  b"}

    @pytest.mark.parametrize("mean", [None, "2.0", True])
    def test_refuses_a_mean_that_is_no_number(self, mean: object) -> None:
        with pytest.raises(AdapterError):
            registry.parse(Adapter.SHELL_HYPERFINE, _report(mean=mean))

    def test_refuses_a_report_without_results(self) -> None:
        with pytest.raises(AdapterError, match="no benchmark found"):
            registry.parse(Adapter.SHELL_HYPERFINE, '{"results": []}')
