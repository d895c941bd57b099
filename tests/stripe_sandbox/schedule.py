"""What happens by itself, and when: the transitions that the clock brings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.stripe_sandbox import checkout, cycles, invoicing
from tests.stripe_sandbox.state import Json, State
from tests.stripe_sandbox.world import World


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that is to happen at one instant."""

    at: int
    perform: Callable[[World], None]


def next_transition(state: State) -> Transition | None:
    """Return the earliest; at the same instant invoices are finalized before periods end."""
    return min(_all(state), key=lambda transition: transition.at, default=None)


def _all(state: State) -> Iterator[Transition]:
    for invoice in state.tables["invoice"].values():
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
            yield Transition(invoice["automatically_finalizes_at"], _finalize(invoice))
    for session in state.tables["checkout.session"].values():
        if session["status"] == "open":
            yield Transition(session["expires_at"], _expire(session))
    for subscription in state.tables["subscription"].values():
        if subscription["status"] in cycles.RUNNING:
            yield from _of_subscription(state, subscription)


def _of_subscription(state: State, subscription: Json) -> Iterator[Transition]:
    first = state.tables["subscription_item"][subscription["_items"][0]]
    if subscription["status"] == "trialing" and not subscription["_reminded"]:
        due = max(subscription["trial_end"] - cycles.REMINDER, subscription["trial_start"])
        yield Transition(due, _remind(subscription))
    yield Transition(first["current_period_end"], _end_period(subscription))


def _finalize(invoice: Json) -> Callable[[World], None]:
    return lambda world: invoicing.finalize(world, invoice, collect=True)


def _expire(session: Json) -> Callable[[World], None]:
    return lambda world: checkout.expire(world, session)


def _remind(subscription: Json) -> Callable[[World], None]:
    return lambda world: cycles.remind(world, subscription)


def _end_period(subscription: Json) -> Callable[[World], None]:
    return lambda world: cycles.end_period(world, subscription)
