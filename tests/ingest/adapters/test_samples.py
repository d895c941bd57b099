"""Every sample of a tool's output parses to what its expectation beside it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.adapters import registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average, Results
from tests.ingest.adapters.judging import SAMPLES, samples


def _cases(*, refused: bool = True) -> list[Any]:
    cases = []
    for path in sorted(SAMPLES.rglob("*.expected.json")):
        sample = path.with_name(path.name.removesuffix(".expected.json"))
        for setting, expected in json.loads(path.read_text())["by_average_setting"].items():
            name = f"{sample.relative_to(SAMPLES)}-{setting}"
            if refused or expected["parses"]:
                cases.append(pytest.param(sample, setting, expected, id=name))
    return cases


class TestParse:
    @pytest.mark.parametrize(("sample", "setting", "expected"), _cases())
    def test_reads_what_the_expectation_says(
        self, sample: Path, setting: str, expected: dict[str, Any]
    ) -> None:
        average = None if setting == "default" else Average(setting)
        text = sample.read_bytes().decode()

        if not expected["parses"]:
            with pytest.raises(AdapterError):
                registry.parse(Adapter(expected["adapter"]), text, average)
            return

        results = registry.parse(Adapter(expected["adapter"]), text, average)

        _assert_as_expected(results, expected)

    @pytest.mark.parametrize(("sample", "setting", "expected"), _cases(refused=False))
    def test_is_found_by_magic(self, sample: Path, setting: str, expected: dict[str, Any]) -> None:
        average = None if setting == "default" else Average(setting)

        results = registry.parse(Adapter.MAGIC, sample.read_bytes().decode(), average)

        _assert_as_expected(results, expected)


def _assert_as_expected(results: Results, expected: dict[str, Any]) -> None:
    assert len(results) == expected["count"]
    for benchmark, measures in expected["benchmarks"].items():
        found = results[benchmark]
        if measures:
            assert found.keys() == measures.keys()
        for measure, numbers in measures.items():
            metric = found[measure]
            found_numbers = [metric.value, metric.lower_value, metric.upper_value]
            # Whoever wrote the expectations read some floats a bit off in the last place.
            assert [number is None for number in found_numbers] == [n is None for n in numbers]
            assert list(filter(None, found_numbers)) == pytest.approx(
                list(filter(None, numbers)), rel=1e-15, abs=0
            )


def test_every_sample_has_an_expectation() -> None:
    found = samples()

    assert found
    for path in found:
        assert path.with_name(path.name + ".expected.json").is_file(), path
