"""The built-in measures."""

from ingest.adapters import builtin_measures
from ingest.adapters.builtin_measures import BUILTIN_MEASURES


class TestFind:
    def test_finds_by_slug_and_by_name(self) -> None:
        assert builtin_measures.find("latency") is builtin_measures.LATENCY
        assert builtin_measures.find("Build Time") is builtin_measures.BUILD_TIME

    def test_finds_nothing_else(self) -> None:
        assert builtin_measures.find("LATENCY") is None
        assert builtin_measures.find("") is None

    def test_finds_every_measure_as_itself(self) -> None:
        for measure in BUILTIN_MEASURES:
            assert builtin_measures.find(measure.slug) is measure
            assert builtin_measures.find(measure.name) is measure


class TestTable:
    def test_holds_no_slug_or_name_twice(self) -> None:
        assert len({measure.slug for measure in BUILTIN_MEASURES}) == len(BUILTIN_MEASURES)
        assert len({measure.name for measure in BUILTIN_MEASURES}) == len(BUILTIN_MEASURES)

    def test_fits_the_limits_of_names(self) -> None:
        for measure in BUILTIN_MEASURES:
            for text in (measure.name, measure.slug, measure.units):
                assert 0 < len(text.encode()) <= 64
