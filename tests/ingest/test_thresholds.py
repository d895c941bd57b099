"""Thresholds in a body are checked for form and left alone."""

from typing import Any

import pytest

from bencher import clock
from ingest.models import Report
from tests.factories import bmf, report_body
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db

TAKEN: list[dict[str, Any]] = [
    {"test": "static", "lower_boundary": -1, "upper_boundary": 1},
    {"test": "percentage", "upper_boundary": 0.2, "min_sample_size": 1, "max_sample_size": 1},
    {"test": "z", "upper_boundary": 0.99},
    {"test": "z_score", "lower_boundary": 0.5, "upper_boundary": None},
    {"test": "t", "upper_boundary": 0.99, "max_sample_size": 64, "window": 3600},
    {"test": "t_test", "upper_boundary": 0.977, "min_sample_size": 2, "max_sample_size": 2},
    {"test": "log_normal", "upper_boundary": 0.99},
    {"test": "iqr", "upper_boundary": 3.5},
    {"test": "delta_iqr", "lower_boundary": 0},
]
REFUSED: list[dict[str, Any]] = [
    {"upper_boundary": 1},
    {"test": "magic", "upper_boundary": 1},
    {"test": "static"},
    {"test": "static", "lower_boundary": 2, "upper_boundary": 1},
    {"test": "static", "upper_boundary": 1, "window": 0},
    {"test": "static", "upper_boundary": 1, "min_sample_size": 2},
    {"test": "percentage", "upper_boundary": -0.1},
    {"test": "percentage", "upper_boundary": 0.1, "min_sample_size": 0},
    {"test": "z_score", "upper_boundary": 0.49},
    {"test": "t_test", "upper_boundary": 1},
    {"test": "log_normal", "lower_boundary": 1.5},
    {"test": "iqr", "lower_boundary": -1},
    {"test": "delta_iqr", "upper_boundary": 1, "min_sample_size": 1},
    {"test": "t_test", "upper_boundary": 0.9, "min_sample_size": 9, "max_sample_size": 8},
    {"test": "t_test", "upper_boundary": 0.9, "window": -1},
    {"test": "t_test", "upper_boundary": "much"},
]


def body(model: dict[str, Any], **more: Any) -> dict[str, Any]:
    thresholds = {"models": {"latency": model}, **more}
    return report_body(bmf(1), end_time=clock.now(), thresholds=thresholds)


class TestCheck:
    @pytest.mark.parametrize("model", TAKEN, ids=str)
    def test_takes_models_that_can_be(self, post: Post, model: dict[str, Any]) -> None:
        answer = post(body(model, reset=True))

        assert answer.status_code == 201, answer.content
        assert answer.json()["alerts"] == []
        measure = answer.json()["results"][0][0]["measures"][0]
        assert (measure["threshold"], measure["boundary"]) == (None, None)

    @pytest.mark.parametrize("model", REFUSED, ids=str)
    def test_refuses_models_that_can_not(self, post: Post, model: dict[str, Any]) -> None:
        answer = post(body(model))

        assert answer.status_code == 400
        assert "thresholds.models" in answer.json()["message"]
        assert Report.objects.count() == 0

    def test_none_are_needed(self, post: Post) -> None:
        nothing: list[Any] = [None, {}, {"models": None, "reset": None}, {"models": {}}]
        for thresholds in nothing:
            sent = report_body(bmf(1), end_time=clock.now(), thresholds=thresholds)
            assert post(sent).status_code == 201
