"""The hosted pages: checkout, portal and invoice, in plain HTML that works without script."""

import re
from decimal import Decimal
from html import escape
from typing import Any

from tests.stripe_sandbox.state import Json
from tests.stripe_sandbox.world import World

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1f36; background: #fff; }
.banner { background: #fff3cd; border: 1px solid #8a6d00; padding: .5rem 1rem; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
caption { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid #c1c9d2; padding: .35rem .5rem; text-align: left; }
button { font: inherit; padding: .6rem 1rem; margin: .5rem 0; cursor: pointer; display: block; }
.main { background: #0a2540; color: #fff; border: 1px solid #0a2540; }
"""


def document(title: str, body: str) -> str:
    """Return a whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        '<p class="banner" role="note">Sandbox payments: no money moves here.</p>'
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def checkout(world: World, session: Json, *, error: str | None = None) -> str:
    """Show what is being subscribed to, and the form that completes it."""
    plans = "".join(_plan(world, line) for line in session["_line_items"])
    problem = f'<p role="alert">{escape(error)}</p>' if error else ""
    if session["status"] != "open":
        state = (
            "This checkout has expired."
            if session["status"] == "expired"
            else ("This checkout is complete.")
        )
        return document("Checkout", f"<p>{state}</p>{_link(session['cancel_url'], 'Back')}")
    return document(
        "Subscribe",
        f"{problem}{plans}{_trial(session)}"
        f'<form method="post" action="/c/pay/{escape(session["id"])}">{_consent(session)}'
        '<button class="main" name="card" value="4242">Pay with the test card 4242</button>'
        '<button name="card" value="0341">Pay with the test card 0341 (saved now, declined '
        "later)</button>"
        '<button name="card" value="0002">Pay with the test card 0002 (declined at once)</button>'
        f"{_cardless(session)}</form>"
        f"{_link(session['cancel_url'], 'Cancel and go back')}",
    )


def portal(world: World, session: Json, *, error: str | None = None) -> str:
    """Show a customer's subscriptions and card, with what the configuration lets them change."""
    features = world.find("billing_portal.configuration", session["configuration"])["features"]
    rows = "".join(
        _subscription(subscription, cancelable=features["subscription_cancel"]["enabled"])
        for subscription in world.newest_first("subscription")
        if subscription["customer"] == session["customer"]
    )
    cards = _cards("card") if features["payment_method_update"]["enabled"] else ""
    invoices = _invoices(world, session) if features["invoice_history"]["enabled"] else ""
    problem = f'<p role="alert">{escape(error)}</p>' if error else ""
    return document(
        "Billing portal",
        f'{problem}<form method="post" action="/p/session/{escape(session["id"])}">'
        "<table><caption>Subscriptions</caption><tr><th scope='col'>Subscription</th>"
        "<th scope='col'>Status</th><th scope='col'>Change</th></tr>"
        f"{rows}</table></form>"
        f'<form method="post" action="/p/session/{escape(session["id"])}">{cards}</form>{invoices}'
        f"{_link(session['return_url'], 'Return')}",
    )


def _subscription(subscription: Json, *, cancelable: bool) -> str:
    identifier = escape(subscription["id"])
    button = ""
    if cancelable and not subscription["ended_at"]:
        action, label = "cancel", "Cancel"
        if subscription["cancel_at_period_end"]:
            action, label = "resume", "Don't cancel"
        button = (
            f'<button name="action" value="{action} {identifier}">{label} {identifier}</button>'
        )
    return (
        f"<tr><td>{identifier}</td><td>{escape(subscription['status'])}</td><td>{button}</td></tr>"
    )


def _cards(action: str) -> str:
    return "".join(
        f'<button name="action" value="{action} {number}">{label}</button>'
        for number, label in (
            ("4242", "Use the test card 4242"),
            ("0341", "Use the test card 0341 (declined later)"),
            ("0002", "Use the test card 0002 (declined at once)"),
        )
    )


def _invoices(world: World, session: Json) -> str:
    links = "".join(
        f'<li><a href="{escape(invoice["hosted_invoice_url"])}">{escape(invoice["number"])}</a> '
        f"{escape(invoice['status'])}</li>"
        for invoice in world.newest_first("invoice")
        if invoice["customer"] == session["customer"] and invoice["number"]
    )
    return f"<h2>Invoices</h2><ul>{links}</ul>"


def invoice(shown: Json, *, error: str | None = None) -> str:
    """Show an invoice's lines and total, and a form that pays it while it is open."""
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td><td>{line['quantity']}</td>"
        f"<td>{money(line['amount'], line['currency'])}</td></tr>"
        for line in shown["lines"]["data"]
    )
    form = ""
    if shown["status"] == "open":
        form = f'<form method="post" action="/i/{escape(shown["id"])}">{_cards("pay")}</form>'
    problem = f'<p role="alert">{escape(error)}</p>' if error else ""
    return document(
        f"Invoice {shown['number'] or '(draft)'}",
        f"{problem}<p>Status: {escape(shown['status'])}</p><table><caption>Lines</caption><tr>"
        "<th scope='col'>Description</th><th scope='col'>Quantity</th><th scope='col'>Amount</th>"
        f"</tr>{rows}</table><p>Total: {money(shown['total'], shown['currency'])}</p>{form}"
        f"{_link(shown['invoice_pdf'], 'Download as PDF')}",
    )


def pdf(shown: Json) -> bytes:
    """Return the smallest document that is a PDF and says what the invoice says."""
    lines = [f"Invoice {shown['number']}", f"Status: {shown['status']}"]
    lines += [f"{line['description']}: {line['amount']}" for line in shown["lines"]["data"]]
    lines += [f"Total: {money(shown['total'], shown['currency'])}"]
    safe = [re.sub(r"([()\\])", r"\\\1", line) for line in lines]
    text = "BT /F1 12 Tf 50 780 Td 16 TL " + " ".join(f"({line}) Tj T*" for line in safe) + " ET"
    parts = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> "
        ">>",
        f"<< /Length {len(text.encode('latin-1', 'replace'))} >>\nstream\n{text}\nendstream",
    ]
    body = b"%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{part}\nendobj\n".encode("latin-1", "replace")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(parts) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer\n<< /Size {len(parts) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + end.encode()


def money(cents: int | str | Decimal, currency: str) -> str:
    """Return an amount of minor units for people; fractions of a cent are kept."""
    amount = Decimal(cents) / 100
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:.{places}f} {currency.upper()}"


def _plan(world: World, line: Json) -> str:
    price = world.state.tables["price"][line["price"]]
    product = world.state.tables["product"][price["product"]]
    name = escape(product["name"])
    every = escape(price["recurring"]["interval"])
    if price["billing_scheme"] == "per_unit":
        unit = money(price["unit_amount_decimal"], price["currency"])
        return f"<h2>{name}</h2><p>{unit} per unit and {every}</p>"
    rows = "".join(_tier(tier, price["currency"]) for tier in price["tiers"])
    return (
        f"<h2>{name}</h2><table><caption>Price per {every} ({escape(price['tiers_mode'])} "
        "tiers), billed at the end of it</caption><tr><th scope='col'>Up to</th>"
        f"<th scope='col'>Flat</th><th scope='col'>Each</th></tr>{rows}</table>"
    )


def _tier(tier: dict[str, Any], currency: str) -> str:
    upper = "and above" if tier["up_to"] is None else tier["up_to"]
    flat = money(tier["flat_amount_decimal"] or 0, currency)
    unit = money(tier["unit_amount_decimal"] or 0, currency)
    return f"<tr><td>{upper}</td><td>{flat}</td><td>{unit}</td></tr>"


def _trial(session: Json) -> str:
    days = session["_subscription_data"].get("trial_period_days")
    if days:
        return f"<p>Free trial: {days} days. You pay nothing today.</p>"
    return "<p>No trial.</p>"


def _consent(session: Json) -> str:
    collection = session["consent_collection"] or {}
    if collection.get("terms_of_service") != "required":
        return ""
    return (
        '<p><input type="checkbox" id="terms" name="terms" value="accepted" required> '
        '<label for="terms">I agree to the terms of service</label></p>'
    )


def _cardless(session: Json) -> str:
    free = session["amount_total"] == 0
    if not free or session["payment_method_collection"] != "if_required":
        return ""
    return '<button name="card" value="none">Start without a card</button>'


def _link(url: str | None, label: str) -> str:
    return f'<p><a href="{escape(url)}">{escape(label)}</a></p>' if url else ""
