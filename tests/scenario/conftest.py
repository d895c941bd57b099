"""A running product: site, worker, Redis, PostgreSQL and the sandbox, all over real sockets."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import requests
from celery import current_app
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish, task_postrun
from django.core.management import call_command
from redis import Redis

from bencher import clock, time_travel
from bencher.demo.browser import Browser
from billing import hints, stripe_setup
from billing.models import BillingPeriod
from tests.factories import bmf, report_body
from tests.stripe_sandbox import Sandbox

# Only a test that has failed waits this long.
PATIENCE_SECONDS = 60.0
Worker = Callable[[], AbstractContextManager[None]]


class Tally:
    """Counts the tasks that were enqueued and those that are done; site and worker are threads.

    Redis cannot be asked instead: a task that the worker has taken and not yet noted as taken is
    in no list for a moment, and on a busy machine time then moved on before a sweep had begun.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = 0

    def enqueued(self, **_: object) -> None:
        """Note a task that is about to be enqueued."""
        with self._changed:
            self._open += 1

    def finished(self, **_: object) -> None:
        """Note a task that is done."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def forget(self) -> None:
        """Note that what was enqueued is lost."""
        with self._changed:
            self._open = 0

    def wait_until_idle(self) -> None:
        """Wait until everything that was enqueued is done."""
        with self._changed:
            idle = self._changed.wait_for(lambda: self._open == 0, PATIENCE_SECONDS)
        assert idle, "tasks are still waiting"


@dataclass
class Customer:
    """Acme: its leader's browser, and what CI needs to report to its two projects."""

    browser: Browser
    slug: str
    leader: dict[str, Any]
    private: dict[str, Any]
    public: dict[str, Any]
    url: str

    def start_checkout(self) -> None:
        """Sign in, start the trial and arrive at Stripe's hosted checkout."""
        self.browser.open("/sign-in/")
        self.browser.submit(
            "Sign in", login=self.leader["leader"], password=self.leader["password"]
        )
        self.browser.open(f"/organizations/{self.slug}/billing/plan/")
        self.browser.submit("trial")

    def subscribe(self) -> None:
        """Start the trial, complete the checkout and come back from it."""
        self.start_checkout()
        self.browser.submit("test card 4242", terms="accepted")

    def subscribe_and_vanish(self) -> None:
        """Start the trial and complete the checkout, but never come back from it."""
        self.start_checkout()
        requests.post(
            self.browser.url,
            data={"card": "4242", "terms": "accepted"},
            timeout=30,
            allow_redirects=False,
        ).raise_for_status()

    def report(self, benchmarks: int, *, to: dict[str, Any], testbed: str = "ci") -> None:
        """Post a report of that many series, as CI does."""
        response = requests.post(
            f"{self.url}/v0/projects/{to['slug']}/reports",
            json=report_body(bmf(benchmarks), end_time=clock.now(), testbed=testbed),
            headers={"Authorization": f"Bearer {to['key']}"},
            timeout=30,
        )
        assert response.status_code == 201, response.text

    def figure(self) -> str:
        """Return the number of active series that the billing page shows."""
        self.browser.open(f"/organizations/{self.slug}/billing/")
        return self.browser.text("section[aria-labelledby=usage] .figure")

    def newest_invoice(self) -> str:
        """Return the first line of the page of invoices."""
        self.browser.open(f"/organizations/{self.slug}/billing/invoices/")
        return self.browser.text("section[aria-labelledby=invoices] tbody tr")


@pytest.fixture(autouse=True)
def _short(settings: Any) -> None:
    """Post without a wait, and try for three days: thirty nights prove no more than three."""
    settings.BILLING_POST_INTERVAL = timedelta(0)
    settings.PRO_TRIAL_DAYS = 3


@pytest.fixture(autouse=True)
def tally(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tally]:
    """Begin and end with an empty Redis; tell when the workers are idle from what is enqueued."""
    monkeypatch.setattr(hints, "_client", [])
    tally = Tally()
    monkeypatch.setattr(time_travel, "wait_until_idle", tally.wait_until_idle)
    before_task_publish.connect(tally.enqueued)
    task_postrun.connect(tally.finished)
    forget_hints(tally)
    yield tally
    before_task_publish.disconnect(tally.enqueued)
    task_postrun.disconnect(tally.finished)
    forget_hints(tally)


@pytest.fixture
def customer(site: str, sandbox: Sandbox) -> Customer:
    """Return Acme, which has a private and a public project and no plan yet."""
    list(stripe_setup.run())
    leader = _command("add_organization", "Acme", leader="alice@example.com")
    return Customer(
        browser=Browser(site),
        slug=leader["slug"],
        leader=leader,
        private=_command("add_project", leader["slug"], "Engine", private=True),
        public=_command("add_project", leader["slug"], "Playground"),
        url=site,
    )


@pytest.fixture
def run_worker(site: str) -> Worker:
    """Return a context in which a Celery worker runs, for the stories in which one dies."""

    @contextmanager
    def run() -> Iterator[None]:
        with start_worker(current_app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
            yield

    return run


def forget_hints(tally: Tally) -> None:
    """Empty Redis, as where it was started again: what was enqueued is lost."""
    tally.forget()
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        redis.flushdb()


def advance(to: datetime) -> None:
    """Move time forward, doing at each instant what beat would have done."""
    time_travel.advance(to=to, say=lambda _: None)


def open_period() -> BillingPeriod:
    """Return the period that is running."""
    now = clock.now()
    return BillingPeriod.objects.get(starts_at__lte=now, ends_at__gt=now)


def _command(*arguments: str, **options: Any) -> dict[str, Any]:
    output = StringIO()
    call_command(*arguments, **options, stdout=output)
    answer: dict[str, Any] = json.loads(output.getvalue())
    return answer
