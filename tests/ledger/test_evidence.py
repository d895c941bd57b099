"""The evidence hash, computed a second time in plain Python from the frozen lines."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from bencher import clock
from billing import close, evidence
from billing.models import BillingPeriod, Statement, StatementLine
from series import projects
from series.models import Visibility
from tests.billing.conftest import make_subscriber, report
from tests.factories import make_project
from tests.ledger.tampering import tamper

pytestmark = pytest.mark.django_db


def canonical(line: StatementLine) -> bytes:
    """Return a line as docs/evidence.md describes it: RFC 8785, UUIDs and instants only."""

    def instant(at: datetime) -> str:
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    members: dict[str, Any] = {
        "project": str(line.project_uuid),
        "testbed": str(line.testbed_uuid),
        "benchmark": str(line.benchmark_uuid),
        "measure": str(line.measure_uuid),
        "first_report": str(line.first_report_uuid),
        "first_seen": instant(line.first_seen_at),
        "last_report": str(line.last_report_uuid),
        "last_seen": instant(line.last_seen_at),
        "billed": line.billed,
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def in_python(statement: Statement) -> bytes:
    """Return the whole evidence of a statement."""
    return b"".join(sorted(canonical(line) for line in statement.lines.all()))


def hash_now() -> str:
    """Return the hash of all lines as they are now."""
    with connection.cursor() as cursor:
        cursor.execute(evidence.hash_sql("billing_statementline"))
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def statement() -> Statement:
    """Return a statement with billed and unbilled lines."""
    plan, project = make_subscriber("acme")
    public = make_project("Open", organization=plan.organization, visibility=Visibility.PUBLIC)
    for place, benchmarks in ((project, 30), (public, 20)):
        report(place, benchmarks, ago=timedelta(hours=2))
        report(place, 7, ago=timedelta(hours=1))
    BillingPeriod.objects.update(ends_at=clock.now())
    return close.close(plan.periods.get().pk, now=clock.now())


class TestHash:
    def test_is_what_plain_python_makes_of_the_lines(self, statement: Statement) -> None:
        found = in_python(statement)

        assert found.count(b"\n") == statement.total_series == 50
        assert found.count(b'"billed":true') == statement.series == 30
        assert statement.evidence_sha256 == hashlib.sha256(found).hexdigest()

    def test_the_lines_come_in_the_order_that_was_hashed(self, statement: Statement) -> None:
        with connection.cursor() as cursor:
            cursor.execute(evidence.sorted_lines_sql("billing_statementline"))
            lines = [line for (line,) in cursor.fetchall()]

        assert "".join(f"{line}\n" for line in lines).encode() == in_python(statement)

    def test_names_are_no_part_of_it(self, statement: Statement) -> None:
        tamper(
            "billing_statementline",
            "SET project_name = '', testbed_name = '', benchmark_name = '', measure_name = ''",
        )

        assert hash_now() == statement.evidence_sha256

    @pytest.mark.parametrize(
        "change",
        [
            "billed = NOT billed",
            "first_seen_at = first_seen_at + interval '1 microsecond'",
            "last_seen_at = last_seen_at - interval '1 microsecond'",
            "last_report_uuid = gen_random_uuid()",
            "first_report_uuid = gen_random_uuid()",
            "project_uuid = gen_random_uuid()",
            "testbed_uuid = gen_random_uuid()",
            "benchmark_uuid = gen_random_uuid()",
            "measure_uuid = gen_random_uuid()",
        ],
    )
    def test_anything_else_changes_it(self, statement: Statement, change: str) -> None:
        tamper("billing_statementline", f"SET {change} WHERE benchmark_name = 'bench_13'")

        assert hash_now() != statement.evidence_sha256

    def test_of_nothing_is_the_hash_of_nothing(self) -> None:
        plan, _ = make_subscriber("acme")
        BillingPeriod.objects.update(ends_at=clock.now())

        statement = close.close(plan.periods.get().pk, now=clock.now())

        assert statement.evidence_sha256 == hashlib.sha256(b"").hexdigest()


class TestLateChanges:
    def test_are_flagged_with_the_series_they_moved(self) -> None:
        plan, project = make_subscriber("acme")
        quiet = make_project("Quiet", organization=plan.organization, visibility=Visibility.PRIVATE)
        _, foreign = make_subscriber("globex")
        report(project, 3, ago=timedelta(hours=1))
        now = clock.now()
        for changed, visibility, ago in [
            (project, Visibility.PUBLIC, timedelta(hours=49)),
            (project, Visibility.PRIVATE, timedelta(hours=47)),
            (quiet, Visibility.PUBLIC, timedelta(hours=1)),
            (foreign, Visibility.PUBLIC, timedelta(hours=1)),
        ]:
            projects.set_visibility(changed, visibility, now=now - ago, by=None)
        by = plan.organization.memberships.get().user
        period = plan.periods.get()
        BillingPeriod.objects.filter(pk=period.pk).update(ends_at=now)
        # After the end, and before the close: it decides what is billed.
        projects.delete(project, now=now + timedelta(minutes=1), by=by)

        statement = close.close(period.pk, now=clock.now())

        assert (statement.series, statement.total_series) == (0, 3)
        written = "%Y-%m-%dT%H:%M:%S.%fZ"
        assert statement.late_changes == [
            {
                "project": str(project.uuid),
                "series": 3,
                "kind": "made_private",
                "at": (now - timedelta(hours=47)).strftime(written),
                "by": None,
            },
            {
                "project": str(project.uuid),
                "series": 3,
                "kind": "deleted",
                "at": (now + timedelta(minutes=1)).strftime(written),
                "by": str(by.uuid),
            },
        ]
