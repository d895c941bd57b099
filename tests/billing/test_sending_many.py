"""Sending 5,000 events: each once, in order per customer, closing values first, not too fast."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from billing import claims, gateway, outbox
from billing.models import MeterEvent
from tests.billing.conftest import make_subscriber
from tests.billing.test_outbox import at_stripe, meter_calls, post
from tests.stripe_sandbox import Sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CUSTOMERS, CLOSING, EVENTS = 30, 12, 5_000
PER_SECOND = 900.0


class FakeTime:
    """A clock that stands still; it notes how long each call is told to wait from its beginning."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Return the clock of the limiter."""
    fake = FakeTime()
    monkeypatch.setattr(outbox, "time", fake)
    return fake


def fill(shop: Sandbox) -> None:
    """Store closing values of some customers, and what thousands of reports of all were worth."""
    shop.switches.meter_events_per_second = 0
    for number in range(CUSTOMERS):
        plan, _ = make_subscriber(f"globex {number}")
        at_stripe(plan)
        if number >= CUSTOMERS - CLOSING:
            closing = post(plan)
            MeterEvent.objects.filter(pk=closing.pk).update(reason="close")
    with connection.cursor() as cursor:
        # Stored in another order than the one in which they happened.
        cursor.execute(
            """
            INSERT INTO billing_meterevent
                (meter, organization_id, customer_id, source_uuid, value, timestamp, identifier,
                 reason, counted_at, attempts)
            SELECT 'metrics', organization_id, id, gen_random_uuid(), number,
                   date_trunc('second', now()) - (number * 37 %% 5000) * interval '1 second',
                   'metrics-' || number, 'usage', now(), 0
            FROM generate_series(1, %(usage)s) number
            JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place
                  FROM billing_billingcustomer) customer
              ON place = 1 + number %% (SELECT count(*) FROM billing_billingcustomer)
            """,
            {"usage": EVENTS - CLOSING},
        )
        cursor.execute("ANALYZE billing_meterevent")


def test_many_events_are_sent_once_each_in_order_and_not_too_fast(
    shop: Sandbox, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that is busy may leave a call without an answer; it is repeated at once.
    monkeypatch.setattr(claims, "_backoff", lambda _: 0.0)
    # Fewer than there are customers and meters, so that closing values are not in it by chance.
    monkeypatch.setattr(claims, "BATCH", CUSTOMERS + CLOSING - 2)
    fill(shop)

    sent = outbox.send(gateway.connect(), per_second=PER_SECOND)

    assert sent.delivered == EVENTS
    assert not MeterEvent.objects.filter(sent_at=None).exists()
    taken = [call for call in meter_calls(shop) if call.applied and call.status in (0, 200)]
    stored = MeterEvent.objects.values_list("identifier", "value")
    assert len(taken) == EVENTS
    assert Counter((call.params["identifier"], _value(call)) for call in taken) == Counter(stored)
    _check_order(taken)
    _check_closing_first(taken)
    _check_pace(fake_time)


def _check_order(taken: list[Any]) -> None:
    streams: dict[tuple[str, str], list[int]] = defaultdict(list)
    for call in taken:
        customer = call.params["payload"]["stripe_customer_id"]
        streams[customer, call.params["event_name"]].append(int(call.params["timestamp"]))
    assert len(streams) == CUSTOMERS + CLOSING
    assert all(stamps == sorted(stamps) for stamps in streams.values())


def _check_closing_first(taken: list[Any]) -> None:
    closing = set(MeterEvent.objects.filter(reason="close").values_list("identifier", flat=True))
    first_batch = {call.params["identifier"] for call in taken[: claims.BATCH]}
    assert len(closing) == CLOSING
    assert closing <= first_batch


def _check_pace(fake_time: FakeTime) -> None:
    """Check that no two calls were let go closer than the limit has it, across all batches."""
    waits = sorted(fake_time.waits)
    assert len(waits) >= EVENTS
    # What a float of some seconds can be off by.
    assert all(after - before >= 1 / PER_SECOND - 1e-9 for before, after in pairwise(waits))


def _value(call: Any) -> int:
    return int(call.params["payload"]["value"])
