"""What the database holds, read with statements of the proof's own."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from tests.chaos.outsider import Series

_REPORTS = """
SELECT report.idempotency_key, report.uuid::text, project.slug, testbed.name,
       report.received_at, report.seen_at,
       (SELECT coalesce(sum(cardinality("values")), 0) FROM ingest_metriccolumn held
        WHERE held.report_id = report.id),
       (SELECT coalesce(sum(value), 0) FROM ingest_metriccolumn held, unnest("values") value
        WHERE held.report_id = report.id)
FROM ingest_report report
JOIN series_project project ON project.id = report.project_id
JOIN series_testbed testbed ON testbed.id = report.testbed_id
"""
_LEDGER = """
SELECT project.slug, testbed.name, benchmark.name, measure.slug, ledger.last_seen
FROM series_last_seen ledger
JOIN series_project project ON project.id = ledger.project_id
JOIN series_testbed testbed ON testbed.id = ledger.testbed_id
JOIN series_benchmark benchmark ON benchmark.id = ledger.benchmark_id
JOIN series_measure measure ON measure.id = ledger.measure_id
"""
_CHANGES = """
SELECT project.slug, change.kind FROM series_projectchange change
JOIN series_project project ON project.id = change.project_id
WHERE change.kind <> 'created' ORDER BY change.id
"""
_PERIODS = """
SELECT organization.slug, customer.stripe_customer_id, period.stripe_subscription_id,
       period.starts_at, period.ends_at, period.kind, period.state,
       statement.series AS series, statement.amount_cents AS cents,
       (SELECT count(*) FROM billing_statementline line
        WHERE line.statement_id = statement.id AND line.billed) AS billed_lines,
       settlement.agrees AS settlement_agrees
FROM billing_billingperiod period
JOIN tenancy_organization organization ON organization.id = period.organization_id
JOIN billing_billingcustomer customer ON customer.organization_id = organization.id
LEFT JOIN billing_statement statement ON statement.period_id = period.id
LEFT JOIN billing_settlement settlement ON settlement.statement_id = statement.id
ORDER BY organization.slug, period.starts_at
"""
_EVENTS = """
SELECT identifier, meter, value, timestamp, sent_at IS NOT NULL AS delivered,
       superseded_at IS NOT NULL AS superseded, rejected_at IS NOT NULL AS rejected
FROM billing_meterevent
"""
_AUDIT = "SELECT relation, row, kind, before, after FROM bencher_change ORDER BY id"
_AUDITED = """
SELECT relation.relname::text, split_part(encode(audited.tgargs, 'escape'), '\\000', 1)
FROM pg_trigger audited JOIN pg_class relation ON relation.oid = audited.tgrelid
WHERE audited.tgname = relation.relname || '_is_audited'
"""
_DRIFTS = "SELECT differences FROM billing_drift WHERE resolved_at IS NULL"

_QUEUED = """
SELECT count(*) FROM billing_meterevent
WHERE sent_at IS NULL AND rejected_at IS NULL AND superseded_at IS NULL
"""


class Stored(NamedTuple):
    """A report that the database holds."""

    key: str
    uuid: str
    project: str
    testbed: str
    received_at: datetime
    seen_at: datetime
    values: int
    total: float


class Period(NamedTuple):
    """A period as the database holds it; what belongs to its statement is None without one."""

    organization: str
    customer: str
    subscription: str
    starts_at: datetime
    ends_at: datetime
    kind: str
    state: str
    series: int | None
    cents: int | None
    billed_lines: int
    settlement_agrees: bool | None


class Event(NamedTuple):
    """A meter event in the outbox."""

    identifier: str
    meter: str
    value: int
    timestamp: datetime
    delivered: bool
    superseded: bool
    rejected: bool


class Database:
    """Answers what the proof asks."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()

    def reports(self) -> dict[str, list[Stored]]:
        """Return the reports by idempotency key: lists, because each must be there once."""
        found = defaultdict(list)
        for row in self._rows(_REPORTS):
            stored = Stored(*row)
            found[stored.key].append(stored)
        return found

    def ledger(self) -> dict[Series, datetime]:
        """Return when each series was last seen."""
        return {(*names,): seen for *names, seen in self._rows(_LEDGER)}

    def flips(self) -> dict[str, list[bool]]:
        """Return what each project was made in turn: private or not."""
        found = defaultdict(list)
        for project, kind in self._rows(_CHANGES):
            found[project].append(kind == "made_private")
        return found

    def periods(self) -> list[Period]:
        """Return all periods, each organization's in order."""
        return [Period(*row) for row in self._rows(_PERIODS)]

    def events(self) -> list[Event]:
        """Return the outbox."""
        return [Event(*row) for row in self._rows(_EVENTS)]

    def queued(self) -> int:
        """Return how many meter events wait to be sent."""
        return int(self._rows(_QUEUED)[0][0])

    def drifts(self) -> list[str]:
        """Return what the product itself has found to differ."""
        return [row[0] for row in self._rows(_DRIFTS)]

    def audit(self) -> list[tuple[Any, ...]]:
        """Return relation, row, kind, before and after of each change, in order."""
        return self._rows(_AUDIT)

    def audited(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield relation, primary key and values of each row that is audited."""
        for relation, key in self._rows(_AUDITED):
            with self._connection.cursor(row_factory=dict_row) as cursor:
                cursor.execute(f"SELECT to_jsonb(found) AS found FROM {relation} found")
                for row in cursor:
                    yield relation, str(row["found"][key]), row["found"]
