"""Makes at Stripe what billing needs, and tells what is missing or different there.

Everything is found again before it is made, so `run` may be called any number of times. Of two
runs at once on one database the second waits; on two databases, what both find missing is made
under one idempotency key.
"""

from collections.abc import Iterator
from contextlib import nullcontext

from bencher import db
from billing import gateway
from billing.stripe_setup import goods, webhooks
from billing.stripe_setup.catalog import PRODUCTS, Tiers, ladder
from billing.stripe_setup.steps import Making, Outcome, SetupError, Step

__all__ = ["Outcome", "SetupError", "Step", "run"]


def run(*, dry_run: bool = False, tiers: Tiers | None = None) -> Iterator[Step]:
    """Make what is missing and change what differs; yields each thing as it is done.

    `tiers` is the ladder that Pro is to be sold at; without it the one that is there stays, and
    the default one is made where there is none. Raises LadderError for a ladder that can't be
    billed by, SetupError, NotConfiguredError, TemporaryError and RefusedError.
    """
    if tiers is not None:
        ladder(tiers)
    making = Making(stripe=gateway.connect(), dry_run=dry_run)
    # An endpoint that another run has made, and whose secret it has not stored yet, looks like one
    # that can't be used.
    with nullcontext() if dry_run else db.session_lock("billing.stripe_setup", wait=True):
        yield from _make(making, tiers)


def _make(making: Making, tiers: Tiers | None) -> Iterator[Step]:
    meter_ids = {}
    for meter, step in goods.meters(making):
        meter_ids[meter] = step.id
        yield step
    existing = making.stripe.products()
    for wanted in PRODUCTS:
        product, step = goods.product(making, wanted, existing)
        yield step
        yield from goods.price(
            making, wanted, product, meter_id=meter_ids[wanted.meter], tiers=tiers
        )
    yield goods.portal(making)
    yield from webhooks.endpoint(making)
    yield webhooks.destination(making)
