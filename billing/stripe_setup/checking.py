"""Tells, line by line, what at Stripe or in the environment is not as billing needs it.

It writes nothing, with one exception: a real account in test mode is asked what an unused period
costs (`flat_fee`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings

from billing import gateway, money
from billing.stripe_setup import catalog, flat_fee, goods, webhooks
from billing.stripe_setup.catalog import MARK, Tiers, WantedProduct


class State(StrEnum):
    """How one thing stands."""

    OK = "ok"
    MISSING = "missing"
    DIFFERENT = "different"
    NOT_PROVEN = "not proven"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, how it stands, and what is to be known or done about it."""

    state: State
    what: str
    detail: str = ""

    @property
    def is_wrong(self) -> bool:
        """Tell whether somebody has to do something before anything is sold."""
        return self.state in (State.MISSING, State.DIFFERENT)


def run(*, now: datetime, tiers: Tiers | None = None) -> Iterator[Finding]:
    """Look at everything; yields each finding as it is made.

    With `tiers`, Pro must be sold at just that ladder. Raises LadderError for one that can't be
    billed by, NotConfiguredError, TemporaryError and RefusedError.
    """
    if tiers is not None:
        catalog.ladder(tiers)
    stripe = gateway.connect()
    yield Finding(State.OK, "key", _kind_of_key())
    yield _base_url()
    meters = {meter.event_name: meter for meter in stripe.meters()}
    yield from _meters(meters)
    existing = stripe.products()
    pro_price = None
    for wanted in catalog.PRODUCTS:
        meter = meters.get(wanted.meter.event_name)
        look = _Look(stripe, existing, meter.id if meter else "")
        findings, price = _product(look, wanted, tiers=tiers)
        yield from findings
        pro_price = price if wanted is catalog.PRO else pro_price
    yield _portal(goods.find_portal(stripe.portal_configurations()))
    yield from _endpoint(webhooks.of_this_site(stripe.webhook_endpoints()))
    yield _destination(stripe)
    yield _flat_fee(pro_price, now=now)


@dataclass(frozen=True, slots=True)
class _Look:
    stripe: gateway.Gateway
    products: Sequence[gateway.Product]
    meter_id: str


def _kind_of_key() -> str:
    restricted = "restricted " if settings.STRIPE_SECRET_KEY.startswith("rk_") else ""
    if settings.STRIPE_IS_SANDBOX:
        return f"{restricted}test key, and the sandbox in Stripe's place"
    mode = "live" if settings.STRIPE_LIVE_MODE else "test"
    return f"{restricted}{mode} key of a Stripe account"


def _base_url() -> Finding:
    if settings.STRIPE_IS_SANDBOX or settings.BASE_URL.startswith("https://"):
        return Finding(State.OK, "BASE_URL", settings.BASE_URL)
    return Finding(
        State.DIFFERENT,
        "BASE_URL",
        f"{settings.BASE_URL} is not https, and Stripe sends webhooks to nothing else",
    )


def _meters(existing: dict[str, gateway.Meter]) -> Iterator[Finding]:
    for wanted in catalog.METERS:
        what = f"meter {wanted.event_name}"
        found = existing.get(wanted.event_name)
        if found is None:
            yield Finding(State.MISSING, what)
            continue
        wrong = catalog.meter_differences(found, wanted)
        if not found.active:
            wrong.append("it is archived and takes no events")
        yield _finding(what, found.id, wrong)


def _product(
    look: _Look, wanted: WantedProduct, *, tiers: Tiers | None
) -> tuple[list[Finding], gateway.Price | None]:
    what = f"product {wanted.name}"
    if not wanted.configured_id:
        return [_unsold(look, wanted, what)], None
    found = goods.find_product(wanted, look.products)
    if found is None:
        detail = f"{wanted.setting} names {wanted.configured_id}, which Stripe does not have"
        return [Finding(State.MISSING, what, detail)], None
    wrong = [] if found.active else ["it is archived"]
    mark = found.metadata.get(MARK)
    if mark not in (None, wanted.mark):
        wrong.append(f"{wanted.setting} names what stripe_setup made as {mark}")
    price_finding, price = _price(look, wanted, found, tiers=tiers)
    return [_finding(what, found.id, wrong), price_finding], price


