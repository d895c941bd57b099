"""Moving a sandbox through time, doing at each instant what beat would have done.

Steps through every instant that matters: what the Stripe sandbox has due, the nightly sweep, and
the minutes around the end of each period. Stripe's clock moves first and ours follows, so no
event is ever stamped in Stripe's future.
"""

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import requests
from celery import current_app
from django.conf import settings
from redis import Redis

from bencher import clock
from billing import noticing, tasks
from billing.models import BillingPeriod, Verification

# Within the five minutes in which pre-close posts.
PRE_CLOSE_LEAD = timedelta(minutes=4)
_HTTP_TIMEOUT_SECONDS = 60
_IDLE_TIMEOUT_SECONDS = 60
_POLL_SECONDS = 0.02

Say = Callable[[str], None]


class TravelError(RuntimeError):
    """Time can't be moved; the message says why and what to do."""


def sandbox_clock() -> timedelta:
    """Return how far the Stripe sandbox's clock is ahead of the real one."""
    return timedelta(seconds=_control("GET", "clock")["offset"])


def follow() -> None:
    """Set our clock to the sandbox's, as after both were started again."""
    clock.set_ahead(sandbox_clock())


def advance(*, to: datetime, say: Say) -> int:
    """Move both clocks forward to an instant and return how many steps it took.

    Raises TravelError where the host is not the sandbox or the workers do not keep up.
    """
    if not settings.STRIPE_IS_SANDBOX:
        raise TravelError("Time moves only in the sandbox: STRIPE_API_BASE is Stripe's own host.")
    now = clock.now()
    if to <= now:
        raise TravelError(f"It is {now:%FT%TZ} already; time moves forward only.")
    steps = 0
    while (now := clock.now()) < to:
        at = min(to, *_instants(after=now))
        _step(at, say=say, is_last_night=at + timedelta(days=1) > to)
        steps += 1
    return steps


def _step(at: datetime, *, say: Say, is_last_night: bool) -> None:
    _move_stripe_to(at)
    follow()
    if at.time().replace(microsecond=0) == settings.BILLING_SWEEP_AT:
        say(f"{at:%F %T} nightly sweep")
        _run(tasks.nightly_sweep)
        _run(tasks.nightly_days)
        if is_last_night:
            # In the nights before it would find the same, and asks Stripe for every figure.
            _run(tasks.nightly_reconcile)
            _run(tasks.nightly_prune)
        _run(tasks.send_notices)
        return
    say(f"{at:%F %T}")
    _run(tasks.sync_plans)
    _run(tasks.pre_close, tasks.close_periods)
    _run(tasks.store_metered_usage, everything=True)
    _run(tasks.send_meter_events)
    _run(tasks.verify_closings)
    _run(tasks.sync_plans)
    _run(tasks.send_notices)


def _move_stripe_to(at: datetime) -> None:
    """Move the sandbox's clock to an instant, unless it has got there by itself meanwhile."""
    wanted = math.ceil(at.timestamp())
    if _control("GET", "clock")["now"] >= wanted:
        return
    try:
        _control("POST", "clock", to=wanted)
    except TravelError:
        # It refuses to go back, and it went on while it was asked.
        if _control("GET", "clock")["now"] < wanted:
            raise


def _instants(*, after: datetime) -> Iterator[datetime]:
    due = _control("GET", "next")["at"]
    if due is not None:
        # Rounded up: the sandbox has done it by then, whatever the fraction.
        yield max(datetime.fromtimestamp(due + 1, tz=UTC), after + timedelta(seconds=1))
    sweep = datetime.combine(after.date(), settings.BILLING_SWEEP_AT, tzinfo=UTC)
    yield sweep if sweep > after else sweep + timedelta(days=1)
    for ends_at in BillingPeriod.objects.filter(state=BillingPeriod.State.OPEN).values_list(
        "ends_at", flat=True
    ):
        for lead in (-noticing.TRIAL_ENDS_WITHIN, -PRE_CLOSE_LEAD, settings.BILLING_CLOSE_DELAY):
            if ends_at + lead > after:
                yield ends_at + lead
    yield from Verification.objects.filter(
        verified_at=None, period__state=BillingPeriod.State.FROZEN, next_check_at__gt=after
    ).values_list("next_check_at", flat=True)


def _run(*found: Any, **wanted: Any) -> None:
    """Enqueue tasks and wait until they are done, and what they enqueued in turn."""
    waiting = f"advance:{uuid4()}"
    for task in found:
        task.delay(waiting=waiting, **wanted)
    with _patient_redis() as redis:
        for _ in found:
            if redis.blpop([waiting], timeout=_IDLE_TIMEOUT_SECONDS) is None:
                raise TravelError("A task was not done after a minute: is a worker running?")
    wait_until_idle()


def _patient_redis() -> Redis:
    """Return a client that waits for an answer for as long as we wait for a task.

    By default it gives up after a few seconds, with an error that says nothing of workers.
    """
    return Redis.from_url(settings.REDIS_URL, socket_timeout=_IDLE_TIMEOUT_SECONDS + 5)


def wait_until_idle() -> None:
    """Wait until the workers have done everything that is enqueued. Raises TravelError."""
    redis = Redis.from_url(settings.REDIS_URL)
    deadline = time.monotonic() + _IDLE_TIMEOUT_SECONDS
    queue = current_app.conf.task_default_queue
    while redis.llen(queue) or redis.hlen("unacked"):
        if time.monotonic() > deadline:
            raise TravelError("Tasks are still waiting after a minute: is a worker running?")
        time.sleep(_POLL_SECONDS)


def _control(method: str, what: str, **body: Any) -> dict[str, Any]:
    url = f"{settings.STRIPE_API_BASE}/_sandbox/{what}"
    try:
        response = requests.request(method, url, json=body or None, timeout=_HTTP_TIMEOUT_SECONDS)
        response.raise_for_status()
    except requests.RequestException as error:
        raise TravelError(f"The Stripe sandbox does not answer at {url}: {error}") from error
    answer: dict[str, Any] = response.json()
    return answer
