"""Two reports that make the same new names at the same moment make one entity each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from bencher import clock
from ingest.models import Branch, Head, HeadVersion, Report, Version
from series import last_seen
from series import models as series_models
from series.models import Benchmark, Measure, SeriesLastSeen
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import Pause, at_once, begin, done, wait_for_lock_waiters
from tests.factories import report_body

MODELS = (series_models.Testbed, Benchmark, Measure, Branch, Head, Version, HeadVersion)


def body(
    *,
    testbed: str = "known",
    benchmark: str = "known",
    measure: str = "known",
    branch: str = "known",
    hash: str = "0" * 40,
) -> dict[str, Any]:
    """Return a report of one metric; what is not said is known already."""
    results = msgspec.json.encode({benchmark: {measure: {"value": 1}}}).decode()
    return report_body(results, end_time=clock.now(), branch=branch, testbed=testbed, hash=hash)


def entities() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in MODELS}


NEW: dict[str, tuple[dict[str, str], set[str]]] = {
    "a testbed": ({"testbed": "New"}, {"Testbed"}),
    "a benchmark": ({"benchmark": "New"}, {"Benchmark"}),
    "a measure": ({"measure": "New"}, {"Measure"}),
    "a built-in measure": ({"measure": "latency"}, {"Measure"}),
    # Its slug is not made of its name.
    "an odd built-in measure": ({"measure": "io-jitter"}, {"Measure"}),
    # A new branch begins a head of its own, and that a version.
    "a branch": ({"branch": "New"}, {"Branch", "Head", "Version", "HeadVersion"}),
    "a commit": ({"hash": "1" * 40}, {"Version", "HeadVersion"}),
}
ONE_SLUG: dict[str, tuple[dict[str, str], dict[str, str], type[Any]]] = {
    "testbeds": ({"testbed": "My CI"}, {"testbed": "my ci"}, series_models.Testbed),
    "benchmarks": ({"benchmark": "Add Two"}, {"benchmark": "add two"}, Benchmark),
    "measures": ({"measure": "My Time"}, {"measure": "my time"}, Measure),
    "branches": ({"branch": "Fix.It"}, {"branch": "fix.it"}, Branch),
}


class TestAccept:
    @pytest.fixture(autouse=True)
    def _known(self, post: Post) -> None:
        assert post(body()).status_code == 201

    @pytest.fixture
    def meet(self, post: Post, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
        """Return a function that posts two bodies, the second while the first is to commit."""

        def meet(first: dict[str, Any], second: dict[str, Any]) -> list[int]:
            before_commit = Pause()
            with monkeypatch.context() as patch:
                patch.setattr(last_seen, "record", before_commit.after(last_seen.record))
                one = begin(partial(post, first))
                before_commit.wait_until_reached()
                two = begin(partial(post, second))
                wait_for_lock_waiters()
                before_commit.let_go()
                return [done(one).status_code, done(two).status_code]

        return meet

    @pytest.mark.parametrize("what", NEW)
    def test_makes_it_once(self, meet: Callable[..., list[int]], what: str) -> None:
        changes, made = NEW[what]
        before = entities()

        assert meet(body(**changes), body(**changes)) == [201, 201]

        after = entities()
        assert {
            name: after[name] - before[name] for name in after if after[name] != before[name]
        } == (dict.fromkeys(made, 1))
        assert Report.objects.count() == 3

    @pytest.mark.parametrize("what", ONE_SLUG)
    def test_two_names_with_one_slug_get_a_slug_each(
        self, meet: Callable[..., list[int]], what: str
    ) -> None:
        one, other, model = ONE_SLUG[what]

        assert meet(body(**one), body(**other)) == [201, 201]

        made = dict(model._default_manager.exclude(name="known").values_list("name", "slug"))
        assert set(made) == {*one.values(), *other.values()}
        first, second = (made[name] for names in (one, other) for name in names.values())
        assert second.startswith(f"{first}-")

    def test_finds_a_measure_that_was_renamed_to_a_built_in_one(self, post: Post) -> None:
        Measure.objects.update(name="Latency")

        assert post(body(measure="latency")).status_code == 201

        assert Measure.objects.get().slug == "known"

    def test_many_reports_with_all_new_names_make_each_once(self, post: Post) -> None:
        new = body(testbed="New", benchmark="New", measure="New", branch="New", hash="1" * 40)
        before = entities()

        answers = at_once([partial(post, new)] * 4)

        assert [answer.status_code for answer in answers] == [201] * 4
        assert entities() == {name: number + 1 for name, number in before.items()}
        assert SeriesLastSeen.objects.count() == 2


class TestPlace:
    def test_reports_without_a_commit_get_a_number_each(self, post: Post) -> None:
        without_commit = body(branch="numbers")
        without_commit["hash"] = None

        at_once([partial(post, without_commit)] * 4)

        head = Head.objects.get(branch__name="numbers")
        numbers = Version.objects.filter(heads__head=head).values_list("number", flat=True)
        assert sorted(numbers) == [0, 1, 2, 3]
