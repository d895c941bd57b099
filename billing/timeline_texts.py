"""What each event of a plan's timeline says."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from bencher import changes, dates
from bencher.dates import Written
from bencher.models import Change
from bencher.numbers import counted
from billing import money, stripe_places
from billing.models import MeterEvent, Notice
from billing.timeline import Moment
from billing.wording import Tone

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the page shows it; addresses may be empty."""

    at: Written
    title: str
    detail: str
    tone: Tone
    address: str
    stripe: str


@dataclass(frozen=True, slots=True)
class _Said:
    title: str
    detail: str = ""
    tone: Tone = Tone.NEUTRAL
    stripe: str = ""


def entry(moment: Moment) -> Entry:
    """Return what an event says, with a link to its row and one to Stripe where there are."""
    said = _SAY[moment.kind](moment.facts)
    model = _MODELS.get(moment.kind)
    return Entry(
        at=dates.moment(moment.at),
        title=said.title,
        detail=said.detail,
        tone=said.tone,
        address=reverse(f"admin:{model}_change", args=[moment.id]) if model else "",
        stripe=said.stripe,
    )


def _day(text: str) -> str:
    return dates.day(datetime.fromisoformat(text)).text


def _moment(text: str) -> str:
    return dates.moment(datetime.fromisoformat(text)).text


def _by(facts: Facts) -> str:
    return f"by {facts['by'] or 'somebody who is gone'}"


def _span(facts: Facts) -> str:
    bounds = (datetime.fromisoformat(facts[name]) for name in ("starts_at", "ends_at"))
    return dates.span(*bounds)


def _event(facts: Facts) -> _Said:
    reason = MeterEvent.Reason(facts["reason"]).label
    title = f"{facts['value']:,} {facts['meter'].replace('_', ' ')} counted, {reason}"
    return _Said(title, *_delivery(facts))


def _delivery(facts: Facts) -> tuple[str, Tone]:
    """Say how far a value came, in the order of `MeterEvent.state`."""
    answer = facts["answer"] or {}
    said = str(answer.get("message") or answer.get("settled") or "")
    tried = f"tried {counted(facts['attempts'], 'time')}" if facts["attempts"] else "not tried yet"
    states = {
        "sent_at": (f"delivered to Stripe at {_or_nothing(facts['sent_at'])}", Tone.GOOD),
        "expired_at": (
            "expired: Stripe takes nothing so old, and it is not billed",
            Tone.ATTENTION,
        ),
        "rejected_at": (f"rejected by Stripe: {said or 'without a word'}", Tone.ATTENTION),
        "superseded_at": ("superseded by a newer value", Tone.NEUTRAL),
        "undecided_at": ("nobody knows whether Stripe has it", Tone.ATTENTION),
        "held_at": ("held back by staff", Tone.ATTENTION),
    }
    for state, said_of_it in states.items():
        if facts[state]:
            return said_of_it
    return f"waits to be sent, {tried}{f'. Stripe said: {said}' if said else ''}", Tone.NEUTRAL


def _or_nothing(at: str | None) -> str:
    return _moment(at) if at else ""


def _statement(facts: Facts) -> _Said:
    amount = money.written(facts["cents"], facts["currency"])
    return _Said(
        f"Period closed: {counted(facts['series'], 'series', 'series')}, {amount}",
        f"{_span(facts)}; {facts['total']:,} with those that are not billed",
    )


def _invoice(facts: Facts) -> _Said:
    amount = money.written(facts["cents"], facts["currency"])
    return _Said(
        f"Invoice {facts['invoice']}: {facts['series'] or 0:,} series, {amount}",
        "agrees with the statement" if facts["agrees"] else facts["difference"],
        Tone.GOOD if facts["agrees"] else Tone.ATTENTION,
        stripe_places.dashboard(facts["invoice"]),
    )


def _drift(facts: Facts) -> _Said:
    resolved = facts["resolved_at"]
    gone = f" Resolved at {_moment(resolved)}." if resolved else ""
    return _Said(
        "Figures differ",
        f"{facts['differences']}{gone}",
        Tone.NEUTRAL if resolved else Tone.ATTENTION,
    )


def _notice(facts: Facts) -> _Said:
    kind = Notice.Kind(facts["kind"]).label
    if facts["sent_at"]:
        to = counted(facts["recipients"], "leader")
        return _Said(f"E-mail: {kind}", f"sent to {to} at {_moment(facts['sent_at'])}", Tone.GOOD)
    if facts["given_up_at"]:
        return _Said(f"E-mail: {kind}", f"given up: {facts['failure']}", Tone.ATTENTION)
    return _Said(f"E-mail: {kind}", "not sent yet")


