"""Credit notes: what is taken back of a final invoice, never more than was asked for.

On an open invoice a note lowers what is owed. On a paid one the amount goes back in named ways:
refunded to the card, credited to the customer's balance (spent by the next invoices) or settled
outside of Stripe.
"""

from typing import Any

from tests.stripe_sandbox import invoicing
from tests.stripe_sandbox.errors import ApiError, absent, unsupported
from tests.stripe_sandbox.parameters import (
    Field,
    integer,
    mapping,
    required,
    sequence,
    strings,
    text,
)
from tests.stripe_sandbox.rendering import as_list
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json, new_id
from tests.stripe_sandbox.world import World, merge_metadata

WAYS = ("credit_amount", "out_of_band_amount", "refund_amount")
REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")


def _build(world: World, params: dict[str, Any]) -> tuple[Json, Json]:
    """Return the invoice and the note that the parameters ask for, or refuse it."""
    invoice = world.refer("invoice", params["invoice"], "invoice")
    if invoice["status"] not in {"open", "paid"}:
        raise ApiError(
            "Credit notes can only be created for invoices that are open or paid, and this one "
            f"is {invoice['status']}.",
            param="invoice",
        )
    lines = _lines(world, invoice, params)
    amount = sum(line["amount"] for line in lines) if lines else params["amount"]
    _check_amount(invoice, params, amount)
    return invoice, _note(world, invoice, params, lines, amount)


def _check_amount(invoice: Json, params: dict[str, Any], amount: int) -> None:
    if amount <= 0:
        raise ApiError("The credit note amount must be greater than 0.", param="amount")
    given = {way: params[way] for way in WAYS if way in params}
    if invoice["status"] == "open":
        left = invoice["amount_remaining"]
        if any(given.values()):
            raise ApiError(
                "Only a paid invoice can be refunded or credited; on an open one the note lowers "
                "what is owed.",
                param=next(iter(given)),
            )
    else:
        left = invoice["total"] - invoice["post_payment_credit_notes_amount"]
        left -= invoice["pre_payment_credit_notes_amount"]
    if amount > left:
        raise ApiError(
            f"The amount of the credit note ({amount}) is greater than what can be credited on "
            f"the invoice ({left}).",
            param="amount",
        )
    if invoice["status"] == "paid" and sum(given.values()) != amount:
        raise ApiError(
            "The sum of credit amount, refund amount and out of band amount "
            f"({sum(given.values())}) must equal the credit note amount ({amount})."
        )


def _lines(world: World, invoice: Json, params: dict[str, Any]) -> list[Json]:
    if ("lines" in params) == ("amount" in params):
        raise ApiError("You must pass exactly one of amount and lines.", param="amount")
    return [
        _line(invoice, given, f"lines[{position}]")
        for position, given in enumerate(params.get("lines", []))
    ]


def _line(invoice: Json, given: dict[str, Any], where: str) -> Json:
    line: Json = {
        "id": new_id("cnli_"),
        "object": "credit_note_line_item",
        "description": given.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": given.get("invoice_line_item"),
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "pretax_credit_amounts": [],
        "quantity": given.get("quantity"),
        "tax_rates": [],
        "taxes": [],
        "type": given["type"],
        "unit_amount": given.get("unit_amount"),
        "unit_amount_decimal": str(given["unit_amount"]) if "unit_amount" in given else None,
    }
    if given["type"] == "custom_line_item":
        for member in ("description", "quantity", "unit_amount"):
            if member not in given:
                name = f"{where}[{member}]"
                raise absent(name)
        line["amount"] = given["quantity"] * given["unit_amount"]
        return line
    credited = next(
        (x for x in invoice["lines"] if x["id"] == given.get("invoice_line_item")), None
    )
    if credited is None:
        raise ApiError(
            f"No such invoice line item: '{given.get('invoice_line_item')}'",
            code="resource_missing",
            param=f"{where}[invoice_line_item]",
        )
    if "quantity" in given:
        raise unsupported("quantities of an invoice line; give its amount", f"{where}[quantity]")
    line["amount"] = given.get("amount", credited["amount"])
    line["description"] = line["description"] or credited["description"]
    if line["amount"] > credited["amount"]:
        raise ApiError(
            "The amount of a credit note line can't be greater than that of its invoice line.",
            param=f"{where}[amount]",
        )
    return line


