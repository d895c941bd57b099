"""What is seen of an account, and what of it must be the same everywhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from billing import gateway


@dataclass
class Observed:
    """What the scenario saw at an account."""

    account: str
    # The same everywhere, or the sandbox is wrong.
    facts: dict[str, Any] = field(default_factory=dict)
    # Not documented by Stripe: the value that each switch of the sandbox would have to have.
    switches: dict[str, Any] = field(default_factory=dict)
    # Stripe's words, to be read and compared by people: only their parts that we rely on are facts.
    words: dict[str, str] = field(default_factory=dict)
    lag: timedelta = timedelta(0)

    def refusal(self, what: str, call: Callable[[], Any]) -> None:
        """Note how a call is refused, which it must be."""
        try:
            call()
        except gateway.RefusedError as error:
            self.facts[f"{what}: refused"] = {
                "status": error.answer["status"],
                "code": error.answer["code"],
                "is missing": error.is_missing,
                "is duplicate": error.is_duplicate,
            }
            self.words[what] = error.answer["message"]
        else:
            self.facts[f"{what}: refused"] = None


def differences(ours: Observed, theirs: Observed) -> list[str]:
    """Return what two accounts do differently that must be equal, a sentence each."""
    return [
        f"{what}: {ours.account} {ours.facts.get(what)}, {theirs.account} {theirs.facts.get(what)}"
        for what in sorted(ours.facts.keys() | theirs.facts.keys())
        if ours.facts.get(what) != theirs.facts.get(what)
    ]


def table(ours: Observed, theirs: Observed) -> str:
    """Return everything that was seen, side by side, as a table in Markdown."""
    parts = (
        ("equal", ours.facts, theirs.facts),
        ("switch", ours.switches, theirs.switches),
        ("words", ours.words, theirs.words),
        ("lag", {"seconds": ours.lag.total_seconds()}, {"seconds": theirs.lag.total_seconds()}),
    )
    rows = [
        f"| {kind} | {what} | {left.get(what)} | {right.get(what)} |"
        for kind, left, right in parts
        for what in (*left, *(found for found in right if found not in left))
    ]
    head = f"| kind | what | {ours.account} | {theirs.account} |\n|---|---|---|---|"
    return "\n".join((head, *rows))
