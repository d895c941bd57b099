"""A report needs neither Redis nor Celery: accepted at once, and the sweep posts what was lost."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from celery import current_app
from kombu.exceptions import OperationalError
from redis import Redis

from bencher import broker, clock
from bencher.rest import limiting
from billing import hints, sweep
from billing.models import MeterEvent, Plan
from billing.tasks import handle_webhooks
from ingest.models import Report
from tests.concurrency.conftest import Post
from tests.concurrency.stepping import PATIENCE_SECONDS, begin
from tests.factories import bmf, report_body

T = TypeVar("T")

# A frozen Redis costs its timeout of a fifth of a second twice, and a report some hundredths. The
# bound is twice that, for a machine that does other things; a retry or a hang costs far more.
BOUND_SECONDS = 1.0


class Silent:
    """A server on 127.0.0.1 that accepts connections and never answers: Redis, frozen."""

    def __init__(self, *, hangs_up: bool = False) -> None:
        self.accepted: list[socket.socket] = []
        self._hangs_up = hangs_up
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # Closed: the test is over.
                return
            self.accepted.append(connection)
            if self._hangs_up:
                connection.close()

    def close(self) -> None:
        """Stop listening and hang up; twice is once."""
        if self._thread.is_alive():
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._thread.join()
        for connection in self.accepted:
            connection.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Return a server that never answers."""
    server = Silent()
    yield server
    server.close()


@pytest.fixture
def hanging_up() -> Iterator[Silent]:
    """Return a server that hangs up on every caller, and so knows how often it was called."""
    server = Silent(hangs_up=True)
    yield server
    server.close()


@pytest.fixture
def refusing() -> str:
    """Return the address of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return f"redis://127.0.0.1:{port}/0"


@contextmanager
def celery_at(url: str) -> Iterator[None]:
    """Let Celery publish to another broker: it keeps its connections, so they are dropped."""
    before = current_app.conf.broker_url
    _point_celery_at(url)
    try:
        yield
    finally:
        _point_celery_at(before)


def _point_celery_at(url: str) -> None:
    current_app.conf.update(broker_url=url)
    # As a new process does; the stubs do not know it.
    current_app._after_fork()  # type: ignore[attr-defined]


def within_bounds(silent: Silent, act: Callable[[], T]) -> T:
    """Return what comes of something, or hang up on it and raise TimeoutError."""
    future = begin(act)
    try:
        return future.result(2 * BOUND_SECONDS)
    finally:
        # What waits goes on now, and must not do so in a later test.
        silent.close()
        wait([future], PATIENCE_SECONDS)


class TestAccept:
    @pytest.fixture
    def hinted(self) -> list[int]:
        """Send hints for real, in place of what takes them elsewhere."""
        return []

    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
        """Let hints and rate limits make clients anew, from the settings that the test changes."""
        settings.RATE_LIMIT_ADDRESS = settings.RATE_LIMIT_KEY = "1000/minute"
        monkeypatch.setattr(hints, "_client", [])
        monkeypatch.setattr(limiting, "_down_until", [0.0])
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            redis.flushdb()
            yield
            redis.flushdb()

    @pytest.fixture(autouse=True)
    def _warmed_up(self, plan: Plan, post: Post) -> None:
        """Import and connect what the first report of a process imports and connects."""
        assert post(report_body(bmf(1), end_time=clock.now())).status_code == 201
        hints.began(plan.organization_id)
        hints._client.clear()

    def accepted_in(self, post: Post) -> float:
        """Report five series and return how long that took."""
        body = report_body(bmf(5), end_time=clock.now())
        began = time.perf_counter()
        answer = post(body)
        took = time.perf_counter() - began
        assert answer.status_code == 201
        assert Report.objects.count() == 2
        return took

    def test_a_redis_that_refuses_costs_nothing(
        self, post: Post, refusing: str, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.REDIS_URL = refusing

        with celery_at(broker.celery_url(refusing)), caplog.at_level(logging.WARNING):
            took = self.accepted_in(post)

        assert took < BOUND_SECONDS
        assert "hint lost" in caplog.text

    def test_a_redis_that_never_answers_costs_its_timeout(
        self, post: Post, silent: Silent, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.REDIS_URL = silent.url

        with celery_at(broker.celery_url(silent.url)), caplog.at_level(logging.WARNING):
            took = self.accepted_in(post)

        # The rate limits ask first, then the hint; nobody asks twice.
        assert len(silent.accepted) == 2
        assert 2 * broker.TIMEOUT_SECONDS <= took < BOUND_SECONDS
        assert "rate limits are open" in caplog.text
        assert "hint lost" in caplog.text

    def test_a_broker_that_refuses_costs_nothing(
        self, post: Post, refusing: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with celery_at(refusing), caplog.at_level(logging.WARNING):
            took = self.accepted_in(post)

        assert took < BOUND_SECONDS
        assert "hint lost" in caplog.text

    def test_a_broker_that_hangs_up_is_called_once(
        self, post: Post, hanging_up: Silent, caplog: pytest.LogCaptureFixture
    ) -> None:
        with celery_at(hanging_up.url), caplog.at_level(logging.WARNING):
            self.accepted_in(post)

        assert len(hanging_up.accepted) == 1
        assert "hint lost" in caplog.text

    def test_a_redis_that_hangs_up_is_called_once_for_the_hint(
        self, post: Post, hanging_up: Silent, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.REDIS_URL = hanging_up.url
        settings.RATE_LIMIT_ADDRESS = settings.RATE_LIMIT_KEY = ""

        with caplog.at_level(logging.WARNING):
            self.accepted_in(post)

        assert len(hanging_up.accepted) == 1
        assert "hint lost" in caplog.text

    def test_a_broker_that_never_answers_costs_its_timeout(
        self, post: Post, silent: Silent, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As where Redis freezes between the two commands of a hint."""
        with celery_at(silent.url), caplog.at_level(logging.WARNING):
            took = within_bounds(silent, lambda: self.accepted_in(post))

        assert took < BOUND_SECONDS
        assert silent.accepted
        assert "hint lost" in caplog.text

    def test_no_worker_costs_nothing(self, post: Post) -> None:
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            redis.flushdb()

            took = self.accepted_in(post)

            # The hint waits in the queue, for a worker that may come.
            assert redis.llen(current_app.conf.task_default_queue) == 1
        assert took < BOUND_SECONDS

    def test_the_sweep_posts_what_the_hints_lost(
        self, plan: Plan, post: Post, refusing: str, settings: Any
    ) -> None:
        settings.REDIS_URL = refusing
        self.accepted_in(post)
        assert not MeterEvent.objects.exists()

        swept = sweep.run(on=clock.now().date())

        assert swept == sweep.Swept(plans=1, events=1, failed=0)
        assert MeterEvent.objects.get(period__plan=plan).value == 5

    def test_hints_come_again_once_redis_does(
        self, plan: Plan, post: Post, refusing: str, settings: Any
    ) -> None:
        alive = settings.REDIS_URL
        settings.REDIS_URL = refusing
        self.accepted_in(post)
        settings.REDIS_URL = alive
        hints._client.clear()

        assert hints.schedule(plan.organization_id)


class TestEnqueue:
    """A webhook is enqueued without a hint's Redis command before it."""

    def test_a_broker_that_never_answers_does_not_hold_a_webhook(self, silent: Silent) -> None:
        with celery_at(silent.url), pytest.raises(OperationalError):
            within_bounds(silent, handle_webhooks.delay)
