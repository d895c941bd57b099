"""gungraun's JSON summaries (`--output-format=json` or `pretty-json`; formerly iai-callgrind).

One object per benchmark, on a line of its own or spread over lines between a `{` and a `}` at
the margin, among whatever else cargo prints. The name is the module path and, if there is one,
the id. Every metric of every tool becomes a measure; of two runs the new one counts.
"""

from collections.abc import Iterator

import msgspec

from ingest.adapters import gungraun_measures, json_text, metrics, text_lines
from ingest.adapters.results import AdapterError, Average, Metric, Results

AVERAGES: frozenset[Average] = frozenset()


# Each number is tagged: {"Int": 1} or {"Float": 0.1}.
_Number = dict[str, float]


class _Runs(msgspec.Struct, gc=False, rename="pascal"):
    left: _Number | None = None  # only the new run
    both: tuple[_Number, _Number] | None = None  # new and old; "Right" would be only the old


class _Compared(msgspec.Struct, gc=False):
    metrics: _Runs


class _Total(msgspec.Struct, gc=False):
    # By kind of tool; the word "None" for tools that count nothing.
    summary: dict[str, dict[str, _Compared]] | str


class _Summaries(msgspec.Struct, gc=False):
    total: _Total


class _Profile(msgspec.Struct, gc=False):
    tool: str
    summaries: _Summaries


class _Benchmark(msgspec.Struct, gc=False):
    module_path: str
    profiles: list[_Profile]
    id: str | None = None


_DECODER = msgspec.json.Decoder(_Benchmark)


def parse(text: str, average: Average | None = None) -> Results:
    """Read gungraun's JSON summaries; other lines are passed over."""
    results: Results = {}
    for document in _objects(text_lines.split(text)):
        try:
            benchmark = json_text.decode(_DECODER, document)
        except AdapterError:
            continue  # cargo and the benchmark itself may print braces, too
        name = "::".join(filter(None, (benchmark.module_path, benchmark.id)))
        results.setdefault(name, {}).update(_measures(benchmark))
    return metrics.at_least_one(results)


def _objects(lines: list[str]) -> Iterator[str]:
    """The texts that may be objects: each line is looked at once."""
    opened: list[str] | None = None
    for line in lines:
        if line.rstrip() == "{":
            opened = [line]
        elif opened is not None:
            opened.append(line)
            if line.rstrip() == "}":
                yield "\n".join(opened)
                opened = None
        elif line.startswith("{"):
            yield line


def _measures(benchmark: _Benchmark) -> dict[str, Metric]:
    measures = {}
    for profile in benchmark.profiles:
        summary = profile.summaries.total.summary
        kinds = summary.values() if isinstance(summary, dict) else ()
        for kind in kinds:
            for word, compared in kind.items():
                slug = gungraun_measures.slug(profile.tool, word)
                value = _new(compared.metrics)
                if slug is not None and value is not None:
                    measures[slug] = Metric(value)
    return measures


def _new(runs: _Runs) -> float | None:
    number = runs.both[0] if runs.both is not None else runs.left
    return next(iter(number.values()), None) if number else None
