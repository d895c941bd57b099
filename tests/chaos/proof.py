"""Comparing what is held with what the outsider knows: each figure, and the first difference."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from tests.chaos.held import Database, Period, Stored
from tests.chaos.outsider import Outsider, Report, Series
from tests.chaos.scene import Scene
from tests.chaos.stripe_account import Json, StripeAccount
from tests.machine.oracle import price_cents

Sightings = dict[str, list[tuple[datetime, frozenset[Series]]]]


@dataclass(frozen=True)
class Finding:
    """One thing that was compared: in how many cases, and how the first that differs does."""

    name: str
    cases: int
    difference: str = ""


@dataclass
class Proof:
    """Compares; each method yields a sentence for each case, empty where it agrees."""

    scene: Scene
    outsider: Outsider
    database: Database
    stripe: StripeAccount

    def __post_init__(self) -> None:
        self.stored = self.database.reports()
        self.periods = self.database.periods()
        self.fences: dict[str, datetime] = {}
        for period in self.periods:
            self.fences.setdefault(period.organization, period.starts_at)
        for organization in self.scene.organizations:
            for project in organization.projects:
                self.outsider.private[project.slug] = project.private

    def ledger(self) -> Iterator[Finding]:
        """Compare reports and ledger with what CI wrote down."""
        yield _finding("CI and leaders were answered", self._answers())
        yield _finding("acknowledged reports are there once", self._acknowledged())
        yield _finding("others are there once or not at all", self._unacknowledged())
        yield _finding("reports are whole", self._whole())
        yield _finding("reports count when they must", self._dated())
        yield _finding("series_last_seen is the oracle's recount", self._last_seen())
        yield _finding("flips of visibility happened once", self._flips())
        yield _finding("the audit is whole", self._audit())

    def _answers(self) -> Iterator[str]:
        yield from self.outsider.wrongs
        for count in ("acknowledged", "flipped"):
            if not self.outsider.counts[count]:
                yield f"nothing was {count}"
        yield ""

    def _acknowledged(self) -> Iterator[str]:
        for report in self.outsider.reports.values():
            if report.is_acknowledged:
                found = [stored.uuid for stored in self.stored.get(report.key, [])]
                yield _unequal(f"report {report.key}", [report.uuid], found)

    def _unacknowledged(self) -> Iterator[str]:
        for report in self.outsider.reports.values():
            count = len(self.stored.get(report.key, []))
            if not report.is_acknowledged:
                yield f"report {report.key} is there {count} times" if count > 1 else ""
        for key in self.stored.keys() - self.outsider.reports.keys():
            yield f"nobody sent report {key!r}"

    def _both(self) -> Iterator[tuple[Report, Stored]]:
        for key, stored in self.stored.items():
            if key in self.outsider.reports:
                yield self.outsider.reports[key], stored[0]

    def _whole(self) -> Iterator[str]:
        for report, stored in self._both():
            sent = (report.project, report.testbed, report.content)
            held = (stored.project, stored.testbed, (stored.values, stored.total))
            yield _unequal(f"report {report.key}", sent, held)

    def _dated(self) -> Iterator[str]:
        for report, stored in self._both():
            allowed = self._allowed(report, stored)
            is_allowed = stored.seen_at in allowed
            may = " or ".join(f"{at}" for at in sorted(allowed))
            yield "" if is_allowed else f"report {report.key} counts at {stored.seen_at}, not {may}"

    def _allowed(self, report: Report, stored: Stored) -> set[datetime]:
        return self.outsider.instants(
            report,
            fence=self.fences[report.organization],
            received_at=report.received_at or stored.received_at,
        )

    def sightings(self) -> Sightings:
        """Return when which series were seen, of each organization.

        Where the outsider leaves open when a report counts, the database is believed.
        """
        found: Sightings = defaultdict(list)
        for report, stored in self._both():
            allowed = self._allowed(report, stored)
            at = stored.seen_at if stored.seen_at in allowed else min(allowed)
            found[report.organization].append((at, report.series))
        return found

    def _last_seen(self) -> Iterator[str]:
        expected: dict[Series, datetime] = {}
        for seen in self.sightings().values():
            for at, shown in seen:
                for series in shown:
                    expected[series] = max(at, expected.get(series, at))
        held = self.database.ledger()
        for one in expected.keys() | held.keys():
            yield _unequal(" ".join(one), expected.get(one), held.get(one))

    def _flips(self) -> Iterator[str]:
        held = self.database.flips()
        for project in self.outsider.private:
            made, recorded = self.outsider.flips[project], held.get(project, [])
            difference = _unequal(f"the flips of {project}", made, recorded)
            yield from [difference, *([""] * (len(made) - 1))]

    def _audit(self) -> Iterator[str]:
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for relation, row, kind, before, after in self.database.audit():
            known = rows.setdefault((relation, row), {})
            was = {name: known.get(name) for name in before or {}}
            yield _unequal(f"{kind} of {relation} {row}, as it was before", before or {}, was)
            known.update(after or dict.fromkeys(known))
        for relation, row, found in self.database.audited():
            known = rows.get((relation, row), {})
            is_now = {name: found[name] for name in known}
            # The roles and what they may are older than their audit.
            expected = known if known or relation.startswith("auth_") else "something"
            yield _unequal(f"{relation} {row} by the audit", expected, is_now)

    def open_periods(self) -> Iterator[Finding]:
        """Compare the running periods: oracle, the figure of API and page, Stripe's meter."""
        now = self.stripe.clock()["now"]
        running = [one for one in self.periods if one.ends_at.timestamp() > now]
        yield _finding("the usage that is shown is the oracle's", self._shown(running))
        yield _finding("the meter holds it after the sweep", self._meters(running, until=now))

    def _shown(self, running: list[Period]) -> Iterator[str]:
        keys = {one.slug: one.leader_key for one in self.scene.organizations}
        for period in running:
            response = requests.get(
                f"{self.scene.site}/v0/organizations/{period.organization}/usage",
                headers={"Authorization": f"Bearer {keys[period.organization]}"},
                timeout=60,
            )
            response.raise_for_status()
            figure = response.json()["active_series"]
            yield _unequal(f"the usage of {_named(period)}", self._billed(period), figure)

    def _meters(self, periods: list[Period], *, until: float) -> Iterator[str]:
        for period in periods:
            held = self._held(period, until=min(until, period.ends_at.timestamp()))
            yield _unequal(f"the meter in {_named(period)}", self._billed(period), held)

    def _billed(self, period: Period) -> int:
        """Return how many series the outsider bills in a period."""
        seen: set[Series] = set()
        for at, series in self.sightings()[period.organization]:
            if period.starts_at <= at < period.ends_at:
                seen |= series
        private = {
            project: self.outsider.was_private(
                project, organization=period.organization, end=period.ends_at
            )
            for project in {project for project, *_ in seen}
        }
        return sum(private[project] for project, *_ in seen)

    def _held(self, period: Period, *, until: float) -> int:
        (meter,) = (
            one["id"]
            for one in self.stripe.list("billing/meters")
            if one["event_name"] == "active_series"
        )
        summaries = self.stripe.list(
            f"billing/meters/{meter}/event_summaries",
            customer=period.customer,
            start_time=int(period.starts_at.timestamp()) // 60 * 60,
            end_time=int(until) // 60 * 60,
        )
        return sum(int(summary["aggregated_value"]) for summary in summaries)

    def closed_periods(self) -> Iterator[Finding]:
        """Compare what has ended: oracle, statement, its lines, Stripe's meter and invoice."""
        now = self.stripe.clock()["now"]
        ended = [one for one in self.periods if one.ends_at.timestamp() <= now]
        yield _finding("every period at Stripe has one statement", self._periods_at_stripe(ended))
        yield _finding("statements are the oracle's count", self._statements(ended))
        yield _finding(
            "the meter holds what the statements say",
            self._meters(ended, until=now),
        )
        yield _finding("the invoices bill it", self._invoices(ended))
        yield _finding("Stripe has the meter events as stored", self._events())
        yield _finding("the product itself finds no drift", iter([*self.database.drifts(), ""]))

    def _periods_at_stripe(self, ended: list[Period]) -> Iterator[str]:
        for organization in self.scene.organizations:
            billed = {span for span, _ in self._lines(organization.customer)}
            closed = {
                _span(one)
                for one in ended
                if one.organization == organization.slug and one.series is not None
            }
            yield _unequal(f"the periods of {organization.slug}", sorted(billed), sorted(closed))

    def _statements(self, ended: list[Period]) -> Iterator[str]:
        for period in ended:
            expected = self._billed(period)
            cents = 0 if period.kind == "trial" else price_cents(expected)
            yield _unequal(
                f"the statement of {_named(period)} (series, lines, cents)",
                (expected, expected, cents),
                (period.series, period.billed_lines, period.cents),
            )

    def _invoices(self, ended: list[Period]) -> Iterator[str]:
        for period in ended:
            expected = self._billed(period)
            lines = [
                (line["quantity"], line["amount"])
                for span, line in self._lines(period.customer)
                if span == _span(period)
            ]
            # A trial stands on the invoice with which it begins, too.
            due, lines = (
                ([(0, 0)], sorted(set(lines)))
                if period.kind == "trial"
                else ([(expected, price_cents(expected))], lines)
            )
            yield _unequal(f"the invoice of {_named(period)} (series, cents)", due, lines)
            agrees = (period.state, period.settlement_agrees)
            yield _unequal(f"the settlement of {_named(period)}", ("settled", True), agrees)

    def _lines(self, customer: str) -> Iterator[tuple[tuple[int, int], Json]]:
        """Yield the invoices' lines of active series, each with its period."""
        prices = {one["id"] for one in self.stripe.list("prices", product="prod_pro")}
        for invoice in self.stripe.list("invoices", customer=customer):
            for line in invoice["lines"]["data"]:
                if line["pricing"]["price_details"]["price"] in prices:
                    yield (line["period"]["start"], line["period"]["end"]), line

    def _events(self) -> Iterator[str]:
        # As a set: what waited for more than a day Stripe takes again, which changes nothing where
        # the last value counts.
        taken = set(_at_stripe(self.scene))
        outbox = {
            (one.identifier, one.value, int(one.timestamp.timestamp())): one
            for one in self.database.events()
        }
        for key, event in outbox.items():
            if event.delivered and key not in taken:
                yield f"meter event {key} was delivered and is not at Stripe"
            elif event.rejected or not (event.delivered or event.superseded):
                yield f"meter event {key} was not delivered"
            else:
                yield ""
        for key in taken - outbox.keys():
            yield f"meter event {key} is at Stripe and was never stored so"


def _at_stripe(scene: Scene) -> Iterator[tuple[str, int, int]]:
    """Yield identifier, value and timestamp of each event that took effect.

    The API shows only sums, so this reads the file in which the sandbox keeps what it knows.
    """
    document = json.loads((scene.directory / "stripe.json").read_text())
    for events in document["usage"].values():
        for event in events:
            yield event["identifier"], event["value"], event["timestamp"]


def _finding(name: str, sentences: Iterator[str]) -> Finding:
    cases, difference = 0, ""
    for sentence in sentences:
        cases += 1
        difference = difference or sentence
    return Finding(name, cases, difference)


def _unequal(what: str, expected: Any, held: Any) -> str:
    return "" if expected == held else f"{what}: expected {expected}, found {held}"


def _named(period: Period) -> str:
    return f"{period.organization}, {period.kind} {period.starts_at:%F} to {period.ends_at:%F}"


def _span(period: Period) -> tuple[int, int]:
    return int(period.starts_at.timestamp()), int(period.ends_at.timestamp())
