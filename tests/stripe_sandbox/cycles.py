"""The life of a subscription on the sandbox's clock.

    start -> (trial) -> period -> period -> ... -> end

Periods are half-open and follow from the billing cycle anchor, which is the end of the trial if
there is one. When a period ends a draft invoice is made: metered items for the period that ended,
licensed items for the one that begins. Usage in a trial is free: its metered line has quantity 0.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.stripe_sandbox import invoice_lines, invoicing, payment_methods, periods, phases
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World

RUNNING = {"trialing", "active", "past_due", "unpaid"}
DAY = 86400
REMINDER = 3 * DAY
# How long the first payment may be made up for.
INCOMPLETE_FOR = 23 * 3600


@dataclass(slots=True)
class Order:
    """What somebody subscribes to."""

    customer: str
    items: list[Json]
    metadata: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    default_payment_method: str | None = None
    trial_end: int | None = None
    missing_payment_method: str = "create_invoice"
    billing_cycle_anchor: int | None = None
    cancel_at_period_end: bool = False
    billing_mode: str = "flexible"


def start(world: World, order: Order) -> Json:
    """Begin a subscription: its items, its first period, its first invoice."""
    subscription = _subscription(world, order)
    for given in order.items:
        item = _item(world, subscription, given)
        world.add(item)
        subscription["_items"].append(item["id"])
    until = order.trial_end or _boundary_after(world, subscription, world.now)
    _set_period(world, subscription, start=world.now, end=until)
    if order.cancel_at_period_end:
        schedule_end(world, subscription)
    world.add(subscription)
    trial = subscription["status"] == "trialing"
    lines = [
        invoice_lines.build(
            world.state,
            item,
            start=world.now,
            end=until if trial or _licensed(world, item) else world.now,
            free=trial,
            kind="first",
        )
        for item in items(world, subscription)
    ]
    invoice = invoicing.draft(
        world,
        subscription,
        lines,
        reason="subscription_create",
        start=world.now,
        end=world.now,
        finalizes_at=None,
    )
    world.emit("customer.subscription.created", subscription)
    invoicing.finalize(world, invoice, collect=True)
    return subscription


def items(world: World, subscription: Json) -> list[Json]:
    """Return the stored items of a subscription."""
    return [world.state.tables["subscription_item"][item] for item in subscription["_items"]]


def period(world: World, subscription: Json) -> tuple[int, int]:
    """Return the current period; all items of one subscription share it."""
    first = items(world, subscription)[0]
    return first["current_period_start"], first["current_period_end"]


def remind(world: World, subscription: Json) -> None:
    """Say that the trial is about to end."""
    subscription["_reminded"] = True
    world.emit("customer.subscription.trial_will_end", subscription)


def end_period(world: World, subscription: Json) -> None:
    """Bill the period that ends now and begin the next, or end the subscription."""
    began, ended = period(world, subscription)
    trial = subscription["status"] == "trialing"
    cardless = trial and payment_methods.for_subscription(world, subscription) is None
    behavior = (subscription["trial_settings"] or {"end_behavior": {}})["end_behavior"]
    missing = behavior.get("missing_payment_method", "create_invoice")
    phase = phases.at(world, subscription, ended)
    leaves = subscription["cancel_at_period_end"] or phase is phases.CANCEL
    if leaves or (cardless and missing == "cancel"):
        last = None if trial else _bill_ended(world, subscription, began, ended)
        _end(world, subscription, last)
        return
    if cardless and missing == "pause":
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "paused"
        world.emit("customer.subscription.paused", subscription)
        return
    with world.changing(subscription, "customer.subscription.updated"):
        lines = _take_pending(subscription)
        lines += _ended_lines(world, subscription, phase, span=(began, ended), trial=trial)
        if phase:
            phases.enter(world, subscription, phase)
            _exchange(world, subscription, phase["items"])
        until = _boundary_after(world, subscription, ended)
        _set_period(world, subscription, start=ended, end=until)
        if trial:
            subscription["status"] = "active"
        _draft(world, subscription, _in_order(world, subscription, lines), began, ended)


def _ended_lines(
    world: World, subscription: Json, phase: Json | None, *, span: tuple[int, int], trial: bool
) -> list[Json]:
    """Return the lines of metered items for the period that ended; those of a trial are free."""
    kept = {entry["price"] for entry in phase["items"]} if phase else None
    return [
        invoice_lines.build(
            world.state, item, start=max(span[0], item.get("_since", 0)), end=span[1], free=trial
        )
        for item in items(world, subscription)
        if not _licensed(world, item)
        and (kept is None or item["price"] in kept or world.switches.phase_bills_ended_period)
    ]


def _in_order(world: World, subscription: Json, lines: list[Json]) -> list[Json]:
    """Add the lines of licensed items for the period that begins, each at its item's place."""
    begun = {
        item["id"]: invoice_lines.build(
            world.state,
            item,
            start=item["current_period_start"],
            end=item["current_period_end"],
        )
        for item in items(world, subscription)
        if _licensed(world, item)
    }
    places = {item: place for place, item in enumerate(subscription["_items"])}
    everything = [*lines, *begun.values()]
    return sorted(everything, key=lambda line: places.get(invoice_lines.item_of(line), -1))


