"""No text makes an adapter fail otherwise than by AdapterError, return infinities, or be slow."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import Average
from tests.ingest.adapters.judging import PARSERS, WORDS, read_or_refuse, samples

SOME_WORDS = st.sampled_from(WORDS)
TEXTS = st.text(max_size=60) | st.lists(SOME_WORDS, max_size=25).map("".join)

REAL_OUTPUTS = [path.read_text(encoding="utf-8") for path in samples()]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A real output with a few pieces cut out, doubled or replaced."""
    text = draw(st.sampled_from(REAL_OUTPUTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = draw(SOME_WORDS | st.text(max_size=5) | st.sampled_from([text[start:end] * 2]))
        text = text[:start] + piece + text[end:]
    return text


class TestProperties:
    @given(TEXTS, st.sampled_from(PARSERS), st.sampled_from([None, *Average]))
    @settings(max_examples=1000)
    def test_garbage_isread_or_refused(
        self, text: str, adapter: Adapter, average: Average | None
    ) -> None:
        read_or_refuse(adapter, text, average)

    @given(mutations(), st.sampled_from([None, *Average]))
    @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    def test_mutations_of_real_output_areread_or_refused(
        self, text: str, average: Average | None
    ) -> None:
        for adapter in PARSERS:
            read_or_refuse(adapter, text, average)


SIZE = 500_000


def _repeated(piece: str, *, head: str = "", tail: str = "") -> str:
    return head + piece * (SIZE // len(piece)) + tail


CATCH2_HEAD = f"{'-' * 79}\n{'{}'}\n{'-' * 79}\nbenchmark name  estimated\n{'-' * 79}\n"
CATCH2_ROW = "x 1 1 1 ns\n1 ns 1 ns 1 ns\n\n"
HALF = SIZE // 2
ASV = "[ 1.00%] \u00b7\u00b7\u00b7 "

# Each is a shape on which a careless reader of some format takes quadratic time or memory.
HOSTILE = {
    "blank lines": _repeated("\n"),
    "one long line": _repeated(" "),
    "unfinished escapes": _repeated("\x1b[0"),
    "one unfinished escape": _repeated("0", head="\x1b["),
    "libtest prefixes": _repeated("test a ... bench: "),
    "libtest spreads": _repeated("test a ... bench: 1 ns/iter (+/- 1\n"),
    "criterion words": _repeated("time: ["),
    "benchmark.js separators": _repeated(" x ") + " ops/sec ",
    "benchmark.js units": _repeated(" ops/sec "),
    "colons": _repeated(": "),
    "run times": _repeated("(RunTime): "),
    "one go line": _repeated("1 ns/x ", head="BenchmarkA 1 "),
    "open parentheses": _repeated("("),
    "iai counts below one name": _repeated("  Instructions: 1\n", head="n" * 1000 + "\n"),
    "gungraun name of many lines": _repeated("a::b\n", tail="  Instructions: 1|2\n"),
    "gungraun counts below a long name": "a::" + "b" * HALF + "\n" + "  Dr: 1|2\n" * (HALF // 10),
    "gungraun open braces": _repeated("{\n"),
    "gungraun half objects": _repeated('{"a":\n'),
    "gungraun objects": _repeated("{\n}\n"),
    "catch2 heading of many lines": f"{'-' * 79}\n" + _repeated("a\n") + f"{'-' * 79}\n",
    "catch2 rows below a long heading": CATCH2_HEAD.format("b" * HALF)
    + CATCH2_ROW * (HALF // len(CATCH2_ROW)),
    "catch2 name of many lines": CATCH2_HEAD.format("b") + _repeated("a\n"),
    "catch2 rules": _repeated(f"{'-' * 79}\n", head="benchmark name \n"),
    "asv entries": _repeated(f"{ASV}a.b 1\u00b11ns\n"),
    "asv borders": _repeated(f"{ASV}= =\n"),
    "asv table without end": f"{ASV}a.b ok\n{ASV}= =\n" + _repeated(" 1\n"),
    "asv long name above many cells": f"{ASV}{'a' * HALF} ok\n{ASV}= =\nn\n- -\n"
    + "1 1\u00b11ns\n" * (HALF // 8)
    + "= =\n",
    "asv many columns": f"{ASV}a ok\n{ASV}= =\nn\n- -\n" + "1 " * HALF + "\n" + "= " * HALF + "\n",
    "asv many columns and rows": f"{ASV}a ok\n{ASV}= =\n-- k\n{'-' * HALF} -\n"
    f"{'n ' * (HALF // 2)}\n"
    f"= =\n{'1 ' * (HALF // 2)}\n" + "1\n" * (HALF // 4) + "= " * (HALF // 2) + "\n",
    "digits": _repeated("1", head="BenchmarkA 1 ", tail=" ns/op"),
    "grouped digits": _repeated("1,", head="test a ... bench: ", tail="1 ns/iter (+/- 1)"),
    "open arrays": _repeated("["),
    "open objects": _repeated('{"a":'),
    "open objects and a NaN": _repeated('{"a":', tail="NaN"),
    "empty arrays and a NaN": _repeated("[],", head="[", tail="NaN]"),
    "an integer and a NaN": _repeated("1", head='{"context": {"a": ', tail='}, "b": NaN}'),
    "duplicate keys": _repeated('"a": {}, ', head="{", tail='"\\"": {}}'),
    "quotes": _repeated('"'),
    "vitest long group of many": '{"files": [{"groups": [{"fullName": "' + "g" * HALF + '", '
    '"benchmarks": [' + '{"name": "b", "mean": 1, "hz": 1},' * (HALF // 34) + '{"name": "b"}]}]}]}',
}


class TestTime:
    """Timed, but generously: linear time takes at most a second or two, quadratic time minutes."""

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    def test_half_a_megabyte_that_provokes_backtracking_is_over_soon(self, text: str) -> None:
        start = time.process_time()

        for adapter in PARSERS:
            read_or_refuse(adapter, text, None)

        assert time.process_time() - start < 15


def test_no_adapter_has_a_regular_expression_of_its_own() -> None:
    adapters = Path(registry.__file__).parent

    with_expressions = [
        path.name for path in adapters.glob("*.py") if "import re" in path.read_text()
    ]

    assert with_expressions == ["text_lines.py"]
