"""Every adapter: its name on the wire, its number in the database, and the way to its parser."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Self

from ingest.adapters import (
    bmf_json,
    c_sharp_dot_net,
    cpp_catch2,
    cpp_google,
    dart_benchmark_harness,
    go_bench,
    java_jmh,
    js_benchmark,
    js_time,
    js_vitest,
    magic,
    names,
    python_asv,
    python_pytest,
    ruby_benchmark,
    rust_bench,
    rust_criterion,
    rust_gungraun,
    rust_gungraun_json,
    rust_gungraun_stdout,
    rust_iai,
    shell_hyperfine,
)
from ingest.adapters.results import AdapterError, Average, Results

# Other names on the wire. gungraun used to be iai-callgrind.
_ALIASES = {"rust_iai_callgrind": "rust_gungraun"}


class Adapter(StrEnum):
    """An adapter by its wire name. The bare languages mean the same as magic."""

    MAGIC = "magic"
    JSON = "json"
    RUST = "rust"
    RUST_BENCH = "rust_bench"
    RUST_CRITERION = "rust_criterion"
    RUST_IAI = "rust_iai"
    RUST_GUNGRAUN = "rust_gungraun"
    RUST_GUNGRAUN_STDOUT = "rust_gungraun_stdout"
    RUST_GUNGRAUN_JSON = "rust_gungraun_json"
    CPP = "cpp"
    CPP_GOOGLE = "cpp_google"
    CPP_CATCH2 = "cpp_catch2"
    GO = "go"
    GO_BENCH = "go_bench"
    JAVA = "java"
    JAVA_JMH = "java_jmh"
    C_SHARP = "c_sharp"
    C_SHARP_DOT_NET = "c_sharp_dot_net"
    JS = "js"
    JS_BENCHMARK = "js_benchmark"
    JS_TIME = "js_time"
    JS_VITEST = "js_vitest"
    PYTHON = "python"
    PYTHON_ASV = "python_asv"
    PYTHON_PYTEST = "python_pytest"
    RUBY = "ruby"
    RUBY_BENCHMARK = "ruby_benchmark"
    SHELL = "shell"
    SHELL_HYPERFINE = "shell_hyperfine"
    DART = "dart"
    DART_BENCHMARK_HARNESS = "dart_benchmark_harness"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        alias = _ALIASES.get(value) if isinstance(value, str) else None
        return None if alias is None else cls(alias)

    @classmethod
    def from_code(cls, code: int) -> "Adapter":
        """The adapter of this number in the database."""
        return _BY_CODE[code]

    @property
    def code(self) -> int:
        """The number in the database; never reused."""
        return _CODES[self]

    @property
    def normalized(self) -> "Adapter":
        """The adapter that is stored and answered: magic for a bare language."""
        return Adapter.MAGIC if self in _LANGUAGES else self


_LANGUAGES = frozenset(
    {
        Adapter.RUST,
        Adapter.CPP,
        Adapter.GO,
        Adapter.JAVA,
        Adapter.C_SHARP,
        Adapter.JS,
        Adapter.PYTHON,
        Adapter.RUBY,
        Adapter.SHELL,
        Adapter.DART,
    }
)

_CODES = {
    Adapter.MAGIC: 0,
    Adapter.JSON: 10,
    Adapter.RUST: 20,
    Adapter.RUST_BENCH: 21,
    Adapter.RUST_CRITERION: 22,
    Adapter.RUST_IAI: 23,
    Adapter.RUST_GUNGRAUN: 24,
    Adapter.RUST_GUNGRAUN_STDOUT: 25,
    Adapter.RUST_GUNGRAUN_JSON: 26,
    Adapter.CPP: 30,
    Adapter.CPP_GOOGLE: 31,
    Adapter.CPP_CATCH2: 32,
    Adapter.GO: 40,
    Adapter.GO_BENCH: 41,
    Adapter.JAVA: 50,
    Adapter.JAVA_JMH: 51,
    Adapter.C_SHARP: 60,
    Adapter.C_SHARP_DOT_NET: 61,
    Adapter.JS: 70,
    Adapter.JS_BENCHMARK: 71,
    Adapter.JS_TIME: 72,
    Adapter.JS_VITEST: 73,
    Adapter.PYTHON: 80,
    Adapter.PYTHON_ASV: 81,
    Adapter.PYTHON_PYTEST: 82,
    Adapter.RUBY: 90,
    Adapter.RUBY_BENCHMARK: 91,
    Adapter.SHELL: 100,
    Adapter.SHELL_HYPERFINE: 101,
    Adapter.DART: 110,
    Adapter.DART_BENCHMARK_HARNESS: 111,
}

_BY_CODE = {code: adapter for adapter, code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class Format:
    """A parser and the averages that may be asked of it."""

    read: Callable[[str, Average | None], Results]
    averages: frozenset[Average]


# In the order in which magic tries them.
_TRIED_BY_MAGIC = {
    Adapter.JSON: Format(bmf_json.parse, bmf_json.AVERAGES),
    Adapter.C_SHARP_DOT_NET: Format(c_sharp_dot_net.parse, c_sharp_dot_net.AVERAGES),
    Adapter.CPP_GOOGLE: Format(cpp_google.parse, cpp_google.AVERAGES),
    Adapter.CPP_CATCH2: Format(cpp_catch2.parse, cpp_catch2.AVERAGES),
    Adapter.DART_BENCHMARK_HARNESS: Format(
        dart_benchmark_harness.parse, dart_benchmark_harness.AVERAGES
    ),
    Adapter.GO_BENCH: Format(go_bench.parse, go_bench.AVERAGES),
    Adapter.JAVA_JMH: Format(java_jmh.parse, java_jmh.AVERAGES),
    Adapter.JS_BENCHMARK: Format(js_benchmark.parse, js_benchmark.AVERAGES),
    Adapter.JS_TIME: Format(js_time.parse, js_time.AVERAGES),
    Adapter.JS_VITEST: Format(js_vitest.parse, js_vitest.AVERAGES),
    Adapter.PYTHON_ASV: Format(python_asv.parse, python_asv.AVERAGES),
    Adapter.PYTHON_PYTEST: Format(python_pytest.parse, python_pytest.AVERAGES),
    Adapter.RUBY_BENCHMARK: Format(ruby_benchmark.parse, ruby_benchmark.AVERAGES),
    Adapter.RUST_BENCH: Format(rust_bench.parse, rust_bench.AVERAGES),
    Adapter.RUST_CRITERION: Format(rust_criterion.parse, rust_criterion.AVERAGES),
    Adapter.RUST_IAI: Format(rust_iai.parse, rust_iai.AVERAGES),
    Adapter.RUST_GUNGRAUN: Format(rust_gungraun.parse, rust_gungraun.AVERAGES),
    Adapter.SHELL_HYPERFINE: Format(shell_hyperfine.parse, shell_hyperfine.AVERAGES),
}

_FORMATS = {
    **_TRIED_BY_MAGIC,
    Adapter.RUST_GUNGRAUN_STDOUT: Format(rust_gungraun_stdout.parse, rust_gungraun_stdout.AVERAGES),
    Adapter.RUST_GUNGRAUN_JSON: Format(rust_gungraun_json.parse, rust_gungraun_json.AVERAGES),
}


def parse(adapter: Adapter, text: str, average: Average | None = None) -> Results:
    """What the tool's output says, every value finite and every name storable.

    Raises AdapterError if the text is not the adapter's format or the average not the tool's.
    """
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")  # a byte order mark
    if adapter.normalized is Adapter.MAGIC:
        results = magic.parse(text, average, [form.read for form in _supporting(average)])
    else:
        results = _format_for(adapter, average).read(text, average)
    _check_names(results)
    _check_finite(results)
    return results


def _supporting(average: Average | None) -> Iterable[Format]:
    forms = _TRIED_BY_MAGIC.values()
    return (form for form in forms if average is None or average in form.averages)


def _format_for(adapter: Adapter, average: Average | None) -> Format:
    form = _FORMATS[adapter]
    if average is not None and average not in form.averages:
        raise AdapterError(f"{adapter} does not report a {average}")
    return form


def _check_names(results: Results) -> None:
    for benchmark in results:
        fault = names.fault(benchmark, max_bytes=names.MAX_BENCHMARK_BYTES)
        if fault:
            raise AdapterError(f"benchmark name {benchmark[:100]!r} {fault}")
    # A report has many benchmarks and few measures: look at each measure once.
    for measure in set().union(*results.values()):
        fault = names.fault(measure, max_bytes=names.MAX_MEASURE_BYTES)
        if fault:
            benchmark = next(name for name, measures in results.items() if measure in measures)
            raise AdapterError(
                f"benchmark {benchmark[:100]!r}: measure name {measure[:100]!r} {fault}"
            )


def _check_finite(results: Results) -> None:
    metrics = [metric for measures in results.values() for metric in measures.values()]
    values = [metric.value for metric in metrics]
    # filter(None) drops absent bounds and zeros, neither of which can be infinite.
    lowers = filter(None, [metric.lower_value for metric in metrics])
    uppers = filter(None, [metric.upper_value for metric in metrics])
    if all(map(math.isfinite, chain(values, lowers, uppers))):
        return
    benchmark, measure = next(_not_finite(results))
    raise AdapterError(f"benchmark {benchmark[:100]!r}: {measure} is not a finite number")


def _not_finite(results: Results) -> Iterator[tuple[str, str]]:
    for benchmark, measures in results.items():
        for measure, metric in measures.items():
            numbers = (metric.value, metric.lower_value or 0.0, metric.upper_value or 0.0)
            if not all(map(math.isfinite, numbers)):
                yield benchmark, measure