def _take_pending(subscription: Json) -> list[Json]:
    """Return the lines that waited for the next invoice, and forget them."""
    pending: list[Json] = subscription.get("_pending", [])
    subscription["_pending"] = []
    return pending


def end_trial(world: World, subscription: Json) -> None:
    """End the trial now."""
    with world.changing(subscription, "customer.subscription.updated"):
        move_trial(world, subscription, world.now)
    end_period(world, subscription)


def move_trial(world: World, subscription: Json, until: int) -> None:
    """Let a running trial, and with it the current period and the anchor, end at `until`."""
    began, _ = period(world, subscription)
    subscription["trial_end"] = subscription["billing_cycle_anchor"] = until
    _set_period(world, subscription, start=began, end=until)
    subscription["_reminded"] = False
    if subscription["cancel_at_period_end"]:
        schedule_end(world, subscription)


def change_items(world: World, subscription: Json, wanted: list[Json], *, proration: str) -> None:
    """Let a subscription have other items from now on, within the period that runs.

    An entry with the `id` of an item changes or keeps it; items that no entry names end. What was
    used of a metered price that ends is billed under flexible billing only, and not without
    prorations; licensed prices are credited and charged for the rest of the period.
    """
    with world.changing(subscription, "customer.subscription.updated"):
        lines = _exchange(world, subscription, wanted, since=world.now)
        if proration == "none" or subscription["status"] == "trialing":
            return
        if subscription["billing_mode"]["type"] == "classic":
            lines = [line for line in lines if "_usage" not in line]
        subscription["_pending"] += lines
        if proration == "always_invoice" and subscription["_pending"]:
            _invoice_pending(world, subscription)


def _invoice_pending(world: World, subscription: Json) -> None:
    started, _ = period(world, subscription)
    invoice = invoicing.draft(
        world,
        subscription,
        _take_pending(subscription),
        reason="subscription_update",
        start=started,
        end=world.now,
        finalizes_at=None,
    )
    finalize(world, invoice)


def _exchange(
    world: World, subscription: Json, wanted: list[Json], *, since: int = 0
) -> list[Json]:
    """Give a subscription the wanted items, and return lines for the part of a period that ran.

    `since` is the instant within the period; 0 stands for the boundary between two, where nothing
    is prorated.
    """
    before = {item["id"]: item for item in items(world, subscription)}
    by_price = {item["price"]: item["id"] for item in before.values()}
    start, end = period(world, subscription)
    lines: list[Json] = []
    kept = []
    for entry in wanted:
        item = before.pop(entry.get("id") or by_price.get(entry["price"], ""), None)
        if item is None:
            item = world.add(_item(world, subscription, entry) | {"_since": since})
            item["current_period_start"], item["current_period_end"] = start, end
            lines += _prorated(world, item, since, sign=1)
        elif _differs(item, entry):
            lines += _prorated(world, item, since, sign=-1)
            if item["price"] != entry["price"]:
                item["_since"] = since
            item["price"] = entry["price"]
            item["quantity"] = entry.get("quantity", item["quantity"])
            lines += _prorated(world, item, since, sign=1)
        item["metadata"] |= entry.get("metadata", {})
        kept.append(item["id"])
    for item in before.values():
        lines += _prorated(world, item, since, sign=-1)
        del world.state.tables["subscription_item"][item["id"]]
    subscription["_items"] = kept
    return lines


