"""Bencher Metric Format."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.adapters import bmf_json, json_text
from ingest.adapters.results import AdapterError, Metric

NAMES = ["a", "b", "value", "lower_value", "upper_value", 'q"q', "ü"]

metrics = st.lists(
    st.tuples(
        st.sampled_from(["value", "lower_value", "upper_value", "unknown"]),
        st.sampled_from(["1", "2.5", "null", '"text"']),
    ),
    max_size=4,
)
reports = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.lists(st.tuples(st.sampled_from(NAMES), metrics), max_size=3)
    ),
    max_size=3,
)


def _object(pairs: list[tuple[str, str]]) -> str:
    """A JSON object, with its duplicate keys."""
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"


def _text(report: list[tuple[str, list[tuple[str, list[tuple[str, str]]]]]]) -> str:
    return _object(
        [
            (benchmark, _object([(measure, _object(metric)) for measure, metric in measures]))
            for benchmark, measures in report
        ]
    )


class TestParse:
    def test_passes_names_and_numbers_on(self) -> None:
        text = '{"b": {"My Measure": {"value": 5, "lower_value": null, "upper_value": 7e1}}}'

        assert bmf_json.parse(text) == {"b": {"My Measure": Metric(5.0, None, 70.0)}}

    def test_passes_over_unknown_fields(self) -> None:
        assert bmf_json.parse('{"b": {"m": {"value": 1, "note": "x"}}}') == {
            "b": {"m": Metric(1.0)}
        }

    @pytest.mark.parametrize(
        "number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "true", '"1"', "null", "0x1"]
    )
    @pytest.mark.parametrize("field", ["value", "upper_value"])
    def test_refuses_what_is_no_finite_number(self, number: str, field: str) -> None:
        if (field, number) == ("upper_value", "null"):
            return
        rest = "" if field == "value" else '"value": 1, '

        with pytest.raises(AdapterError):
            bmf_json.parse(f'{{"b": {{"m": {{{rest}"{field}": {number}}}}}}}')

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": {}, "a": {}}',
            '{"a": {"m": {"value": 1}}, "a": {"m": {"value": 2}}}',
            '{"a": {"m": {"value": 1}, "m": {"value": 2}}}',
            '{"a": {"m": {"value": 1, "value": 2}}}',
            '{"a": {"m": {"value": 1, "lower_value": 0, "lower_value": 1}}}',
            '{"a": {"m": {"value": 1, "lower_value": 0, "lower_value": null}}}',
            '{"a": {"m": {"value": 1}}, "\\u0061": {"m": {"value": 2}}}',
            '{"a": {"m": {"value": 1, "val\\u0075e": 2}}}',
            # One name too few, one field too many: counting quotes alone would be fooled.
            '{"a": {}, "a": {"lower_value": {"value": 1}}}',
            '{"a": {"value": {"value": 1}}, "a": {}, "b": {"m": {"value": 1}}}',
        ],
    )
    def test_refuses_keys_that_occur_twice(self, text: str) -> None:
        with pytest.raises(AdapterError, match="occurs twice"):
            bmf_json.parse(text)

    @given(reports)
    def test_agrees_with_an_exact_search_for_duplicates(self, report: Any) -> None:
        text = _text(report)
        duplicate = json_text.duplicate_key(text) is not None
        try:
            bmf_json.parse(text)
        except AdapterError as error:
            refused = "twice" in str(error)
            assert duplicate or not refused
        else:
            assert not duplicate

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 200_000,
            '{"a":' * 200_000,
            '{"a": {"m": {"value": 1, "x": ' + "[" * 200_000,
            '{"a": {"m": {"value": 1, "x": ' + '{"x":' * 200_000,
            '{"a": {"m": {"value": 1, "x": ' + "[" * 5_000 + "]" * 5_000 + "}}}",
            '{"a\\n": {"m": {"value": 1, "x": ' + "[" * 900 + "]" * 900 + "}}}",
        ],
        ids=["arrays", "objects", "field", "field of objects", "closed", "near the limit"],
    )
    def test_refuses_or_reads_deep_nesting_without_falling_over(self, text: str) -> None:
        with contextlib.suppress(AdapterError):
            bmf_json.parse(text)

    def test_looks_closer_only_where_counting_is_not_enough(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_at: list[str] = []
        monkeypatch.setattr(json_text, "duplicate_key", looked_at.append)
        plain = '{"a::b": {"m": {"value": 1, "lower_value": 0}, "n": {"value": 2}}}'
        escaped = '{"\\"": {"m": {"value": 1}}}'
        with_null = '{"a": {"m": {"value": 1, "lower_value": null}}}'

        for text in (plain, escaped, with_null, "{}"):
            bmf_json.parse(text)

        assert looked_at == [escaped, with_null]
