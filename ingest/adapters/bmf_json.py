"""Bencher Metric Format: the product's own JSON.

An object of benchmarks, each an object of measures, each `{"value": number}` with optional
`lower_value` and `upper_value`. Names are passed on as they were sent, values in the
measure's own units. `{}` is a report without benchmarks. A key that occurs twice in one object
is refused: JSON would silently keep one of the two.
"""

import msgspec

from ingest.adapters import json_text
from ingest.adapters.results import AdapterError, Average, Results

# The values were averaged by whoever wrote them, so any choice is accepted and changes nothing.
AVERAGES = frozenset(Average)

_DECODER = msgspec.json.Decoder(Results)


def parse(text: str, average: Average | None = None) -> Results:
    """Read Bencher Metric Format."""
    results = json_text.decode(_DECODER, text)
    if not _surely_unique(text, results):
        key = json_text.duplicate_key(text)
        if key is not None:
            raise AdapterError(f"the key {key[:100]!r} occurs twice in one object")
    return results


def _surely_unique(text: str, results: Results) -> bool:
    """Whether counting alone proves that no key was dropped in decoding.

    Each key brings two quotes, so a text without other strings has as many pairs of quotes as
    keys that survived, if and only if none was dropped. First the number of each field has to
    match, which rules out benchmarks or measures named like a field and fields given twice.
    False means "look closer", as for escapes, unknown fields and bounds given as null.
    """
    metrics = [metric for measures in results.values() for metric in measures.values()]
    lowers = len(metrics) - [metric.lower_value for metric in metrics].count(None)
    uppers = len(metrics) - [metric.upper_value for metric in metrics].count(None)
    if (
        "\\" in text
        or text.count('"value"') != len(metrics)
        or text.count('"lower_value"') != lowers
        or text.count('"upper_value"') != uppers
    ):
        return False
    keys = len(results) + 2 * len(metrics) + lowers + uppers
    return text.count('"') == 2 * keys