def _differs(item: Json, entry: Json) -> bool:
    same = item["price"] == entry["price"]
    return not same or entry.get("quantity", item["quantity"]) != item["quantity"]


def _prorated(world: World, item: Json, since: int, *, sign: int) -> list[Json]:
    """Return what an item that begins or ends within its period costs or gives back."""
    if not since:
        return []
    if _licensed(world, item):
        return [invoice_lines.prorate(world.state, item, at=since, sign=sign)]
    if sign > 0:
        return []
    start = max(item["current_period_start"], item.get("_since", 0))
    return [invoice_lines.build(world.state, item, start=start, end=since)]


def schedule_end(world: World, subscription: Json) -> None:
    """Let the subscription end with its current period."""
    _, ends = period(world, subscription)
    subscription["cancel_at_period_end"] = True
    subscription["cancel_at"] = ends
    subscription["canceled_at"] = world.now
    subscription["cancellation_details"]["reason"] = "cancellation_requested"


def keep(subscription: Json) -> None:
    """Withdraw a scheduled end."""
    subscription["cancel_at_period_end"] = False
    subscription["cancel_at"] = subscription["canceled_at"] = None
    subscription["cancellation_details"]["reason"] = None


def resume(world: World, subscription: Json) -> None:
    """Start a paused subscription again, with a period that begins now."""
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["status"] = "active"
        subscription["billing_cycle_anchor"] = world.now
        until = _boundary_after(world, subscription, world.now)
        _set_period(world, subscription, start=world.now, end=until)
        invoice = invoicing.draft(
            world,
            subscription,
            _in_order(world, subscription, []),
            reason="subscription_update",
            start=world.now,
            end=world.now,
            finalizes_at=None,
        )
    world.emit("customer.subscription.resumed", subscription)
    finalize(world, invoice)


def cancel_now(
    world: World, subscription: Json, *, invoice_now: bool, prorate: bool = False
) -> None:
    """End a subscription at once; without `invoice_now` the usage of its period is not billed.

    With `prorate` the rest of what was paid in advance is credited, on the last invoice.
    """
    began, ends = period(world, subscription)
    last = None
    if invoice_now and subscription["status"] in RUNNING - {"trialing"}:
        if prorate:
            subscription["_pending"] += [
                invoice_lines.prorate(world.state, item, at=world.now, sign=-1)
                for item in items(world, subscription)
                if _licensed(world, item)
            ]
        last = _bill_ended(world, subscription, began, min(world.now, ends))
    _end(world, subscription, last)


def _cancel(world: World, subscription: Json, *, reason: str = "cancellation_requested") -> None:
    subscription["status"] = "canceled"
    subscription["ended_at"] = world.now
    subscription["canceled_at"] = subscription["canceled_at"] or world.now
    details = subscription["cancellation_details"]
    details["reason"] = details["reason"] or reason
    phases.leave(world, subscription, "canceled")
    # What is owed stays owed, but is not collected by itself any more.
    for invoice in _open_invoices(world, subscription):
        invoice["auto_advance"] = False
        invoice["next_payment_attempt"] = None
    world.emit("customer.subscription.deleted", subscription)


def _open_invoices(world: World, subscription: Json) -> list[Json]:
    return [
        stored
        for stored in world.state.running.values()
        if stored["object"] == "invoice"
        and stored["status"] == "open"
        and invoicing.subscription_of(stored) == subscription["id"]
    ]


def finalize(world: World, invoice: Json) -> None:
    """Finalize a draft whose time has come, and collect it."""
    invoicing.finalize(world, invoice, collect=True)
    _give_up(world, invoice)


def retry(world: World, invoice: Json) -> None:
    """Try again to collect an open invoice; after the last try the subscription suffers."""
    invoicing.attempt(world, invoice)
    _give_up(world, invoice)


