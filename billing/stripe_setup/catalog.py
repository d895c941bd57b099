"""What Stripe must hold for billing to work: meters, products, prices, portal, events.

Plain data, and what of it something at Stripe is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal

import msgspec
from django.conf import settings

from billing import gateway, pricing
from billing.receivers import WOKEN_BY

Tiers = Sequence[Mapping[str, Any]]

# What we make carries this key in its metadata, and is found by it again.
MARK = "bencher"
CURRENCY = "usd"
INTERVAL = "month"

# Volume tiers: base fee to 250 series, two step-ups, then a price for every series.
DEFAULT_TIERS: Tiers = [
    {"up_to": 250, "flat_amount": 10000},
    {"up_to": 375, "flat_amount": 15000},
    {"up_to": 500, "flat_amount": 20000},
    {"up_to": None, "unit_amount": 40},
]

# dj-stripe mirrors these too, for the page of invoices and for staff to see.
MIRRORED = (
    "customer.created",
    "customer.updated",
    "invoice.marked_uncollectible",
    "invoice.updated",
    "product.created",
    "product.updated",
    "price.created",
    "price.updated",
)
SNAPSHOT_EVENTS = frozenset((*WOKEN_BY, *MIRRORED))
THIN_EVENTS = frozenset(
    ("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")
)
# Where the thin ones are received.
THIN_PATH = "/stripe/meter-errors/"

PORTAL_MARK = "portal"
PORTAL = gateway.PortalFeatures(
    # Plans change through us, or the period would change under us.
    plan_switching=False,
    payment_method_update=True,
    invoice_history=True,
    cancel_at_period_end=True,
    # What is on invoices, and where they are sent.
    customer_update=("address", "email", "name", "tax_id"),
)


@dataclass(frozen=True, slots=True)
class WantedMeter:
    """A meter by the name of its events, and how values of one period make its usage."""

    event_name: str
    display_name: str
    formula: Literal["last", "sum"]


ACTIVE_SERIES = WantedMeter("active_series", "Active series", "last")
METRICS = WantedMeter("metrics", "Metrics", "sum")
RUNNER_MINUTES = WantedMeter("runner_minutes", "Runner minutes", "sum")
METERS = (ACTIVE_SERIES, METRICS, RUNNER_MINUTES)


@dataclass(frozen=True, slots=True)
class WantedProduct:
    """A product and the setting that names it; `unit_cents` is None where a ladder prices it."""

    mark: str
    id: str
    name: str
    setting: str
    meter: WantedMeter
    unit_cents: Decimal | None

    @property
    def configured_id(self) -> str:
        """Return the product that the environment names; empty while it is not sold."""
        found: str = getattr(settings, self.setting)
        return found


PRO = WantedProduct(
    "pro", "prod_pro", "Bencher Pro", "ACTIVE_SERIES_PRODUCT", ACTIVE_SERIES, unit_cents=None
)
PRODUCTS = (
    PRO,
    WantedProduct("team", "prod_team", "Bencher Team", "TEAM_PRODUCT", METRICS, Decimal(1)),
    WantedProduct(
        "enterprise",
        "prod_enterprise",
        "Bencher Enterprise",
        "ENTERPRISE_PRODUCT",
        METRICS,
        Decimal(5),
    ),
    WantedProduct(
        "bare-metal",
        "prod_bare_metal",
        "Bencher bare metal",
        "BARE_METAL_PRODUCT",
        RUNNER_MINUTES,
        # 1.00 an hour by the minute, with as many places as Stripe keeps.
        Decimal("1.666666666667"),
    ),
)


def ladder(tiers: Tiers) -> pricing.Ladder:
    """Return what tiers amount to. Raises LadderError where they can't be billed by."""
    return pricing.ladder(dict(tier) for tier in tiers)


