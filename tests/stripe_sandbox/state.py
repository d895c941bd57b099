"""Everything the sandbox remembers, as plain data that fits in one JSON file."""

import json
import random
import string
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
RUNNING = ("invoice", "checkout.session", "subscription")
# Seeded once by the system; asking it for every letter costs more than the rest of a call.
RANDOM = random.Random()
ALPHABET = string.ascii_letters + string.digits


@dataclass(slots=True)
class MeterEvent:
    """One accepted meter event; `sequence` is its order of arrival."""

    value: int
    timestamp: int
    identifier: str
    received_at: int
    sequence: int
    canceled: bool = False


@dataclass(slots=True)
class Replay:
    """The first answer given under an idempotency key."""

    fingerprint: str
    status: int
    body: Json
    stored_at: int


@dataclass(slots=True)
class State:
    """Stripe's objects by type and id, and what is not an object of Stripe's.

    Members of an object that begin with `_` are the sandbox's own and are never shown.
    """

    tables: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))
    usage: dict[str, list[MeterEvent]] = field(default_factory=lambda: defaultdict(list))
    identifiers: dict[str, int] = field(default_factory=dict)
    # Accepted events that turned out wrong, and those of them that no report has named yet.
    dropped_events: list[Json] = field(default_factory=list)
    unreported: list[Json] = field(default_factory=list)
    replays: dict[str, Replay] = field(default_factory=dict)
    undelivered: list[tuple[str, str]] = field(default_factory=list)
    sequence: int = 0
    # The objects to which something may still happen by itself; follows from the tables.
    running: dict[str, Json] = field(default_factory=dict)

    def document(self, *, offset: int) -> str:
        """Return the JSON text that `load` reads back."""
        plain = {
            "offset": offset,
            "tables": self.tables,
            "usage": {key: [asdict(event) for event in kept] for key, kept in self.usage.items()},
            "identifiers": self.identifiers,
            "dropped_events": self.dropped_events,
            "unreported": self.unreported,
            "replays": {key: asdict(replay) for key, replay in self.replays.items()},
            "undelivered": self.undelivered,
            "sequence": self.sequence,
        }
        return json.dumps(plain)


def write(path: Path, document: str) -> None:
    """Replace the file in one step, so that a killed process leaves a whole one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(document)
    draft.replace(path)


def load(path: Path) -> tuple[State, int]:
    """Read a state file; return the state and the clock's offset."""
    document = json.loads(path.read_text())
    state = State(
        identifiers=document["identifiers"],
        dropped_events=document["dropped_events"],
        unreported=document.get("unreported", []),
        replays={key: Replay(**replay) for key, replay in document["replays"].items()},
        undelivered=[(event, endpoint) for event, endpoint in document["undelivered"]],
        sequence=document["sequence"],
    )
    state.tables.update(document["tables"])
    for key, events in document["usage"].items():
        state.usage[key] = [MeterEvent(**event) for event in events]
        state.usage[key].sort(key=lambda event: (event.timestamp, event.sequence))
    for table in RUNNING:
        state.running.update(state.tables[table])
    return state, document["offset"]


def new_id(prefix: str, length: int = 24) -> str:
    """Return an id that looks like Stripe's."""
    return prefix + "".join(RANDOM.choices(ALPHABET, k=length))