def _note(
    world: World, invoice: Json, params: dict[str, Any], lines: list[Json], amount: int
) -> Json:
    before = invoice["status"] == "open"
    number = 1 + sum(
        note["invoice"] == invoice["id"] for note in world.state.tables["credit_note"].values()
    )
    refunded, credited = params.get("refund_amount", 0), params.get("credit_amount", 0)
    identifier = new_id("cn_")
    refund = {"amount_refunded": refunded, "refund": new_id("re_"), "type": "refund"}
    return {
        "id": identifier,
        "object": "credit_note",
        "_lines": lines,
        "amount": amount,
        "amount_shipping": 0,
        "created": world.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": new_id("cbtxn_") if credited else None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": params.get("effective_at", world.now),
        "invoice": invoice["id"],
        "lines": as_list(lines, f"/v1/credit_notes/{identifier}/lines"),
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": params.get("metadata", {}),
        "number": f"{invoice['number']}-CN-{number:02}",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": f"{world.url}/i/{invoice['id']}",
        "post_payment_amount": 0 if before else amount,
        "pre_payment_amount": amount if before else 0,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [refund] if refunded else [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": "pre_payment" if before else "post_payment",
        "voided_at": None,
    }


def _create(call: Call) -> Json:
    world, params = call.world, call.params
    invoice, note = _build(world, params)
    world.add(note, "credit_note.created")
    with world.changing(invoice, "invoice.updated"):
        invoice["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
        invoice["post_payment_credit_notes_amount"] += note["post_payment_amount"]
        if invoice["status"] == "open":
            invoice["amount_due"] -= note["amount"]
            invoice["amount_remaining"] -= note["amount"]
    if credited := params.get("credit_amount"):
        customer = world.state.tables["customer"][invoice["customer"]]
        with world.changing(customer, "customer.updated"):
            customer["balance"] -= credited
    if invoice["status"] == "open" and not invoice["amount_remaining"]:
        invoicing.pay_elsewhere(world, invoice)
    return world.render(note)


def _preview(call: Call) -> Json:
    _, note = _build(call.world, call.params)
    return call.world.render(note)


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    note = world.find("credit_note", call.ids["id"])
    with world.changing(note, "credit_note.updated"):
        note["memo"] = params.get("memo", note["memo"])
        merge_metadata(note, params.get("metadata"))
    return world.render(note)


def _void(call: Call) -> Json:
    world = call.world
    note = world.find("credit_note", call.ids["id"])
    invoice = world.find("invoice", note["invoice"])
    if note["status"] == "void" or invoice["status"] != "open":
        raise ApiError("You can only void a credit note that is issued on an open invoice.")
    note["status"], note["voided_at"] = "void", world.now
    invoice["pre_payment_credit_notes_amount"] -= note["amount"]
    invoice["amount_due"] += note["amount"]
    invoice["amount_remaining"] += note["amount"]
    world.emit("credit_note.voided", note)
    return world.render(note)


LINE = mapping(
    {
        "amount": integer(minimum=0),
        "description": text(),
        "invoice_line_item": text(),
        "metadata": strings(),
        "quantity": integer(minimum=1),
        "type": required(text(choices=("custom_line_item", "invoice_line_item"))),
        "unit_amount": integer(minimum=0),
    }
)
PLAIN: dict[str, Field] = {
    "amount": integer(minimum=0),
    **{way: integer(minimum=0) for way in WAYS},
    "effective_at": integer(),
    "email_type": text(choices=("credit_note", "none")),
    "invoice": required(text()),
    "lines": sequence(LINE),
    "memo": text(),
    "metadata": strings(),
    "reason": text(choices=REASONS),
}

ROUTES = [
    Route("POST", "/v1/credit_notes", _create, PLAIN),
    listing("credit_note", "/v1/credit_notes", customer=text(), invoice=text()),
    Route("GET", "/v1/credit_notes/preview", _preview, PLAIN),
    retrieve("credit_note", "/v1/credit_notes/<id>"),
    Route("POST", "/v1/credit_notes/<id>", _update, {"memo": text(), "metadata": strings()}),
    Route("POST", "/v1/credit_notes/<id>/void", _void),
]
