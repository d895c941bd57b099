"""The life of an invoice: draft, open, paid or void, and what each step announces."""

from tests.stripe_sandbox import account, invoice_lines, payment_methods
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World

DAY = 86400


def draft(
    world: World,
    subscription: Json,
    lines: list[Json],
    *,
    reason: str,
    start: int,
    end: int,
    finalizes_at: int | None,
    advances: bool = True,
) -> Json:
    """Create a draft for a subscription and announce it."""
    invoice = document(world, subscription, lines, reason=reason, start=start, end=end)
    invoice["auto_advance"] = advances
    invoice["automatically_finalizes_at"] = finalizes_at
    invoice["next_payment_attempt"] = finalizes_at
    for line in lines:
        line["invoice"] = invoice["id"]
    subscription["latest_invoice"] = invoice["id"]
    return world.add(invoice, "invoice.created")


def document(
    world: World, subscription: Json, lines: list[Json], *, reason: str, start: int, end: int
) -> Json:
    """Return an invoice that nobody has kept yet."""
    customer = world.state.tables["customer"][subscription["customer"]]
    off = {"enabled": False, "disabled_reason": None, "liability": None, "status": None}
    invoice: Json = {
        "id": new_id("in_"),
        "object": "invoice",
        "account_country": "US",
        "account_name": account.NAME,
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {**off, "provider": None},
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": world.now,
        "currency": subscription["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": None,
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": lines,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "test_clock": None,
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": world.now,
    }
    invoice_lines.recompute(world, invoice)
    return invoice


def finalize(world: World, invoice: Json, *, collect: bool) -> None:
    """Freeze a draft's figures, give it a number, and (with `collect`) try to be paid."""
    if invoice["status"] != "draft":
        raise ApiError(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_no_longer_draft",
        )
    invoice_lines.recompute(world, invoice, final=True)
    for line in invoice["lines"]:
        line.pop("_usage", None)
    customer = world.state.tables["customer"][invoice["customer"]]
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    invoice["status"] = "open"
    invoice["automatically_finalizes_at"] = None
    invoice["effective_at"] = world.now
    invoice["next_payment_attempt"] = None
    invoice["hosted_invoice_url"] = f"{world.url}/i/{invoice['id']}"
    invoice["invoice_pdf"] = f"{world.url}/i/{invoice['id']}/pdf"
    invoice["status_transitions"]["finalized_at"] = world.now
    world.emit("invoice.finalized", invoice)
    if collect or invoice["amount_due"] == 0:
        attempt(world, invoice)


def attempt(
    world: World, invoice: Json, *, method: Json | None = None, by_hand: bool = False
) -> bool:
    """Charge an open invoice; say whether it is paid now.

    Any first try counts, and then only those of the retry schedule. A first invoice has none.
    """
    due = invoice["amount_due"]
    method = method or payment_methods.for_invoice(world, invoice)
    first = not invoice["attempted"]
    invoice["attempted"] = True
    if due:
        invoice["attempt_count"] += 1 if first or not by_hand else 0
        if method is None or payment_methods.declines(method):
            if not by_hand:
                _schedule_retry(world, invoice)
            world.emit("invoice.payment_failed", invoice)
            _set_status(world, invoice, "past_due")
            return False
        _record_payment(world, invoice, method)
    _paid(world, invoice)
    return True


def _schedule_retry(world: World, invoice: Json) -> None:
    days = world.switches.retry_days
    tries = invoice["attempt_count"]
    once = invoice["billing_reason"] == "subscription_create"
    more = tries <= len(days) and not once and invoice["auto_advance"]
    invoice["next_payment_attempt"] = world.now + days[tries - 1] * DAY if more else None


def subscription_of(invoice: Json) -> str:
    """Return the id of the subscription an invoice belongs to."""
    return str(invoice["parent"]["subscription_details"]["subscription"])


def pay_with(world: World, invoice: Json, token: str) -> str | None:
    """Pay an open invoice with a test card, as its page does; return why not, if not."""
    try:
        method = payment_methods.attach(world, token, invoice["customer"])
    except ApiError as refusal:
        return refusal.message
    paid = attempt(world, invoice, method=method, by_hand=True)
    return None if paid else payment_methods.declined().message


def pay_elsewhere(world: World, invoice: Json) -> None:
    """Mark an open invoice as paid outside Stripe."""
    _paid(world, invoice)


def void(world: World, invoice: Json) -> None:
    """Void an open invoice."""
    if invoice["status"] != "open":
        raise ApiError("You can only pass in open invoices. This invoice isn't open.")
    invoice["status"] = "void"
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["voided_at"] = world.now
    world.emit("invoice.voided", invoice)
    _set_status(world, invoice, "active")


def write_off(world: World, invoice: Json) -> None:
    """Mark an open invoice as a bad debt; what was owed is not owed any more."""
    invoice["status"] = "uncollectible"
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["marked_uncollectible_at"] = world.now
    world.emit("invoice.marked_uncollectible", invoice)
    _set_status(world, invoice, "active")


def _paid(world: World, invoice: Json) -> None:
    invoice["status"] = "paid"
    invoice["amount_paid"] = invoice["amount_due"]
    invoice["amount_remaining"] = 0
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["paid_at"] = world.now
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    _set_status(world, invoice, "active")


def _set_status(world: World, invoice: Json, status: str) -> None:
    """Let the subscription follow: past_due while an invoice is owed, active when none is."""
    subscription = world.state.tables["subscription"][subscription_of(invoice)]
    if subscription["status"] not in {"active", "past_due", "unpaid", "incomplete"}:
        return
    if status == "past_due" and subscription["status"] == "unpaid":
        return
    if status == "past_due" and invoice["billing_reason"] == "subscription_create":
        status = "incomplete"
    if status == "active" and _owes(world, subscription):
        return
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["status"] = status


def _owes(world: World, subscription: Json) -> bool:
    return any(
        stored["object"] == "invoice"
        and stored["status"] == "open"
        and subscription_of(stored) == subscription["id"]
        for stored in world.state.running.values()
    )


def _record_payment(world: World, invoice: Json, method: Json) -> None:
    intent = world.add(
        {
            "id": new_id("pi_"),
            "object": "payment_intent",
            "amount": invoice["amount_due"],
            "amount_received": invoice["amount_due"],
            "capture_method": "automatic",
            "client_secret": None,
            "confirmation_method": "automatic",
            "created": world.now,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "description": "Subscription update",
            "latest_charge": None,
            "livemode": False,
            "metadata": {},
            "payment_method": method["id"],
            "payment_method_types": ["card"],
            "status": "succeeded",
        }
    )
    world.add(
        {
            "id": new_id("inpay_"),
            "object": "invoice_payment",
            "amount_paid": invoice["amount_due"],
            "amount_requested": invoice["amount_due"],
            "created": world.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
            "status": "paid",
            "status_transitions": {"canceled_at": None, "paid_at": world.now},
        }
    )
