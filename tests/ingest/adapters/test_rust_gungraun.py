"""gungraun: console output, JSON summaries, and either."""

import json

import pytest

from ingest.adapters import builtin_measures, gungraun_measures, registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError
from tests.ingest.adapters.reading import measured

STDOUT = "m::group::bench id:1\n  Instructions:     7|9       (-22.2%) [-1.28571x]\n"


def _summary(metrics: object, *, id: str | None = "one", tool: str = "Callgrind") -> str:
    profile = {"tool": tool, "summaries": {"total": {"summary": metrics}}}
    return json.dumps({"module_path": "m::bench", "id": id, "profiles": [profile]})


class TestStdout:
    def test_reads_the_new_of_two_runs(self) -> None:
        assert measured(Adapter.RUST_GUNGRAUN_STDOUT, STDOUT) == {
            "m::group::bench id:1": {"instructions": (7.0, None, None)}
        }

    @pytest.mark.parametrize("tool", ["MEMCHECK", "HELGRIND", "DRD"])
    def test_tells_the_errors_of_one_tool_from_those_of_another(self, tool: str) -> None:
        text = f"m::bench\n  ======= {tool} ====\n  Errors:    2|N/A    (*********)\n"

        assert measured(Adapter.RUST_GUNGRAUN_STDOUT, text) == {
            "m::bench": {f"{tool.lower()}-errors": (2.0, None, None)}
        }

    def test_forgets_the_tool_at_the_next_benchmark(self) -> None:
        text = "m::first\n  ======= DRD ====\n  Errors:    2|N/A\nm::second\n  Dr:    3|N/A\n"

        assert measured(Adapter.RUST_GUNGRAUN_STDOUT, text) == {
            "m::first": {"drd-errors": (2.0, None, None)},
            "m::second": {"dr": (3.0, None, None)},
        }

    def test_passes_over_numbers_it_does_not_know(self) -> None:
        text = STDOUT + "  Bogus:  1|2\n  Errors:  3|4\n  Command:  target/a|b\n"

        assert measured(Adapter.RUST_GUNGRAUN_STDOUT, text).keys() == {"m::group::bench id:1"}

    def test_passes_over_indented_text_below_other_lines(self) -> None:
        text = "warning: unused m::x\n  Instructions:   1|2\n\n" + STDOUT

        assert measured(Adapter.RUST_GUNGRAUN_STDOUT, text).keys() == {"m::group::bench id:1"}


class TestJson:
    def test_reads_the_new_of_two_runs(self) -> None:
        text = _summary({"Callgrind": {"Ir": {"metrics": {"Both": [{"Int": 3}, {"Int": 4}]}}}})

        assert measured(Adapter.RUST_GUNGRAUN_JSON, text) == {
            "m::bench::one": {"instructions": (3.0, None, None)}
        }

    def test_passes_over_what_only_the_old_run_measured(self) -> None:
        new, old = {"metrics": {"Left": {"Int": 1}}}, {"metrics": {"Right": {"Int": 2}}}

        text = _summary({"Callgrind": {"Ir": new, "Dr": old}}, id=None)

        assert measured(Adapter.RUST_GUNGRAUN_JSON, text) == {
            "m::bench": {"instructions": (1.0, None, None)}
        }

    def test_accepts_tools_that_count_nothing(self) -> None:
        text = _summary("None", tool="Massif")

        assert measured(Adapter.RUST_GUNGRAUN_JSON, text) == {"m::bench::one": {}}

    def test_reads_objects_among_other_lines(self) -> None:
        summary = _summary({"Dhat": {"TotalBytes": {"metrics": {"Left": {"Int": 1}}}}}, tool="DHAT")
        pretty = json.dumps(json.loads(summary.replace("one", "two")), indent=2)
        text = f"{{ not json\n{{}}\n{summary}\r\nnoise }}\n{pretty}\n{{\nunfinished"

        assert measured(Adapter.RUST_GUNGRAUN_JSON, text).keys() == {
            "m::bench::one",
            "m::bench::two",
        }


class TestEither:
    def test_prefers_the_summaries(self) -> None:
        summary = _summary({"Callgrind": {"Ir": {"metrics": {"Left": {"Int": 1}}}}})

        assert measured(Adapter.RUST_GUNGRAUN, STDOUT + summary).keys() == {"m::bench::one"}
        assert measured(Adapter.RUST_GUNGRAUN, STDOUT).keys() == {"m::group::bench id:1"}

    def test_refuses_neither(self) -> None:
        with pytest.raises(AdapterError):
            registry.parse(Adapter.RUST_GUNGRAUN, "{}")


class TestSlug:
    def test_knows_every_word_of_the_console_as_a_built_in_measure(self) -> None:
        for measure in builtin_measures.GUNGRAUN:
            assert gungraun_measures.slug("CALLGRIND", measure.name) == measure.slug

    def test_gives_only_slugs_of_built_in_measures(self) -> None:
        words = ["TotalRW", "RamHits", "Ir", "LLhits", "AtTGmaxBytes", "TotalLifetimes"]

        for slug in (gungraun_measures.slug("DHAT", word) for word in words):
            assert slug is not None
            assert builtin_measures.find(slug) is not None
