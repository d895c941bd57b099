"""What the proof finds, in stories of a few lines; `make chaos` itself takes minutes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from tests.chaos import harm, journal
from tests.chaos.held import Database, Period, Stored
from tests.chaos.journal import Journal, Line
from tests.chaos.outsider import Outsider, Series
from tests.chaos.proof import Proof
from tests.chaos.scene import Organization, Project, Scene
from tests.chaos.stripe_account import StripeAccount
from tests.chaos.system import procfile

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERIES = ("engine", "ci", "bench", "latency")


def sent(key: str, *, at: float = 1, end_time: datetime = NOON) -> Line:
    return {
        "kind": "sent",
        "at": at,
        "key": key,
        "organization": "acme",
        "project": "engine",
        "testbed": "ci",
        "results": {"bench": {"latency": {"value": 7}}},
        "end_time": end_time.isoformat(),
    }


def acknowledged(key: str, *, at: float = 2, received_at: datetime = NOON + HOUR) -> Line:
    return {
        "kind": "acknowledged",
        "at": at,
        "key": key,
        "uuid": f"uuid of {key}",
        "received_at": received_at.isoformat(),
    }


def closing(kind: str, *, at: float) -> Line:
    return {"kind": kind, "at": at, "organization": "acme", "end": int(END.timestamp())}


FLIPPED: Line = {"kind": "flipped", "at": 3, "project": "engine", "private": False}


def stored(key: str, *, seen_at: datetime = NOON, total: float = 7) -> Stored:
    return Stored(key, f"uuid of {key}", "engine", "ci", NOON + HOUR, seen_at, 1, total)


@dataclass
class Held:
    """What a database would hold in which one report was stored and one project flipped."""

    stored: dict[str, list[Stored]] = field(default_factory=lambda: {"a": [stored("a")]})
    last_seen: dict[Series, datetime] = field(default_factory=lambda: {SERIES: NOON})
    flipped: dict[str, list[bool]] = field(default_factory=lambda: {"engine": [False]})
    changes: list[tuple[Any, ...]] = field(
        default_factory=lambda: [
            ("series_project", "1", "insert", None, {"visibility": "private"}),
            ("series_project", "1", "update", {"visibility": "private"}, {"visibility": "public"}),
        ]
    )

    def reports(self) -> dict[str, list[Stored]]:
        return self.stored

    def ledger(self) -> dict[Series, datetime]:
        return self.last_seen

    def flips(self) -> dict[str, list[bool]]:
        return self.flipped

    def periods(self) -> list[Period]:
        return [Period("acme", "cus", "sub", START, END, "paid", "open", None, None, 0, None)]

    def audit(self) -> list[tuple[Any, ...]]:
        return self.changes

    def audited(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        yield "series_project", "1", {"id": 1, "visibility": "public"}


def differing(held: Held, *load: Line) -> list[str]:
    """Return the names of what differs from what CI wrote down: one report, one flip."""
    outsider = Outsider()
    outsider.read_load(load or [sent("a"), acknowledged("a"), FLIPPED])
    organization = Organization("acme", "key", "cus", [Project("engine", "key", private=True)])
    scene = Scene(Path(), 1, "", "", "", "", [organization])
    proof = Proof(scene, outsider, cast(Database, held), StripeAccount("", ""))
    return [finding.name for finding in proof.ledger() if finding.difference]


class TestProof:
    def test_finds_nothing_where_all_is_well(self) -> None:
        assert differing(Held()) == []

    def test_finds_a_report_that_is_lost(self) -> None:
        held = Held(stored={}, last_seen={})
        assert differing(held) == ["acknowledged reports are there once"]

    def test_finds_a_report_that_is_there_twice(self) -> None:
        held = Held(stored={"a": [stored("a"), stored("a")]})
        assert differing(held) == ["acknowledged reports are there once"]

    def test_takes_a_report_that_was_never_answered_as_it_is(self) -> None:
        assert differing(Held(), sent("a"), acknowledged("a"), FLIPPED, sent("b")) == []
        held = Held(stored={"a": [stored("a")], "b": [stored("b")]})
        assert differing(held, sent("a"), acknowledged("a"), FLIPPED, sent("b")) == []

    def test_finds_one_that_was_never_answered_twice(self) -> None:
        held = Held(stored={"a": [stored("a")], "b": [stored("b"), stored("b")]})
        found = differing(held, sent("a"), acknowledged("a"), FLIPPED, sent("b"))
        assert found == ["others are there once or not at all"]

    def test_finds_a_report_that_nobody_sent(self) -> None:
        held = Held(stored={"a": [stored("a")], "": [stored("")]})
        assert differing(held) == ["others are there once or not at all"]

    def test_finds_a_value_that_is_missing(self) -> None:
        assert differing(Held(stored={"a": [stored("a", total=6)]})) == ["reports are whole"]

    def test_finds_a_report_that_counts_when_it_must_not(self) -> None:
        held = Held(stored={"a": [stored("a", seen_at=NOON + HOUR)]})
        assert differing(held) == ["reports count when they must"]

    @pytest.mark.parametrize(
        "last_seen", [{}, {SERIES: NOON - HOUR}, {SERIES: NOON, ("docs", "", "", ""): NOON}]
    )
    def test_finds_what_is_wrong_in_the_ledger(self, last_seen: dict[Series, datetime]) -> None:
        held = Held(last_seen=last_seen)
        assert differing(held) == ["series_last_seen is the oracle's recount"]

    def test_finds_a_flip_that_happened_twice(self) -> None:
        held = Held(flipped={"engine": [False, False]})
        assert differing(held) == ["flips of visibility happened once"]

    def test_finds_a_change_that_is_missing_in_the_audit(self) -> None:
        held = Held()
        del held.changes[1]
        assert differing(held) == ["the audit is whole"]

    def test_finds_a_refusal(self) -> None:
        refused = {"kind": "refused", "at": 3, "key": "b", "status": 409, "text": "used before"}
        found = differing(Held(), sent("a"), acknowledged("a"), FLIPPED, sent("b"), refused)
        assert found == ["CI and leaders were answered"]

    def test_finds_a_repeat_that_is_answered_otherwise(self) -> None:
        again = acknowledged("a") | {"uuid": "another"}
        found = differing(Held(), sent("a"), acknowledged("a"), FLIPPED, again)
        assert found == ["CI and leaders were answered"]

    def test_finds_a_run_in_which_nothing_happened(self) -> None:
        held = Held(stored={}, last_seen={}, flipped={}, changes=[])
        found = differing(held, {"kind": "broken", "at": 1, "key": "a"})
        assert found == ["CI and leaders were answered", "the audit is whole"]


class TestOutsider:
    """A report of 20 November that is received in December, while November is closed."""

    RECEIVED = END + HOUR

    def instants(self, *, sent_at: float, answered_at: float) -> set[datetime]:
        outsider = Outsider()
        outsider.read_load(
            [
                sent("a", at=sent_at),
                acknowledged("a", at=answered_at, received_at=self.RECEIVED),
            ]
        )
        outsider.read_time([closing("closable", at=10), closing("closed", at=20)])
        report = outsider.reports["a"]
        return outsider.instants(report, fence=START, received_at=self.RECEIVED)

    def test_dates_it_to_its_end_before_the_closing(self) -> None:
        assert self.instants(sent_at=1, answered_at=9) == {NOON}

    def test_dates_it_to_its_receipt_after_the_closing(self) -> None:
        assert self.instants(sent_at=21, answered_at=22) == {self.RECEIVED}

    def test_leaves_open_what_came_meanwhile(self) -> None:
        assert self.instants(sent_at=9, answered_at=11) == {NOON, self.RECEIVED}
        assert self.instants(sent_at=19, answered_at=22) == {NOON, self.RECEIVED}

    def test_knows_what_was_private_when_a_period_was_closed(self) -> None:
        outsider = Outsider(private={"engine": True})
        outsider.read_load([FLIPPED, FLIPPED | {"at": 30, "private": True}])
        outsider.read_time([closing("closable", at=10), closing("closed", at=20)])
        assert not outsider.was_private("engine", organization="acme", end=END)
        assert outsider.was_private("engine", organization="acme", end=END + 30 * 24 * HOUR)


def test_does_the_same_acts_for_the_same_seed() -> None:
    # Whatever an act rolls the dice for, the next ones are the same.
    first = [act for act, dice in islice(harm.acts(7), 50) if dice.random() < 2]
    again = [act for act, _ in islice(harm.acts(7), 50)]
    other = [act for act, _ in islice(harm.acts(8), 50)]
    assert first == again != other
    assert len(set(first)) > 6


def test_starts_what_the_procfile_names_for_this_machine_only() -> None:
    commands = dict(procfile(Path("Procfile").read_text()))
    assert list(commands) == ["web", "worker", "beat"]
    assert all(command[:2] == ["sh", "-c"] for command in commands.values())
    assert "--bind 127.0.0.1:" in commands["web"][2]
    assert "0.0.0.0" not in str(commands)


def test_leaves_out_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    assert journal.read(path) == []
    Journal(path).write("sent", key="a")
    with path.open("a") as file:
        file.write('{"kind": "ack')
    (line,) = journal.read(path)
    assert (line["kind"], line["key"]) == ("sent", "a")
