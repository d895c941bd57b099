"""The sender: takes stored meter events to Stripe, each at least once, in order per customer.

One sender at a time holds a lease, so one limiter and one order suffice. An event is claimed by a
committed update, sent outside any transaction, and its answer is stored in another. "Identifier
already exists" means it was delivered before. Leases and back-off run on the real clock: they
bound real waiting.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from django.db import connection

from bencher import clock
from billing import claims, gateway
from billing.claims import Attempt, Claimed, Outcome
from billing.lease import Lease

logger = logging.getLogger(__name__)

THREADS = 16
# Under Stripe's 1,000 a second in live mode; test mode counts toward the general limit of 25.
LIVE_EVENTS_PER_SECOND = 900
TEST_EVENTS_PER_SECOND = 20
# A crash forgets at most so many answers, and costs so many repeats.
_STORED_AT_ONCE = 50
_LOST_ORDER = (Outcome.UNANSWERED, Outcome.PUT_OFF, Outcome.KEY_REFUSED)


@dataclass(frozen=True, slots=True)
class Sent:
    """How sending went; what another sender took over meanwhile is not counted."""

    delivered: int = 0
    retried: int = 0
    rejected: int = 0
    undecided: int = 0


def send(stripe: gateway.Gateway, *, per_second: float) -> Sent:
    """Send everything that is due, at most so many calls a second.

    Returns at once where another sender holds the lease, or Stripe did not take our key of late.
    """
    lease = Lease()
    if not lease.hold():
        return Sent()
    sender = _Sender(stripe, lease, limiter(per_second))
    try:
        sender.retire()
        while not sender.is_stopped and lease.hold():
            claimed = claims.claim(batch=1 if lease.is_probing else claims.BATCH)
            if not claimed:
                break
            sender.send(claimed)
    finally:
        lease.release()
    return sender.sent()


class _Sender:
    """One run of sending."""

    def __init__(self, stripe: gateway.Gateway, lease: Lease, wait: Callable[[], None]) -> None:
        self._stripe = stripe
        self._lease = lease
        self._wait = wait
        self._stopped = threading.Event()
        self._counts: Counter[str] = Counter()

    @property
    def is_stopped(self) -> bool:
        """Tell whether nothing more is to be claimed."""
        return self._stopped.is_set()

    def sent(self) -> Sent:
        """Return how it went so far."""
        count = self._counts
        return Sent(
            delivered=count[Outcome.DELIVERED],
            retried=count[Outcome.UNANSWERED] + count[Outcome.PUT_OFF],
            rejected=count[Outcome.REJECTED] + count[Outcome.EXPIRED],
            undecided=count["undecided"],
        )

    def retire(self) -> None:
        """Take out what must not be sent any more, loudly."""
        for event in (expired := claims.expire()):
            logger.critical("meter event expired and is not billed", extra={"event": event})
        for event in (undecided := claims.leave_undecided()):
            logger.error("nobody knows whether Stripe has an event", extra={"event": event})
        self._counts[Outcome.EXPIRED] += len(expired)
        self._counts["undecided"] += len(undecided)

    def send(self, claimed: Sequence[Claimed]) -> None:
        """Send a batch, its streams side by side, and store the answers as they come."""
        with ThreadPoolExecutor(max_workers=THREADS) as pool:
            running = [pool.submit(self._stream, stream) for stream in _streams(claimed)]
            try:
                done: list[Attempt] = []
                for future in as_completed(running):
                    done += future.result()
                    if len(done) >= _STORED_AT_ONCE:
                        self._store(done)
                        done = []
                self._store(done)
            except BaseException:
                # What is under way ends, and nothing more begins.
                self._stopped.set()
                raise

    def _stream(self, events: Iterable[Claimed]) -> list[Attempt]:
        """Send the events of one customer and meter one by one, up to the first failure."""
        attempts: list[Attempt] = []
        is_cut = False
        for event in events:
            is_cut = is_cut or self.is_stopped
            if not is_cut:
                self._wait()
            if is_cut or not self._lease.allows_calls():
                attempts.append(Attempt(event, Outcome.UNTRIED, None))
                continue
            attempt = _attempt(self._stripe, event)
            attempts.append(attempt)
            is_cut = attempt.outcome in _LOST_ORDER
            if attempt.outcome is Outcome.KEY_REFUSED:
                self._stopped.set()
        return attempts

    def _store(self, attempts: Sequence[Attempt]) -> None:
        if not attempts:
            return
        stored = claims.store(attempts)
        for attempt in attempts:
            if attempt.event.id in stored:
                self._counts[attempt.outcome] += 1
                _tell(attempt)
            elif attempt.outcome is not Outcome.UNTRIED:
                logger.warning(
                    "another sender took an event over", extra={"event": attempt.event.id}
                )
        self._heed_key(attempts)

    def _heed_key(self, attempts: Sequence[Attempt]) -> None:
        refused = [found for found in attempts if found.outcome is Outcome.KEY_REFUSED]
        if refused:
            answer = refused[0].answer or {}
            logger.critical("sending pauses: Stripe refuses our key", extra={"answer": answer})
            self._lease.pause(str(answer.get("message", "")) or "Stripe refuses our key.")
        elif self._lease.is_probing and any(
            found.outcome in (Outcome.DELIVERED, Outcome.REJECTED) for found in attempts
        ):
            self._lease.go_on()


def _streams(claimed: Iterable[Claimed]) -> Iterator[list[Claimed]]:
    streams: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
    for event in claimed:
        streams[event.stripe_customer_id, event.meter].append(event)
    for stream in streams.values():
        yield sorted(stream, key=lambda event: event.place)


def _attempt(stripe: gateway.Gateway, event: Claimed) -> Attempt:
    try:
        return Attempt(event, *_post(stripe, event))
    except Exception as error:
        # One event that can't even be asked about must not keep the others back.
        logger.exception("meter event could not be sent", extra={"event": event.id})
        return Attempt(event, Outcome.UNANSWERED, {"message": repr(error)})


def _post(stripe: gateway.Gateway, event: Claimed) -> tuple[Outcome, gateway.Answer]:
    try:
        answer = stripe.post_meter_event(
            event_name=event.meter,
            customer_id=event.stripe_customer_id,
            value=event.value,
            timestamp=event.timestamp,
            identifier=event.identifier,
        )
    except gateway.KeyRefusedError as error:
        return Outcome.KEY_REFUSED, error.answer
    except gateway.TemporaryError as error:
        # Too many calls: the one thing that Stripe says instead of doing what it was asked.
        is_certain = error.answer.get("status") == 429
        return Outcome.PUT_OFF if is_certain else Outcome.UNANSWERED, error.answer
    except gateway.RefusedError as error:
        return _refused(error), error.answer
    return Outcome.DELIVERED, answer


def _refused(error: gateway.RefusedError) -> Outcome:
    if error.is_duplicate:
        return Outcome.DELIVERED
    too_old = error.answer.get("code") == "timestamp_too_far_in_past" or (
        "more than 35 days in past" in str(error.answer.get("message"))
    )
    return Outcome.EXPIRED if too_old else Outcome.REJECTED


def _tell(attempt: Attempt) -> None:
    extra = {"event": attempt.event.id, "answer": attempt.answer}
    if attempt.outcome is Outcome.REJECTED:
        logger.error("meter event refused", extra=extra)
    elif attempt.outcome is Outcome.EXPIRED:
        logger.critical("meter event expired and is not billed", extra=extra)


def limiter(per_second: float) -> Callable[[], None]:
    """Return a function that waits until one more call may be made; for all threads together."""
    lock, interval = threading.Lock(), 1 / per_second
    free_at = time.monotonic()

    def wait() -> None:
        nonlocal free_at
        with lock:
            mine = max(free_at, time.monotonic())
            free_at = mine + interval
        time.sleep(max(0.0, mine - time.monotonic()))

    return wait


def waiting() -> dict[str, Any]:
    """Return how many events wait and how old the oldest count among them is, in seconds.

    Of those that staff hold back there is only the number: `held_back`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE NOT is_held),
                   extract(epoch FROM {clock.sql()} - min(counted_at) FILTER (WHERE NOT is_held)),
                   count(*) FILTER (WHERE is_held)
            FROM (SELECT counted_at, {claims.HELD_BACK} AS is_held
                  FROM billing_meterevent WHERE {claims.TO_SEND}) waiting
            """  # noqa: S608 - the clock is an expression of our own
        )
        row = cursor.fetchone()
    assert row is not None
    return {
        "events": row[0],
        "oldest_seconds": None if row[1] is None else float(row[1]),
        "held_back": row[2],
    }