def _give_up(world: World, invoice: Json) -> None:
    """Do with the subscription what the account's settings say once all tries have failed."""
    owed = invoice["status"] == "open" and invoice["attempted"]
    subscription = world.state.tables["subscription"][invoicing.subscription_of(invoice)]
    if not owed or invoice["next_payment_attempt"] or subscription["status"] != "past_due":
        return
    match world.switches.after_retries:
        case "cancel":
            _cancel(world, subscription, reason="payment_failed")
        case "unpaid":
            with world.changing(subscription, "customer.subscription.updated"):
                subscription["status"] = "unpaid"


def give_up_incomplete(world: World, subscription: Json) -> None:
    """End a subscription whose first invoice nobody paid in time."""
    for invoice in _open_invoices(world, subscription):
        invoicing.void(world, invoice)
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["status"] = "incomplete_expired"
        subscription["ended_at"] = subscription["canceled_at"] = world.now


def _bill_ended(world: World, subscription: Json, began: int, ended: int) -> Json | None:
    """Make the last invoice: only what is billed afterwards."""
    lines = _take_pending(subscription)
    lines += _ended_lines(world, subscription, None, span=(began, ended), trial=False)
    return _draft(world, subscription, lines, began, ended) if lines else None


def _end(world: World, subscription: Json, last: Json | None) -> None:
    """Cancel, and let the last invoice be a draft for a while or be final at once."""
    if last is not None and world.switches.final_invoice == "immediate":
        last["automatically_finalizes_at"] = last["next_payment_attempt"] = None
        _cancel(world, subscription)
        invoicing.finalize(world, last, collect=True)
    else:
        _cancel(world, subscription)


def _draft(world: World, subscription: Json, lines: list[Json], began: int, ended: int) -> Json:
    unpaid = subscription["status"] == "unpaid"
    return invoicing.draft(
        world,
        subscription,
        lines,
        reason="subscription_cycle",
        start=began,
        end=ended,
        finalizes_at=None if unpaid else world.now + world.switches.draft_seconds,
        advances=not unpaid,
    )


def _licensed(world: World, item: Json) -> bool:
    recurring: dict[str, Any] = world.state.tables["price"][item["price"]]["recurring"]
    return bool(recurring["usage_type"] == "licensed")


def _boundary_after(world: World, subscription: Json, instant: int) -> int:
    price = world.state.tables["price"][items(world, subscription)[0]["price"]]
    return periods.next_boundary(
        subscription["billing_cycle_anchor"],
        interval=price["recurring"]["interval"],
        count=price["recurring"]["interval_count"],
        after=instant,
    )


def _set_period(world: World, subscription: Json, *, start: int, end: int) -> None:
    for item in items(world, subscription):
        item["current_period_start"], item["current_period_end"] = start, end


def _item(world: World, subscription: Json, given: Json) -> Json:
    return {
        "id": new_id("si_", 14),
        "object": "subscription_item",
        "_since": 0,
        "billed_until": None,
        "billing_thresholds": None,
        "created": world.now,
        "current_period_end": world.now,
        "current_period_start": world.now,
        "discounts": [],
        "metadata": given.get("metadata", {}),
        "price": given["price"],
        "quantity": given.get("quantity", 1),
        "subscription": subscription["id"],
        "tax_rates": [],
    }


def _subscription(world: World, order: Order) -> Json:
    trial_end = order.trial_end
    price = world.state.tables["price"][order.items[0]["price"]]
    settings = {"end_behavior": {"missing_payment_method": order.missing_payment_method}}
    return {
        "id": new_id("sub_"),
        "object": "subscription",
        "_items": [],
        "_pending": [],
        "_reminded": False,
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or order.billing_cycle_anchor or world.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"type": order.billing_mode, "flexible": None, "updated_at": None},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": world.now,
        "currency": price["currency"],
        "customer": order.customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": order.default_payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": order.description,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "latest_invoice": None,
        "livemode": False,
        "metadata": dict(order.metadata),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": world.now,
        "status": "trialing" if trial_end else "active",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": settings,
        "trial_start": world.now if trial_end else None,
    }
