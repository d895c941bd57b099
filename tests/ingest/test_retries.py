"""A report that loses a race is tried again as a whole."""

from typing import Any

import pytest
from django.db import DatabaseError, connection

from bencher import clock
from ingest.models import Report
from series import last_seen
from series.models import SeriesLastSeen
from tests.factories import bmf, report_body
from tests.ingest.conftest import Post

pytestmark = pytest.mark.django_db

DEADLOCK, SERIALIZATION, FOREIGN_KEY, DISK_FULL = "40P01", "40001", "23503", "53100"


class Failing:
    """Lets the series be recorded, and then fails in the database so many times."""

    def __init__(self, code: str, *, times: int) -> None:
        self.code = code
        self.left = times
        self.calls = 0
        self.record = last_seen.record

    def __call__(self, **series: Any) -> int:
        self.calls += 1
        new = self.record(**series)
        if self.left:
            self.left -= 1
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{self.code}'; END $$")
        return new


class TestAccept:
    @pytest.mark.parametrize("code", [DEADLOCK, SERIALIZATION, FOREIGN_KEY])
    @pytest.mark.parametrize("times", [1, 2])
    def test_tries_again_and_stores_it_once(
        self, post: Post, monkeypatch: pytest.MonkeyPatch, code: str, times: int
    ) -> None:
        failing = Failing(code, times=times)
        monkeypatch.setattr(last_seen, "record", failing)

        response = post(report_body(bmf(2), bmf(2), end_time=clock.now()))

        assert response.status_code == 201
        assert response["X-New-Series"] == "2"
        assert failing.calls == times + 1
        assert Report.objects.count() == 1
        assert SeriesLastSeen.objects.count() == 2

    def test_gives_up_with_a_temporary_fault(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(last_seen, "record", Failing(DEADLOCK, times=9))

        response = post(report_body(bmf(2), end_time=clock.now()))

        assert response.status_code == 503
        assert response["Retry-After"] == "1"
        assert "try again" in response.json()["message"]
        assert Report.objects.count() == 0

    def test_does_not_repeat_what_would_fail_again(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = Failing(DISK_FULL, times=9)
        monkeypatch.setattr(last_seen, "record", failing)

        with pytest.raises(DatabaseError):
            post(report_body(bmf(2), end_time=clock.now()))

        assert failing.calls == 1
        assert Report.objects.count() == 0
