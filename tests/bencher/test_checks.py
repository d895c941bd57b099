"""Start-up checks, and what logs tell."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from bencher import checks, clock
from bencher.logs import LineFormatter

LIVE, TEST = "sk_live_" + "x" * 24, "sk_test_" + "x" * 24


@pytest.mark.django_db
class TestClock:
    def test_a_moved_clock_is_refused_outside_the_sandbox(self, settings: Any) -> None:
        clock.set_ahead(timedelta(days=1))

        settings.STRIPE_IS_SANDBOX = False

        (error,) = checks.clock_is_real(databases=["default"])
        assert error.id == "bencher.E001"

    def test_a_moved_clock_is_not_even_read_outside_the_sandbox(self, settings: Any) -> None:
        clock.set_ahead(timedelta(days=1))
        ahead = clock.now()

        settings.STRIPE_IS_SANDBOX = False

        assert ahead - clock.now() > timedelta(hours=23)
        with pytest.raises(clock.OffsetRefusedError):
            clock.set_ahead(timedelta(days=2))

    def test_it_is_fine_in_the_sandbox(self) -> None:
        clock.set_ahead(timedelta(days=1))

        assert checks.clock_is_real(databases=["default"]) == []

    def test_a_process_does_not_start_over_it(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock.set_ahead(timedelta(days=1))
        settings.STRIPE_IS_SANDBOX = False
        monkeypatch.setattr(connection, "close", lambda: None)

        with pytest.raises(ImproperlyConfigured, match="moved clock"):
            checks.refuse_moved_clock()


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "sandbox", "allowed", "expected"),
        [
            (LIVE, False, False, []),
            (LIVE, True, False, ["bencher.E002"]),
            (TEST, False, False, ["bencher.E003"]),
            (TEST, False, True, []),
            (TEST, True, False, []),
            ("", False, False, []),
        ],
    )
    def test_a_key_must_fit_its_host(
        self, settings: Any, key: str, sandbox: bool, allowed: bool, expected: list[str]
    ) -> None:
        settings.STRIPE_SECRET_KEY = key
        settings.STRIPE_IS_SANDBOX = sandbox
        settings.STRIPE_ALLOW_TEST_KEY = allowed

        assert [error.id for error in checks.stripe_key_fits_host()] == expected


class TestLogs:
    def test_a_line_says_which(self) -> None:
        record = logging.makeLogRecord(
            {"msg": "meter event refused", "event": 7, "answer": {"status": 400}}
        )

        line = LineFormatter("%(message)s").format(record)

        assert line == "meter event refused event=7 answer={'status': 400}"