def read_ladder(text: str | bytes) -> Tiers:
    """Return the tiers in a JSON text, written as Stripe writes them.

    Raises LadderError for what is no ladder, or none that can be billed by.
    """
    try:
        tiers = msgspec.json.decode(text, type=list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise pricing.LadderError(
            'The ladder is not a list of tiers such as {"up_to": 250, "flat_amount": 10000}:'
            f" {error}."
        ) from error
    known = {"up_to", "flat_amount", "flat_amount_decimal", "unit_amount", "unit_amount_decimal"}
    for tier in tiers:
        if unknown := set(tier) - known:
            raise pricing.LadderError(f"A tier has no field {', '.join(sorted(unknown))}.")
    read = [
        tier | {"up_to": None if tier.get("up_to") == "inf" else tier.get("up_to")}
        for tier in tiers
    ]
    try:
        ladder(read)
    except (ArithmeticError, TypeError, AttributeError) as error:
        raise pricing.LadderError("A tier has an end or an amount that is no number.") from error
    return read


def price_parameters(
    wanted: WantedProduct, *, product_id: str, meter_id: str, tiers: Tiers
) -> dict[str, Any]:
    """Return the terms of a product's price as Stripe takes them."""
    terms: dict[str, Any] = {
        "product": product_id,
        "currency": CURRENCY,
        "recurring": {"interval": INTERVAL, "usage_type": "metered", "meter": meter_id},
        "metadata": {MARK: wanted.mark},
    }
    if wanted.unit_cents is not None:
        return terms | {"billing_scheme": "per_unit", "unit_amount_decimal": str(wanted.unit_cents)}
    return terms | {
        "billing_scheme": "tiered",
        "tiers_mode": "volume",
        "tiers": [{**tier, "up_to": tier["up_to"] or "inf"} for tier in tiers],
    }


def meter_differences(found: gateway.Meter, wanted: WantedMeter) -> list[str]:
    """Return in what a meter is not what is wanted, a phrase each; archived or not is apart."""
    wrong = []
    if found.formula != wanted.formula:
        wrong.append(f"it takes the {found.formula} of a period, not the {wanted.formula}")
    if found.window:
        wrong.append(f"it keeps only the last event of each {found.window}")
    if (found.customer_key, found.value_key) != ("stripe_customer_id", "value"):
        wrong.append(f"it reads {found.customer_key} and {found.value_key} from events")
    return wrong


def price_differences(
    price: gateway.Price, wanted: WantedProduct, *, meter_id: str, tiers: Tiers | None
) -> list[str]:
    """Return in what a price is not what is wanted, a phrase each.

    Any ladder that can be billed by will do where no tiers are given.
    """
    found = []
    if not price.active:
        found.append("it is archived")
    if price.currency != CURRENCY:
        found.append(f"its currency is {price.currency}, not {CURRENCY}")
    if price.interval != INTERVAL:
        found.append(f"it is billed by the {price.interval or 'purchase'}, not by the {INTERVAL}")
    if price.meter_id != meter_id:
        found.append(f"it is not billed on the meter {wanted.meter.event_name}")
    if wanted.unit_cents is None:
        found.extend(_ladder_differences(price, tiers))
    elif price.unit_cents != wanted.unit_cents:
        found.append(f"a unit costs {price.unit_cents} cents, not {wanted.unit_cents}")
    return found


def _ladder_differences(price: gateway.Price, tiers: Tiers | None) -> list[str]:
    if price.tiers_mode != "volume":
        return [f"its tiers_mode is {price.tiers_mode or 'none'}, not volume"]
    try:
        found = pricing.ladder(price.tiers)
    except pricing.LadderError as error:
        return [f"its ladder can't be billed by: {error}"]
    if tiers is not None and found != ladder(tiers):
        return ["its ladder is another one"]
    return []


def once(*parts: object) -> str:
    """Return an idempotency key for making one thing: the same parts make it only once.

    The parts name what is there already, so what was removed can be made again.
    """
    return "bencher-setup-" + sha256(msgspec.json.encode(parts, enc_hook=str)).hexdigest()[:32]
