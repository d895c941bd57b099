"""The registry: names, numbers, averages, and what is checked for every adapter."""

import json

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average, Metric

CODES = """
    magic 0, json 10, rust 20, rust_bench 21, rust_criterion 22, rust_iai 23, rust_gungraun 24,
    rust_gungraun_stdout 25, rust_gungraun_json 26, cpp 30, cpp_google 31, cpp_catch2 32, go 40,
    go_bench 41, java 50, java_jmh 51, c_sharp 60, c_sharp_dot_net 61, js 70, js_benchmark 71,
    js_time 72, js_vitest 73, python 80, python_asv 81, python_pytest 82, ruby 90,
    ruby_benchmark 91, shell 100, shell_hyperfine 101, dart 110, dart_benchmark_harness 111
"""

MEAN_ONLY = {"cpp_google", "cpp_catch2", "go_bench", "java_jmh", "rust_criterion"} | {
    "dart_benchmark_harness"
}
MEDIAN_ONLY = {"rust_bench", "python_asv", "js_benchmark"}
NEITHER = {"js_time", "ruby_benchmark", "rust_iai", "rust_gungraun"} | {
    "rust_gungraun_stdout",
    "rust_gungraun_json",
}


def _bmf(name: str = "a", measure: str = "latency", value: str = "1") -> str:
    return f'{{{json.dumps(name)}: {{{json.dumps(measure)}: {{"value": {value}}}}}}}'


class TestAdapter:
    def test_has_the_published_names_and_numbers(self) -> None:
        published = [entry.split() for entry in CODES.split(",")]

        assert {str(adapter): adapter.code for adapter in Adapter} == {
            name: int(code) for name, code in published
        }

    def test_is_found_again_by_its_number(self) -> None:
        assert [Adapter.from_code(adapter.code) for adapter in Adapter] == list(Adapter)

    def test_reads_the_former_name_of_gungraun(self) -> None:
        assert Adapter("rust_iai_callgrind") is Adapter.RUST_GUNGRAUN

    @pytest.mark.parametrize("name", ["", "MAGIC", "perl", " magic"])
    def test_refuses_other_names(self, name: str) -> None:
        with pytest.raises(ValueError, match="is not a valid Adapter"):
            Adapter(name)

    def test_normalizes_bare_languages_to_magic(self) -> None:
        languages = {adapter for adapter in Adapter if adapter.code % 10 == 0} - {Adapter.JSON}

        assert {adapter.normalized for adapter in languages} == {Adapter.MAGIC}
        for adapter in set(Adapter) - languages:
            assert adapter.normalized is adapter


class TestAverages:
    @pytest.mark.parametrize("adapter", [a for a in Adapter if a.normalized is not Adapter.MAGIC])
    @pytest.mark.parametrize("average", Average)
    def test_only_what_the_tool_reports_is_accepted(
        self, adapter: Adapter, average: Average
    ) -> None:
        refused = NEITHER | (MEDIAN_ONLY if average is Average.MEAN else MEAN_ONLY)

        with pytest.raises(AdapterError) as refusal:
            registry.parse(adapter, "no tool's output", average)

        assert ("does not report" in str(refusal.value)) == (adapter in refused)


class TestParse:
    def test_reads_an_empty_report_in_the_own_format(self) -> None:
        assert registry.parse(Adapter.JSON, "{}") == {}
        assert registry.parse(Adapter.MAGIC, " {} ") == {}

    def test_passes_over_a_byte_order_mark(self) -> None:
        assert registry.parse(Adapter.JSON, "\ufeff" + _bmf()) == {"a": {"latency": Metric(1.0)}}

    def test_keeps_the_suffix_that_silences_alerts(self) -> None:
        assert list(registry.parse(Adapter.JSON, _bmf("a_bencher_ignore"))) == ["a_bencher_ignore"]

    @pytest.mark.parametrize("name", ["x", "x" * 1024, "µ" * 512, "a\tb", "\\", '"', "名" * 341])
    def test_keeps_any_other_name(self, name: str) -> None:
        assert list(registry.parse(Adapter.JSON, _bmf(name))) == [name]

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            ("", "is empty"),
            (" a", "white space"),
            ("a\n", "white space"),
            ("\u2003a", "white space"),
            ("a\0b", "NUL"),
            ("x" * 1025, "1025 bytes"),
            ("µ" * 513, "1026 bytes"),
        ],
    )
    def test_refuses_names_that_cannot_be_stored(self, name: str, fault: str) -> None:
        with pytest.raises(AdapterError, match=fault):
            registry.parse(Adapter.JSON, _bmf(name))

    @pytest.mark.parametrize("measure", ["", " m", "m" * 65, "µ" * 33, "a\0"])
    def test_refuses_measures_that_cannot_be_stored(self, measure: str) -> None:
        with pytest.raises(AdapterError, match="benchmark 'slow one': measure name"):
            registry.parse(Adapter.JSON, _bmf("slow one", measure))

    def test_names_the_benchmark_whose_value_left_the_range_of_a_float(self) -> None:
        line = f"BenchmarkHuge-8 1 {'9' * 400} ns/op"

        with pytest.raises(AdapterError, match="'BenchmarkHuge-8': latency is not a finite"):
            registry.parse(Adapter.GO_BENCH, line)

    @pytest.mark.parametrize("value", ["1e308", "-1e308"])
    def test_names_the_benchmark_whose_bound_left_the_range_of_a_float(self, value: str) -> None:
        line = f"test huge ... bench: {value} ns/iter (+/- 1e308)"

        with pytest.raises(AdapterError, match="'huge': latency is not a finite"):
            registry.parse(Adapter.RUST_BENCH, line)

    @pytest.mark.parametrize("adapter", Adapter)
    @pytest.mark.parametrize("text", ["", "\n", "[]", "null", "no benchmarks here", "\ud800", "\0"])
    def test_refuses_what_holds_no_benchmark(self, adapter: Adapter, text: str) -> None:
        with pytest.raises(AdapterError):
            registry.parse(adapter, text)
