"""gungraun in either of its formats: JSON summaries if there are any, else the console output."""

from ingest.adapters import rust_gungraun_json, rust_gungraun_stdout
from ingest.adapters.results import AdapterError, Average, Results

AVERAGES: frozenset[Average] = frozenset()


def parse(text: str, average: Average | None = None) -> Results:
    """Read what gungraun prints, in whichever format."""
    try:
        return rust_gungraun_json.parse(text, average)
    except AdapterError:
        return rust_gungraun_stdout.parse(text, average)
