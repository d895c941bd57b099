"""Sending what is stored: how many events a second the sender takes to Stripe, limit aside."""

from collections.abc import Iterator
from time import sleep
from typing import Any

from bencher import clock
from billing import gateway, outbox
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.sweeping import CUSTOMERS, TENANTS
from tests.performance.world import run, settle

# How long a call to Stripe takes, about.
CALL_SECONDS = 0.05
NO_LIMIT = 1e9

EVENTS = """
INSERT INTO billing_meterevent
    (meter, organization_id, customer_id, source_uuid, value, timestamp, identifier, reason,
     counted_at, attempts)
SELECT 'metrics', organization_id, id, gen_random_uuid(), 1,
       %(now)s::timestamptz - number * interval '1 second', gen_random_uuid(), 'usage', %(now)s, 0
FROM generate_series(1, %(events)s) number
JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM billing_billingcustomer) customer
  ON place = 1 + number %% (SELECT count(*) FROM billing_billingcustomer)
"""


class Stripe(gateway.Gateway):
    """Stripe as far as the sender sees it: it answers after a while, and there is no network."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def post_meter_event(self, **event: Any) -> gateway.Answer:
        """Take an event."""
        sleep(self._seconds)
        return {"status": 200, **{name: str(value) for name, value in event.items()}}


def benchmark(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare a Stripe that answers at once with one that takes its time."""
    for statement, parameters in ((TENANTS, {"plans": sizes.customers}), (CUSTOMERS, {})):
        run(statement, now=clock.now(), **parameters)
    events = sizes.customers * sizes.events_each

    def fill() -> None:
        run("DELETE FROM billing_meterevent")
        run(EVENTS, now=clock.now(), events=events)
        settle("billing_meterevent")

    def send(seconds: float) -> None:
        sent = outbox.send(Stripe(seconds), per_second=NO_LIMIT)
        assert sent == outbox.Sent(delivered=events)

    yield compare(
        f"sending {events:,} events of {sizes.customers:,} customers",
        [
            Way("Stripe answers at once", lambda _: send(0), prepare=fill),
            Way("Stripe answers after 50 ms", lambda _: send(CALL_SECONDS), prepare=fill),
        ],
        rounds=sizes.send_rounds,
        progress=progress,
        amount=events,
        unit="events",
    )
