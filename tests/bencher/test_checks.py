"""Start-up checks, and what logs tell."""

import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import RequestFactory

from bencher import checks, clock
from bencher.logs import LineFormatter

LIVE = "sk_live_" + "x" * 24
STRIPE, PROXY = "https://api.stripe.com", "https://proxy.example"
SANDBOX = "http://127.0.0.1:12111"


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
    @pytest.mark.parametrize("kind", ["sk", "rk"])
    @pytest.mark.parametrize(
        ("mode", "host", "allowed", "expected"),
        [
            ("live", STRIPE, False, []),
            ("live", SANDBOX, False, ["bencher.E002"]),
            ("live", PROXY, False, ["bencher.E002"]),
            ("test", STRIPE, False, ["bencher.E003"]),
            ("test", PROXY, False, ["bencher.E003"]),
            ("test", STRIPE, True, []),
            ("test", SANDBOX, False, []),
        ],
    )
    def test_a_key_must_fit_its_host(
        self, settings: Any, kind: str, mode: str, host: str, allowed: bool, expected: list[str]
    ) -> None:
        settings.STRIPE_SECRET_KEY = f"{kind}_{mode}_" + "x" * 24
        settings.STRIPE_API_BASE = host
        settings.STRIPE_IS_SANDBOX = host == SANDBOX
        settings.STRIPE_ALLOW_TEST_KEY = allowed

        assert [error.id for error in checks.stripe_key_fits_host()] == expected

    def test_without_a_key_there_is_nothing_to_refuse(self, settings: Any) -> None:
        settings.STRIPE_SECRET_KEY = ""

        assert checks.stripe_key_fits_host() == []

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("pk_live_" + "x" * 24, "publishable"),
            ("whsec_" + "x" * 24, "secret of a webhook"),
            ("sk_live_" + "x" * 24 + "\n", "line break"),
            (" sk_live_" + "x" * 24, "space"),
            ("sk_live_short", "not the whole of one"),
            ('"sk_live_' + "x" * 24 + '"', "not a key of Stripe's"),
            ("sk_" + "x" * 32, "not a key of Stripe's"),
        ],
    )
    def test_what_is_no_key_is_refused_and_not_shown(
        self, settings: Any, key: str, words: str
    ) -> None:
        settings.STRIPE_SECRET_KEY = key

        (error,) = checks.stripe_key_fits_host()

        assert error.id == "bencher.E004"
        assert words in error.msg
        assert "xxx" not in f"{error.msg}{error.hint}"

    @pytest.mark.parametrize(
        ("host", "sandbox", "expected"),
        [
            ("http://proxy.example", False, ["bencher.E005"]),
            (PROXY, False, []),
            (SANDBOX, True, []),
        ],
    )
    def test_a_key_is_not_sent_in_the_clear(
        self, settings: Any, host: str, sandbox: bool, expected: list[str]
    ) -> None:
        settings.STRIPE_API_BASE, settings.STRIPE_IS_SANDBOX = host, sandbox

        assert [error.id for error in checks.stripe_host_is_private()] == expected

    @pytest.mark.parametrize(
        ("secret", "expected"),
        [("", []), ("whsec_" + "a" * 32, []), ("sk_live_" + "a" * 24, ["bencher.E006"])],
    )
    def test_a_signing_secret_must_be_one(
        self, settings: Any, secret: str, expected: list[str]
    ) -> None:
        settings.STRIPE_THIN_WEBHOOK_SECRET = secret

        assert [error.id for error in checks.thin_webhook_secret_is_one()] == expected

    @pytest.mark.parametrize(
        "command",
        [
            ["-c", "import bencher.wsgi"],
            ["-m", "celery", "-A", "bencher", "worker", "--pool", "solo"],
            ["-m", "celery", "-A", "bencher", "beat", "--schedule", "{tmp}/beat"],
            ["manage.py", "check"],
        ],
    )
    def test_no_process_starts_with_an_unfit_one(self, command: list[str], tmp_path: Path) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bencher.settings",
            "SECRET_KEY": "x",
            "STRIPE_SECRET_KEY": LIVE,
            "STRIPE_API_BASE": SANDBOX,
        }

        done = subprocess.run(
            [sys.executable, *(part.replace("{tmp}", str(tmp_path)) for part in command)],
            cwd=site_settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode != 0
        assert "STRIPE_SECRET_KEY is a live key" in done.stdout + done.stderr
        assert LIVE not in done.stdout + done.stderr


class TestLogs:
    def test_a_line_says_which(self) -> None:
        record = logging.makeLogRecord(
            {"msg": "meter event refused", "event": 7, "answer": {"status": 400}}
        )

        line = LineFormatter("%(message)s").format(record)

        assert line == "meter event refused event=7 answer={'status': 400}"

    def test_a_line_does_not_say_what_was_searched_for(self) -> None:
        # As Django logs what it refuses: with the request, whose address may name somebody.
        request = RequestFactory().get("/admin/tenancy/user/", {"q": "alice@example.com"})
        record = logging.makeLogRecord(
            {"msg": "Bad Request: /admin/tenancy/user/", "status_code": 400, "request": request}
        )

        line = LineFormatter("%(message)s").format(record)

        assert line == "Bad Request: /admin/tenancy/user/ status_code=400 method='GET'"