def _unsold(look: _Look, wanted: WantedProduct, what: str) -> Finding:
    made = goods.find_product(wanted, look.products)
    if wanted is catalog.PRO:
        names = f"set {wanted.setting}={made.id}" if made else "run stripe_setup"
        return Finding(State.MISSING, what, f"{wanted.setting} is not set: {names}")
    return Finding(State.OK, what, f"not sold: {wanted.setting} is not set")


def _price(
    look: _Look, wanted: WantedProduct, sold: gateway.Product, *, tiers: Tiers | None
) -> tuple[Finding, gateway.Price | None]:
    what = f"price of {wanted.name}"
    if not sold.default_price_id:
        return Finding(State.MISSING, what, f"{sold.id} has no default price"), None
    price = look.stripe.price(sold.default_price_id)
    wrong = catalog.price_differences(price, wanted, meter_id=look.meter_id, tiers=tiers)
    return _finding(what, price.id, wrong), price


def _portal(found: gateway.PortalConfiguration | None) -> Finding:
    what = "portal configuration"
    if found is None:
        return Finding(State.MISSING, what)
    wrong = [] if found.active else ["it is deactivated"]
    if found.features != catalog.PORTAL:
        wrong.append(f"it allows {found.features}, not {catalog.PORTAL}")
    if settings.STRIPE_PORTAL_CONFIGURATION not in ("", found.id):
        wrong.append(
            f"STRIPE_PORTAL_CONFIGURATION names another one, {settings.STRIPE_PORTAL_CONFIGURATION}"
        )
    if not settings.STRIPE_PORTAL_CONFIGURATION and not settings.STRIPE_IS_SANDBOX:
        wrong.append("STRIPE_PORTAL_CONFIGURATION is not set")
    return _finding(what, found.id, wrong)


def _endpoint(ours: Sequence[gateway.WebhookEndpoint]) -> Iterator[Finding]:
    what = "webhook endpoint"
    if not ours:
        yield Finding(State.MISSING, what, f"none is for {settings.BASE_URL}")
    for found in ours:
        wrong = [] if found.enabled else ["Stripe has disabled it"]
        if not webhooks.is_usable(found):
            wrong.append(
                "its secret is not known here, or it is not of the API's version"
                f" {settings.STRIPE_API_VERSION}"
            )
        if missing := sorted(catalog.SNAPSHOT_EVENTS - found.enabled_events):
            wrong.append(f"it does not receive {', '.join(missing)}")
        if needless := sorted(found.enabled_events - catalog.SNAPSHOT_EVENTS):
            wrong.append(f"it receives {', '.join(needless)} for nothing")
        yield _finding(what, found.id, wrong)


def _destination(stripe: gateway.Gateway) -> Finding:
    what = "event destination"
    found = webhooks.find_destination(stripe.event_destinations())
    if found is None:
        return Finding(State.MISSING, what, f"none is for {settings.BASE_URL}{catalog.THIN_PATH}")
    wrong = [] if found.enabled else ["it is disabled"]
    if found.enabled_events != catalog.THIN_EVENTS:
        wrong.append(f"it receives {', '.join(sorted(found.enabled_events))}")
    if not settings.STRIPE_THIN_WEBHOOK_SECRET and not settings.STRIPE_IS_SANDBOX:
        wrong.append(f"{webhooks.THIN_SETTING} is not set")
    return _finding(what, found.id, wrong)


def _flat_fee(price: gateway.Price | None, *, now: datetime) -> Finding:
    what = "flat fee without usage"
    if price is not None and flat_fee.may_ask():
        flat_fee.ask(price, now=now)
    answer = flat_fee.latest()
    if answer is None:
        return Finding(
            State.NOT_PROVEN,
            what,
            "ask a real account: stripe_setup --check with a test key at Stripe",
        )
    said = (
        f"an unused period at {answer.stripe_price_id} costs"
        f" {money.written(answer.charged_cents)}, asked on {answer.asked_at:%F}"
    )
    if answer.charged_cents == answer.expected_cents:
        return Finding(State.OK, what, f"{said}, as statements say")
    return Finding(
        State.DIFFERENT, what, f"{said}, but statements say {money.written(answer.expected_cents)}"
    )


def _finding(what: str, found_id: str, wrong: Sequence[str]) -> Finding:
    if wrong:
        return Finding(State.DIFFERENT, what, f"{found_id}: {'; '.join(wrong)}")
    return Finding(State.OK, what, found_id)
