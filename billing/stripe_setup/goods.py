"""What is sold and what it is counted on: meters, products, prices, and the portal."""

from collections.abc import Iterator, Sequence
from functools import partial

from billing import gateway
from billing.stripe_setup import catalog
from billing.stripe_setup.catalog import MARK, Tiers, WantedMeter, WantedProduct
from billing.stripe_setup.steps import NEW, Making, Outcome, SetupError, Step


def meters(making: Making) -> Iterator[tuple[WantedMeter, Step]]:
    """Find or make each meter."""
    existing = {meter.event_name: meter for meter in making.stripe.meters()}
    for wanted in catalog.METERS:
        yield wanted, _meter(making, wanted, existing.get(wanted.event_name))


def _meter(making: Making, wanted: WantedMeter, found: gateway.Meter | None) -> Step:
    what = f"meter {wanted.event_name}"
    if found is None:
        made = making.make(
            partial(
                making.stripe.create_meter,
                event_name=wanted.event_name,
                display_name=wanted.display_name,
                formula=wanted.formula,
                idempotency_key=catalog.once("meter", wanted),
            )
        )
        return Step(what, made, Outcome.MADE)
    if wrong := catalog.meter_differences(found, wanted):
        # Stripe changes nothing of a meter but its display name, and never frees its event name.
        raise SetupError(
            f"Meter {found.id} has the event name {wanted.event_name}, but {'; '.join(wrong)}."
            " That can't be changed, and no other meter can have the name: use another account."
        )
    if not found.active:
        making.write(partial(making.stripe.reactivate_meter, found.id))
        return Step(what, found.id, Outcome.CHANGED, "it was archived and takes events again")
    return Step(what, found.id, Outcome.FOUND)


def product(
    making: Making, wanted: WantedProduct, existing: Sequence[gateway.Product]
) -> tuple[gateway.Product, Step]:
    """Find a product by its setting, its mark or its id, or make it."""
    what = f"product {wanted.name}"
    found = find_product(wanted, existing)
    if found is None:
        product_id = wanted.configured_id or wanted.id
        found = gateway.Product(product_id, wanted.name, True, "", {MARK: wanted.mark})
        making.make(lambda: _create_product(making, wanted, product_id))
        return found, Step(what, product_id, Outcome.MADE, setting=wanted.setting)
    if not found.active:
        raise SetupError(
            f"Product {found.id} ({wanted.name}) is archived. Unarchive it in Stripe's dashboard,"
            f" or name another one in {wanted.setting}."
        )
    return found, Step(what, found.id, Outcome.FOUND, setting=wanted.setting)


def find_product(
    wanted: WantedProduct, existing: Sequence[gateway.Product]
) -> gateway.Product | None:
    """Return the product that the setting names or, where it names none, the one we made."""
    by_id = {found.id: found for found in existing}
    if wanted.configured_id:
        return by_id.get(wanted.configured_id)
    marked = [found for found in existing if found.metadata.get(MARK) == wanted.mark]
    return next((found for found in marked if found.active), by_id.get(wanted.id))


def _create_product(making: Making, wanted: WantedProduct, product_id: str) -> str:
    return making.stripe.create_product(
        product_id=product_id,
        name=wanted.name,
        marks={MARK: wanted.mark},
        idempotency_key=catalog.once("product", product_id, wanted.name),
    ).id


def price(
    making: Making,
    wanted: WantedProduct,
    sold: gateway.Product,
    *,
    meter_id: str,
    tiers: Tiers | None,
) -> Iterator[Step]:
    """Find the price on the wanted terms, or make it, and sell the product at it.

    Stripe never changes a price: on other terms there is a new one, and whoever has the old one
    keeps it.
    """
    what = f"price of {wanted.name}"
    existing = making.stripe.prices_of(sold.id) if NEW not in (sold.id, meter_id) else []
    match = _match(existing, wanted, sold, meter_id=meter_id, tiers=tiers)
    if match is not None:
        yield Step(what, match.id, Outcome.FOUND)
        chosen = match.id
    else:
        chosen = making.make(
            partial(
                _create_price,
                making,
                wanted,
                sold,
                meter_id=meter_id,
                tiers=tiers or catalog.DEFAULT_TIERS,
                beside=existing,
            )
        )
        yield Step(what, chosen, Outcome.MADE)
    if sold.default_price_id != chosen:
        making.write(partial(making.stripe.set_default_price, sold.id, chosen))
        yield Step(
            f"default price of {wanted.name}", chosen, Outcome.CHANGED, _kept(sold.default_price_id)
        )


def _match(
    existing: Sequence[gateway.Price],
    wanted: WantedProduct,
    sold: gateway.Product,
    *,
    meter_id: str,
    tiers: Tiers | None,
) -> gateway.Price | None:
    # The one that is sold comes first: where several would do, nothing is to change.
    by_preference = sorted(existing, key=lambda found: found.id != sold.default_price_id)
    for found in by_preference:
        if not catalog.price_differences(found, wanted, meter_id=meter_id, tiers=tiers):
            return found
    return None


def _create_price(
    making: Making,
    wanted: WantedProduct,
    sold: gateway.Product,
    *,
    meter_id: str,
    tiers: Tiers,
    beside: Sequence[gateway.Price],
) -> str:
    parameters = catalog.price_parameters(
        wanted, product_id=sold.id, meter_id=meter_id, tiers=tiers
    )
    return making.stripe.create_price(
        parameters,
        idempotency_key=catalog.once("price", parameters, sorted(found.id for found in beside)),
    )


def _kept(old_price_id: str) -> str:
    if not old_price_id:
        return ""
    return f"{old_price_id} stays in force for those who have it; new customers get the new one"


def portal(making: Making) -> Step:
    """Find or make the configuration of the customer portal."""
    what = "portal configuration"
    found = find_portal(making.stripe.portal_configurations())
    if found is None:
        made = making.make(
            partial(
                making.stripe.create_portal_configuration,
                catalog.PORTAL,
                marks={MARK: catalog.PORTAL_MARK},
                idempotency_key=catalog.once("portal", catalog.PORTAL),
            )
        )
        return Step(what, made, Outcome.MADE, setting="STRIPE_PORTAL_CONFIGURATION")
    outcome = Outcome.FOUND
    if not found.active or found.features != catalog.PORTAL:
        making.write(partial(making.stripe.update_portal_configuration, found.id, catalog.PORTAL))
        outcome = Outcome.CHANGED
    return Step(what, found.id, outcome, setting="STRIPE_PORTAL_CONFIGURATION")


def find_portal(
    existing: Sequence[gateway.PortalConfiguration],
) -> gateway.PortalConfiguration | None:
    """Return the configuration that we made."""
    marked = [found for found in existing if found.metadata.get(MARK) == catalog.PORTAL_MARK]
    return next(iter(sorted(marked, key=lambda found: not found.active)), None)
