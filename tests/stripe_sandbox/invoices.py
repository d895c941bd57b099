"""Invoices, as requests see them."""

from typing import Any

from tests.stripe_sandbox import invoicing, payment_methods, search
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.listing import PAGING, created_within, page
from tests.stripe_sandbox.parameters import (
    boolean,
    created_filter,
    integer,
    strings,
    text,
)
from tests.stripe_sandbox.routing import Call, Route, listing, retrieve
from tests.stripe_sandbox.state import Json
from tests.stripe_sandbox.world import World, merge_metadata

STATUSES = ("draft", "open", "paid", "uncollectible", "void")
FIVE_YEARS = 5 * 366 * 86400


def _list(call: Call) -> Json:
    params = call.params
    rows = [
        row
        for row in call.world.newest_first("invoice")
        if created_within(row, params.get("created"))
        and params.get("customer", row["customer"]) == row["customer"]
        and params.get("status", row["status"]) == row["status"]
        and params.get("subscription", invoicing.subscription_of(row))
        == invoicing.subscription_of(row)
    ]
    return page(rows, params, call.path, call.world.render)


def _lines(call: Call) -> Json:
    invoice = call.world.render(call.world.find("invoice", call.ids["id"]))
    return page(invoice["lines"]["data"], call.params, call.path, dict)


def _update(call: Call) -> Json:
    world, params = call.world, call.params
    invoice = world.find("invoice", call.ids["id"])
    if "automatically_finalizes_at" in params or "auto_advance" in params:
        _check_schedule(world, invoice, params)
    if "default_payment_method" in params:
        method = payment_methods.refer(
            world,
            params["default_payment_method"],
            "default_payment_method",
            customer=invoice["customer"],
        )
        params["default_payment_method"] = method["id"]
    with world.changing(invoice, "invoice.updated"):
        names = ("description", "footer", "default_payment_method", "auto_advance")
        invoice.update({name: params[name] for name in names if name in params})
        if "automatically_finalizes_at" in params:
            invoice["automatically_finalizes_at"] = params["automatically_finalizes_at"]
        elif not invoice["auto_advance"]:
            invoice["automatically_finalizes_at"] = None
        elif params.get("auto_advance") and invoice["automatically_finalizes_at"] is None:
            invoice["automatically_finalizes_at"] = world.now + world.switches.draft_seconds
        if invoice["status"] == "draft":
            invoice["next_payment_attempt"] = invoice["automatically_finalizes_at"]
        merge_metadata(invoice, params.get("metadata"))
    return world.render(invoice)


def _check_schedule(world: World, invoice: Json, params: dict[str, Any]) -> None:
    if invoice["status"] != "draft":
        raise ApiError(
            "Finalized invoices can't be updated in this way.", code="invoice_not_editable"
        )
    instant = params.get("automatically_finalizes_at")
    if instant is None:
        return
    if not params.get("auto_advance", invoice["auto_advance"]):
        raise ApiError(
            "automatically_finalizes_at can only be set when auto_advance is true.",
            param="automatically_finalizes_at",
        )
    if not world.now < instant <= world.now + FIVE_YEARS:
        raise ApiError(
            "automatically_finalizes_at must be in the future, and at most five years ahead.",
            param="automatically_finalizes_at",
        )


def _finalize(call: Call) -> Json:
    world = call.world
    invoice = world.find("invoice", call.ids["id"])
    advance = bool(call.params.get("auto_advance", invoice["auto_advance"]))
    invoicing.finalize(world, invoice, collect=advance)
    invoice["auto_advance"] = advance
    return world.render(invoice)


def _pay(call: Call) -> Json:
    world, params = call.world, call.params
    invoice = world.find("invoice", call.ids["id"])
    if invoice["status"] == "paid":
        raise ApiError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "draft":
        invoicing.finalize(world, invoice, collect=False)
    if invoice["status"] == "paid":
        return world.render(invoice)
    if invoice["status"] != "open":
        raise ApiError("This invoice can no longer be paid.", code="invoice_not_editable")
    if params.get("paid_out_of_band"):
        invoicing.pay_elsewhere(world, invoice)
        return world.render(invoice)
    method = None
    if "payment_method" in params:
        method = payment_methods.refer(
            world, params["payment_method"], "payment_method", customer=invoice["customer"]
        )
    method = method or payment_methods.for_invoice(world, invoice)
    if method is None:
        raise ApiError(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set a "
            "`default_payment_method` prior to calling this endpoint."
        )
    if not invoicing.attempt(world, invoice, method=method, by_hand=True):
        raise payment_methods.declined()
    return world.render(invoice)


def _void(call: Call) -> Json:
    world = call.world
    invoice = world.find("invoice", call.ids["id"])
    invoicing.void(world, invoice)
    return world.render(invoice)


def _mark_uncollectible(call: Call) -> Json:
    world = call.world
    invoice = world.find("invoice", call.ids["id"])
    if invoice["status"] != "open":
        raise ApiError("You can only mark open invoices as uncollectible. This one isn't open.")
    invoicing.write_off(world, invoice)
    return world.render(invoice)


def _delete(call: Call) -> Json:
    """Refuse: only one-off drafts can be deleted, and the sandbox has only subscriptions'."""
    invoice = call.world.find("invoice", call.ids["id"])
    if invoice["status"] != "draft":
        raise ApiError("You can only delete draft invoices.", code="invoice_not_editable")
    raise ApiError("You can't delete invoices created by subscriptions.")


ROUTES = [
    Route(
        "GET",
        "/v1/invoices",
        _list,
        {
            **PAGING,
            "created": created_filter(),
            "customer": text(),
            "status": text(choices=STATUSES),
            "subscription": text(),
        },
    ),
    search.route("invoice", "/v1/invoices/search", "currency", "customer", "number", "total"),
    retrieve("invoice", "/v1/invoices/<id>"),
    Route(
        "POST",
        "/v1/invoices/<id>",
        _update,
        {
            "auto_advance": boolean(),
            "automatically_finalizes_at": integer(),
            "default_payment_method": text(),
            "description": text(clearable=True),
            "footer": text(clearable=True),
            "metadata": strings(),
        },
    ),
    Route("GET", "/v1/invoices/<id>/lines", _lines, PAGING),
    Route("POST", "/v1/invoices/<id>/finalize", _finalize, {"auto_advance": boolean()}),
    Route(
        "POST",
        "/v1/invoices/<id>/pay",
        _pay,
        {
            "off_session": boolean(),
            "paid_out_of_band": boolean(),
            "payment_method": text(),
        },
    ),
    Route("POST", "/v1/invoices/<id>/void", _void),
    Route("POST", "/v1/invoices/<id>/mark_uncollectible", _mark_uncollectible),
    Route("DELETE", "/v1/invoices/<id>", _delete),
    listing("invoice_payment", "/v1/invoice_payments", invoice=text(), status=text()),
    retrieve("invoice_payment", "/v1/invoice_payments/<id>"),
    listing("payment_intent", "/v1/payment_intents", customer=text()),
    retrieve("payment_intent", "/v1/payment_intents/<id>"),
    listing("setup_intent", "/v1/setup_intents", customer=text(), payment_method=text()),
    retrieve("setup_intent", "/v1/setup_intents/<id>"),
    # Old objects that dj-stripe lists when it syncs everything; the sandbox has none.
    listing("charge", "/v1/charges", customer=text()),
    listing("invoiceitem", "/v1/invoiceitems", customer=text()),
]
