"""Build metrics from what tools print: a value with a spread, in the units we keep."""

from ingest.adapters.results import AdapterError, Metric, Results


def scaled(value: float, scale: float, lower: float | None, upper: float | None) -> Metric:
    """A value and its bounds, all multiplied by the same scale."""
    return Metric(
        value=value * scale,
        lower_value=None if lower is None else lower * scale,
        upper_value=None if upper is None else upper * scale,
    )


def with_spread(value: float, spread: float | None) -> Metric:
    """A value and the same distance to either bound; no bounds without a spread."""
    if spread is None:
        return Metric(value=value)
    return Metric(value=value, lower_value=value - spread, upper_value=value + spread)


def at_least_one(results: Results) -> Results:
    """The results, unless the text held no benchmark at all: then it was something else."""
    if not results:
        raise AdapterError("no benchmark found")
    return results
