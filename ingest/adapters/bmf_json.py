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

    Each key of the text brings two quotes; whatever else does, such as other strings and escaped
    quotes, adds to them. So there are twice as many quotes as keys that survived if and only if
    nothing was dropped. Unknown fields and bounds given as null add quotes, too: False only means
    "look closer".
    """
    metrics = [metric for measures in results.values() for metric in measures.values()]
    bounds = 2 * len(metrics) - (
        [metric.lower_value for metric in metrics].count(None)
        + [metric.upper_value for metric in metrics].count(None)
    )
    keys = len(results) + 2 * len(metrics) + bounds
    return text.count('"') == 2 * keys
