"""Fold the iterations of a report into one: the least, the greatest, the mean or the median."""

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial

from ingest.adapters.results import Metric, Results


class Fold(StrEnum):
    """How several iterations become one."""

    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    MEDIAN = "median"


def fold(iterations: Sequence[Results], how: Fold) -> Results:
    """One iteration in place of several; a benchmark missing from some is still kept.

    The least and the greatest are whole metrics, ordered by value, then upper, then lower bound.
    The mean divides by the number of iterations, not of those that hold the benchmark.
    """
    combine = _combiner(how, len(iterations))
    return {
        benchmark: {measure: combine(metrics) for measure, metrics in measures.items()}
        for benchmark, measures in _gather(iterations).items()
    }


def _gather(iterations: Sequence[Results]) -> dict[str, dict[str, list[Metric]]]:
    """Every metric by benchmark and measure, in the order of the iterations."""
    gathered: dict[str, dict[str, list[Metric]]] = {}
    for results in iterations:
        for benchmark, measures in results.items():
            by_measure = gathered.setdefault(benchmark, {})
            for measure, metric in measures.items():
                by_measure.setdefault(measure, []).append(metric)
    return gathered


def _combiner(how: Fold, iterations: int) -> Callable[[Sequence[Metric]], Metric]:
    match how:
        case Fold.MIN:
            return partial(min, key=_order)
        case Fold.MAX:
            return partial(max, key=_order)
        case Fold.MEAN:
            return partial(_mean, divisor=iterations)
        case Fold.MEDIAN:
            return _median


def _order(metric: Metric) -> tuple[float, float, float]:
    """By value, then upper bound, then lower bound; no bound comes before any."""
    return (metric.value, _or_least(metric.upper_value), _or_least(metric.lower_value))


def _or_least(bound: float | None) -> float:
    return -math.inf if bound is None else bound


def _median(metrics: Sequence[Metric]) -> Metric:
    ordered = sorted(metrics, key=_order)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return _mean(ordered[middle - 1 : middle + 1], divisor=2)


def _mean(metrics: Sequence[Metric], divisor: int) -> Metric:
    return Metric(
        value=_quotient([metric.value for metric in metrics], divisor),
        lower_value=_mean_bound(
            [(metric.lower_value, metric.value) for metric in metrics], divisor
        ),
        upper_value=_mean_bound(
            [(metric.upper_value, metric.value) for metric in metrics], divisor
        ),
    )


def _mean_bound(bounds: list[tuple[float | None, float]], divisor: int) -> float | None:
    """The mean of the bounds, each missing one replaced by its value; None if all miss."""
    if all(bound is None for bound, _ in bounds):
        return None
    return _quotient([value if bound is None else bound for bound, value in bounds], divisor)


def _quotient(values: list[float], divisor: int) -> float:
    total = sum(values)
    if math.isfinite(total):
        return total / divisor
    # The sum left the range of a float; the quotient cannot.
    return math.fsum(value / divisor for value in values)
