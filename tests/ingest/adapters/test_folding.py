"""Folding the iterations of a report into one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.adapters.folding import Fold, fold
from ingest.adapters.results import Metric, Results


def _latency(*metrics: Metric) -> list[Results]:
    """One iteration per metric, of the same benchmark and measure."""
    return [{"bench": {"latency": metric}} for metric in metrics]


def _folded(iterations: list[Results], how: Fold) -> Metric:
    return fold(iterations, how)["bench"]["latency"]


finite = st.floats(allow_nan=False, allow_infinity=False)
metric_values = st.builds(Metric, finite, st.none() | finite, st.none() | finite)


class TestFold:
    def test_of_no_iterations_is_empty(self) -> None:
        assert fold([], Fold.MEAN) == {}

    @pytest.mark.parametrize("how", Fold)
    def test_of_one_iteration_is_that_iteration(self, how: Fold) -> None:
        iteration = {"a": {"latency": Metric(1.0, 0.5, 1.5)}, "b": {"size": Metric(3.0)}}

        assert fold([iteration], how) == iteration

    @pytest.mark.parametrize("how", Fold)
    def test_keeps_what_only_one_iteration_measured(self, how: Fold) -> None:
        iterations = [{"a": {"latency": Metric(1.0)}}, {"a": {"size": Metric(2.0)}, "b": {}}]

        folded = fold(iterations, how)

        assert {name: set(measures) for name, measures in folded.items()} == {
            "a": {"latency", "size"},
            "b": set(),
        }

    def test_min_and_max_take_whole_metrics(self) -> None:
        low, high = Metric(1.0, 0.0, 9.0), Metric(2.0, 1.5, 2.5)

        assert _folded(_latency(high, low), Fold.MIN) == low
        assert _folded(_latency(low, high), Fold.MAX) == high

    def test_min_orders_by_value_then_upper_then_lower_bound(self) -> None:
        metrics = [Metric(1.0, 0.1, 4.0), Metric(1.0, 0.9, 3.0), Metric(1.0, 0.2, 3.0)]

        assert _folded(_latency(*metrics), Fold.MIN) == Metric(1.0, 0.2, 3.0)
        assert _folded(_latency(*metrics), Fold.MAX) == Metric(1.0, 0.1, 4.0)

    def test_no_bound_comes_before_any_bound(self) -> None:
        bare, bounded = Metric(1.0), Metric(1.0, -5.0, -4.0)

        assert _folded(_latency(bounded, bare), Fold.MIN) == bare
        assert _folded(_latency(bare, bounded), Fold.MAX) == bounded

    def test_mean_divides_by_all_iterations(self) -> None:
        iterations = [*_latency(Metric(3.0), Metric(6.0)), {}]

        assert _folded(iterations, Fold.MEAN) == Metric(3.0)

    def test_mean_replaces_a_missing_bound_by_its_value(self) -> None:
        iterations = _latency(Metric(10.0, 8.0, None), Metric(20.0))

        assert _folded(iterations, Fold.MEAN) == Metric(15.0, 14.0, None)

    def test_median_of_an_odd_number_is_the_middle_metric(self) -> None:
        middle = Metric(2.0, 1.0, 7.0)

        folded = _folded(_latency(Metric(9.0), middle, Metric(1.0)), Fold.MEDIAN)

        assert folded == middle

    def test_median_of_an_even_number_is_the_mean_of_the_middle_two(self) -> None:
        metrics = [Metric(100.0), Metric(4.0, 3.0, 8.0), Metric(2.0), Metric(1.0)]

        folded = _folded(_latency(*metrics), Fold.MEDIAN)

        assert folded == Metric(3.0, 2.5, 5.0)

    def test_median_looks_only_at_iterations_that_hold_the_benchmark(self) -> None:
        iterations = [*_latency(Metric(2.0), Metric(4.0)), {}, {}]

        assert _folded(iterations, Fold.MEDIAN) == Metric(3.0)

    def test_mean_of_huge_values_stays_finite(self) -> None:
        huge = Metric(1.6e308, -1.6e308, 1.7e308)

        folded = _folded(_latency(huge, huge, huge), Fold.MEAN)

        assert folded.value == pytest.approx(1.6e308)
        assert folded.lower_value == pytest.approx(-1.6e308)

    @given(st.lists(metric_values, min_size=1, max_size=6), st.sampled_from(Fold))
    def test_stays_between_the_least_and_the_greatest(
        self, metrics: list[Metric], how: Fold
    ) -> None:
        folded = _folded(_latency(*metrics), how)

        values = [metric.value for metric in metrics]
        slack = 1e-9 * max(map(abs, values))
        assert math.isfinite(folded.value)
        assert min(values) - slack <= folded.value <= max(values) + slack

    @given(st.permutations([Metric(1.0), Metric(2.0, 1.0), Metric(2.0, None, 3.0), Metric(8.0)]))
    def test_does_not_depend_on_the_order_of_iterations(self, metrics: list[Metric]) -> None:
        expected = {
            Fold.MIN: Metric(1.0),
            Fold.MAX: Metric(8.0),
            Fold.MEAN: Metric(13 / 4, 12 / 4, 14 / 4),
            Fold.MEDIAN: Metric(2.0, 1.5, 2.5),
        }

        for how, metric in expected.items():
            assert _folded(_latency(*metrics), how) == metric
