"""Find the format by trying: the first adapter that reads the text wins."""

from collections.abc import Callable, Iterable

from ingest.adapters.results import AdapterError, Average, Results


def parse(
    text: str,
    average: Average | None,
    candidates: Iterable[Callable[[str, Average | None], Results]],
) -> Results:
    """What the first candidate that does not refuse the text makes of it."""
    first_refusal: AdapterError | None = None
    for read in candidates:
        try:
            return read(text, average)
        except AdapterError as error:
            first_refusal = first_refusal or error
    if first_refusal is not None and text.lstrip().startswith(("{", "[")):
        # The product's own JSON is tried first, and JSON that nothing reads is likely meant so.
        raise AdapterError(f"no adapter reads this JSON; as Bencher Metric Format: {first_refusal}")
    raise AdapterError("no adapter reads this text")
