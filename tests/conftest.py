"""Fixtures for every test: databases, the network block, the Stripe sandbox."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from celery import current_app
from celery.contrib.testing.worker import start_worker
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker
from pytest_socket import enable_socket, socket_allow_hosts
from redis import Redis

from tests import databases, web
from tests.stripe_sandbox import Sandbox
from tests.stripe_sandbox.server import listen

hypothesis_settings.register_profile(
    "fast",
    deadline=None,
    derandomize=True,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile(
    "full",
    deadline=None,
    max_examples=500,
    database=None,
    phases=list(Phase),
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# Tests of minutes. Begun last, they would leave all workers but one idle at the end.
_LONGEST = ("tests/year/", "tests/machine/", "tests/browser/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.nodeid.startswith(_LONGEST):
        return 0
    return 1 if item.get_closest_marker("slow") else 2


@pytest.fixture(scope="session")
def template_database(django_db_blocker: DjangoDbBlocker) -> str:
    """Return the name of the migrated template database."""
    with django_db_blocker.unblock():
        return databases.template()


@pytest.fixture(scope="session")
def django_db_setup(template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give each worker a clone of the template, in place of pytest-django's own set-up."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    databases.clone(name, of=template_database)
    with django_db_blocker.unblock(), databases.using(name):
        yield
    databases.drop(name)


@pytest.fixture
def committed_db(
    django_db_setup: None, template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Give a test a database of its own in which it may commit; yields its address."""
    with django_db_blocker.unblock(), databases.cloned(template_database):
        yield databases.url()


@pytest.fixture(autouse=True)
def only_this_machine() -> Iterator[None]:
    """Block every socket but Unix ones and 127.0.0.1."""
    socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True)
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Stripe's client repeat a failed call at once: it would wait up to two seconds."""
    client = stripe._http_client.HTTPClient
    monkeypatch.setattr(client, "_sleep_time_seconds", lambda *_, **__: 0)


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """Serve a fresh Stripe sandbox at STRIPE_API_BASE."""
    host, _, port = settings.STRIPE_API_BASE.removeprefix("http://").partition(":")
    sandbox = Sandbox()
    with listen(sandbox, host=host, port=int(port)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield sandbox
        server.shutdown()
        thread.join()


@pytest.fixture
def site(committed_db: str, settings: Any) -> Iterator[str]:
    """Serve the site over HTTP from a thread; yields its address, which is BASE_URL too."""
    with web.serving() as url:
        settings.BASE_URL = url
        yield url


@pytest.fixture
def worker(committed_db: str) -> Iterator[None]:
    """Run a real Celery worker on the real Redis from a thread."""
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        redis.flushdb()
    with start_worker(current_app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
        yield
