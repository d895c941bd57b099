"""What happens by itself, and when: the transitions that the clock brings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.stripe_sandbox import checkout, cycles, meter_events
from tests.stripe_sandbox.state import Json, State
from tests.stripe_sandbox.world import Switches, World

FINAL = {
    "invoice": {"paid", "void", "uncollectible"},
    "checkout.session": {"complete", "expired"},
    "subscription": {"canceled", "incomplete_expired"},
}
# At the same instant invoices are finalized before periods end.
RANK = {"invoice": 0, "checkout.session": 1, "subscription": 2}


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that is to happen at one instant."""

    at: int
    rank: int
    perform: Callable[[World], None]


def next_transition(state: State, switches: Switches) -> Transition | None:
    """Return the earliest."""
    return min(_all(state, switches), key=lambda found: (found.at, found.rank), default=None)


def _all(state: State, switches: Switches) -> Iterator[Transition]:
    if state.unreported:
        due = state.unreported[0]["at"] + switches.error_report_seconds
        yield Transition(due, len(RANK), meter_events.report)
    settled = []
    for key, stored in state.running.items():
        kind = stored["object"]
        if stored["status"] in FINAL[kind]:
            settled.append(key)
            continue
        for at, perform in OF[kind](state, stored):
            yield Transition(at, RANK[kind], perform)
    # What is final never moves again, and a long life has many such invoices.
    for key in settled:
        del state.running[key]


Found = Iterator[tuple[int, Callable[[World], None]]]


def _of_invoice(state: State, invoice: Json) -> Found:
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
        yield invoice["automatically_finalizes_at"], lambda world: cycles.finalize(world, invoice)
    elif invoice["status"] == "open" and invoice["next_payment_attempt"]:
        yield invoice["next_payment_attempt"], lambda world: cycles.retry(world, invoice)


def _of_session(state: State, session: Json) -> Found:
    yield session["expires_at"], lambda world: checkout.expire(world, session)


def _of_subscription(state: State, subscription: Json) -> Found:
    if subscription["status"] == "incomplete":
        due = subscription["created"] + cycles.INCOMPLETE_FOR
        yield due, lambda world: cycles.give_up_incomplete(world, subscription)
    if subscription["status"] not in cycles.RUNNING:
        return
    first = state.tables["subscription_item"][subscription["_items"][0]]
    if subscription["status"] == "trialing" and not subscription["_reminded"]:
        due = max(subscription["trial_end"] - cycles.REMINDER, subscription["trial_start"])
        yield due, lambda world: cycles.remind(world, subscription)
    yield first["current_period_end"], lambda world: cycles.end_period(world, subscription)


OF: dict[str, Callable[[State, Json], Found]] = {
    "invoice": _of_invoice,
    "checkout.session": _of_session,
    "subscription": _of_subscription,
}
