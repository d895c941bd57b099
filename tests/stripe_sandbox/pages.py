"""The hosted pages: checkout, portal and invoice, in plain HTML that works without script."""

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
        f"later)</button>{_cardless(session)}</form>"
        f"{_link(session['cancel_url'], 'Cancel and go back')}",
    )


def portal(world: World, session: Json) -> str:
    """Show a customer's subscriptions, with a link back."""
    rows = "".join(
        f"<tr><td>{escape(subscription['id'])}</td><td>{escape(subscription['status'])}</td></tr>"
        for subscription in world.newest_first("subscription")
        if subscription["customer"] == session["customer"]
    )
    return document(
        "Billing portal",
        "<table><caption>Subscriptions</caption><tr><th scope='col'>Subscription</th>"
        f"<th scope='col'>Status</th></tr>{rows}</table>{_link(session['return_url'], 'Return')}",
    )


def invoice(shown: Json) -> str:
    """Show an invoice's lines and total."""
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td><td>{line['quantity']}</td>"
        f"<td>{money(line['amount'], line['currency'])}</td></tr>"
        for line in shown["lines"]["data"]
    )
    return document(
        f"Invoice {shown['number'] or '(draft)'}",
        f"<p>Status: {escape(shown['status'])}</p><table><caption>Lines</caption><tr>"
        "<th scope='col'>Description</th><th scope='col'>Quantity</th><th scope='col'>Amount</th>"
        f"</tr>{rows}</table><p>Total: {money(shown['total'], shown['currency'])}</p>",
    )


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
