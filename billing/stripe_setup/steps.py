"""One step of the set-up: what it was about and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from billing import gateway

# In a dry run, in the place of an id.
NEW = "(new)"


class SetupError(Exception):
    """Something at Stripe is in the way and can't be changed from here; the message says how."""


class Outcome(StrEnum):
    """What became of one thing."""

    FOUND = "found"
    MADE = "made"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that Stripe must hold, what was done about it, and the setting that names it.

    `value` is what to set it to where that is not the id: a secret that Stripe shows only now.
    """

    what: str
    id: str
    outcome: Outcome
    note: str = ""
    setting: str = ""
    value: str = ""

    @property
    def changes(self) -> bool:
        """Tell whether something was written or, in a dry run, would be."""
        return self.outcome in (Outcome.MADE, Outcome.CHANGED, Outcome.REMOVED)


@dataclass(frozen=True, slots=True)
class Making:
    """One run: Stripe, and whether anything may be written."""

    stripe: gateway.Gateway
    dry_run: bool

    def make(self, create: Callable[[], str]) -> str:
        """Create something and return its id; in a dry run, say that it would be new."""
        return NEW if self.dry_run else create()

    def write(self, change: Callable[[], None]) -> None:
        """Change something, unless this is a dry run."""
        if not self.dry_run:
            change()
