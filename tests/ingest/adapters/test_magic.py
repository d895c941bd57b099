"""Magic: the first adapter that reads the text wins."""

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average


class TestParse:
    def test_says_what_is_wrong_with_json_that_nothing_reads(self) -> None:
        with pytest.raises(AdapterError, match=r"as Bencher Metric Format: .* `float`, got `str`"):
            registry.parse(Adapter.MAGIC, '{"bench": {"latency": {"value": "fast"}}}')

    def test_leaves_out_tools_that_do_not_report_the_average(self) -> None:
        text = "test a ... bench: 5 ns/iter (+/- 1)"
        assert registry.parse(Adapter.MAGIC, text, Average.MEDIAN)

        with pytest.raises(AdapterError, match="no adapter reads this text"):
            registry.parse(Adapter.MAGIC, text, Average.MEAN)

    @pytest.mark.parametrize("language", [a for a in Adapter if a.normalized is Adapter.MAGIC])
    def test_reads_any_tool_for_any_language(self, language: Adapter) -> None:
        assert registry.parse(language, "BenchmarkFib-8 1 5 ns/op").keys() == {"BenchmarkFib-8"}
