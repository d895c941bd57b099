"""Names that end in a request to ignore the benchmark."""

from typing import Any

import msgspec
import pytest

from bencher import clock
from series.models import Benchmark
from tests.factories import report_body
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db


def body(*iterations: tuple[str, ...], **more: Any) -> dict[str, Any]:
    results = [
        msgspec.json.encode({name: {"latency": {"value": 1}} for name in names}).decode()
        for names in iterations
    ]
    return report_body(*results, end_time=clock.now(), **more)


class TestStrip:
    def test_the_suffix_is_no_part_of_the_name(self, post: Post) -> None:
        post(body(("add",)))

        names = ("add_bencher_ignore", "subBencherIgnore", "mul-bencher-ignore", "bencher_ignored")
        response = post(body(names))

        assert response["X-New-Series"] == "3"
        assert set(Benchmark.objects.values_list("name", flat=True)) == {
            *("add", "sub", "mul", "bencher_ignored"),
        }

    def test_two_names_that_then_mean_one_are_refused(self, post: Post) -> None:
        response = post(body(("add", "add_bencher_ignore")))

        assert response.status_code == 400
        assert "'add'" in response.json()["message"]
        assert not Benchmark.objects.exists()

    def test_iterations_may_differ_in_it(self, post: Post) -> None:
        assert post(body(("add",), ("add-bencher-ignore",)))["X-New-Series"] == "1"
        settings = {"adapter": "json", "fold": "mean"}
        folded = post(body(("add",), ("add-bencher-ignore",), settings=settings))
        assert len(folded.json()["results"]) == 1

    def test_nothing_but_a_suffix_is_no_name(self, post: Post) -> None:
        assert post(body(("_bencher_ignore",))).status_code == 400