def _webhook(facts: Facts) -> _Said:
    title = f"Stripe told: {facts['type']}"
    link = stripe_places.dashboard(facts["object"])
    if facts["failure"]:
        return _Said(title, f"not applied: {facts['failure']}", Tone.ATTENTION, link)
    return _Said(title, "handled" if facts["handled_at"] else "not handled yet", stripe=link)


def _decision(facts: Facts) -> _Said:
    done = "applied" if facts["applied"] else "declined"
    note = f", credit note {facts['note']}" if facts["note"] else ""
    return _Said(f"Correction {done}{note}", _by(facts))


def _unverified(facts: Facts) -> _Said:
    return _Said(
        "An invoice became final before its count was seen",
        facts["invoice"],
        Tone.ATTENTION,
        stripe_places.dashboard(facts["invoice"]),
    )


def _change(facts: Facts) -> _Said:
    told = ("relation", "kind", "before", "after", "program", "role", "why")
    change = Change(**{name: facts[name] for name in told})
    made = f"{changes.who_of(facts['by'] or '', change)}{f': {change.why}' if change.why else ''}"
    return _Said(
        f"{changes.of_what(change)} {change.get_kind_display()}",
        f"{'; '.join(changes.columns(change))}. By {made}",
    )


_SAY: dict[str, Callable[[Facts], _Said]] = {
    "began": lambda facts: _Said(f"Subscribed to {facts['level'].capitalize()}"),
    "ended": lambda facts: _Said(f"The plan ended, {facts['status'].replace('_', ' ')}"),
    "status": lambda facts: _Said(f"Known to be {facts['status'].replace('_', ' ')} since then"),
    "held": lambda facts: _Said("Held: staff must look", facts["why"], Tone.ATTENTION),
    "period": lambda facts: _Said(
        f"A {facts['kind']} period began", f"until {_day(facts['ends_at'])}, at {facts['price']}"
    ),
    "event": _event,
    "statement": _statement,
    "verified": lambda facts: _Said(
        f"Stripe's meter holds the statement's {facts['held'] or 0:,}",
        f"sent again {counted(facts['resends'], 'time')}" if facts["resends"] else "",
        Tone.GOOD,
    ),
    "unverified": _unverified,
    "invoice": _invoice,
    "drift": _drift,
    "notice": _notice,
    "webhook": _webhook,
    "checkout": lambda facts: _Said(
        f"Checkout {facts['state']}, {'with' if facts['trial'] else 'without'} a trial", _by(facts)
    ),
    "project": lambda facts: _Said(
        f"Project {facts['project']} {facts['kind'].replace('_', ' ')}",
        # Reports make projects on the fly.
        f"by {facts['by'] or 'a report, or somebody who is gone'}",
    ),
    "cancellation": lambda facts: _Said(
        f"Canceled at once, as of {_moment(facts['ends_at'])}", f"{_by(facts)}: {facts['reason']}"
    ),
    "freeze": lambda facts: _Said(
        "Billing frozen", f"{_by(facts)}: {facts['reason']}", Tone.ATTENTION
    ),
    "thaw": lambda facts: _Said("Billing goes on", f"{_by(facts)}: {facts['reason']}"),
    "release": lambda facts: _Said(
        f"Released to price {facts['price']}",
        f"{_by(facts)}: {facts['reason']} It was held: {facts['held_why']}",
    ),
    "correction": lambda facts: _Said(
        f"Correction proposed: {facts['before']:,} to {facts['series']:,} series",
        f"{_by(facts)}: {facts['why']}",
    ),
    "decision": _decision,
    "change": _change,
    "staff": lambda facts: _Said(f"Staff: {facts['what']}", f"{_by(facts)}. {facts['message']}"),
}

_MODELS = {
    "period": "billing_billingperiod",
    "event": "billing_meterevent",
    "statement": "billing_statement",
    "verified": "billing_verification",
    "unverified": "billing_verification",
    "invoice": "billing_settlement",
    "drift": "billing_drift",
    "notice": "billing_notice",
    "webhook": "billing_webhookreceipt",
    "freeze": "billing_freeze",
    "thaw": "billing_freeze",
    "release": "billing_release",
    "correction": "billing_correction",
    "change": "bencher_change",
    "staff": "admin_logentry",
}
