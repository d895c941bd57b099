"""A report that fails at any step leaves nothing behind: no row, no name, no hint."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.apps import apps
from django.db import DatabaseError, OperationalError, connection

from bencher import clock
from ingest import reports, wire
from series import last_seen
from series import models as series_models
from series.models import Project, SeriesLastSeen
from tests.factories import bmf, report_body

APPS = ("tenancy", "series", "ingest", "billing")

WRITTEN = [
    "series_testbed",
    "series_benchmark",
    "series_measure",
    "ingest_branch",
    "ingest_head",
    "ingest_version",
    "ingest_headversion",
    "ingest_report",
    "ingest_metriccolumn",
    "series_last_seen",
]


class InjectedError(Exception):
    """What a step fails with."""


def contents() -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of every table that ingest could touch."""
    found = {}
    with connection.cursor() as cursor:
        for app in APPS:
            for model in apps.get_app_config(app).get_models(include_auto_created=True):
                table = model._meta.db_table
                cursor.execute(
                    "SELECT count(*), md5(coalesce(string_agg(row::text, '|' ORDER BY row::text),"
                    f" '')) FROM {table} row"
                )
                row = cursor.fetchone()
                assert row is not None
                found[table] = (int(row[0]), str(row[1]))
    return found


def accept(project: Project, body: dict[str, Any]) -> reports.Accepted:
    """Take a report as the endpoint does."""
    text = msgspec.json.encode(body)
    sent = reports.submission(project=project, payload=wire.decode(text), body=text, user=None)
    return reports.accept(sent, now=clock.now())


def with_news(*, end_time: datetime) -> dict[str, Any]:
    """Return a report of one known series and nine new ones, from a new branch."""
    measured = bmf(5, measures=("latency", "throughput"))
    return report_body(measured, end_time=end_time, branch="feature", hash="a" * 40)


def writes(sql: str) -> bool:
    return "INSERT INTO" in sql or "UPDATE" in sql


class FailingStatement:
    """Lets a session's statements through, and fails once the one with a number was executed."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        self.left -= 1
        if not self.left:
            raise InjectedError(sql)
        return result


def kill_own_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


REFUSE_AT_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'refused at commit'; END $$;
CREATE CONSTRAINT TRIGGER refuse_at_commit AFTER INSERT ON series_last_seen
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""


class TestAccept:
    @pytest.fixture
    def before(self, project: Project, hinted: list[int]) -> dict[str, tuple[int, str]]:
        """Return what is stored after a first report, from a testbed that was archived since."""
        earlier = clock.now() - timedelta(hours=1)
        accept(project, report_body(bmf(1), end_time=earlier))
        series_models.Testbed.objects.update(archived_at=earlier)
        hinted.clear()
        return contents()

    def test_leaves_nothing_behind_whichever_statement_fails(
        self, project: Project, before: dict[str, tuple[int, str]], hinted: list[int]
    ) -> None:
        """Each statement has been executed when it fails: what it wrote must go too."""
        failed: list[str] = []
        end_time = clock.now()

        while True:
            try:
                with connection.execute_wrapper(FailingStatement(len(failed) + 1)):
                    accept(project, with_news(end_time=end_time))
            except InjectedError as error:
                failed.append(str(error))
                assert contents() == before, failed[-1]
                assert hinted == []
            else:
                break

        # The one that went through proves that all of them were met, and in their order.
        written = [table for table in WRITTEN if any(table in sql for sql in failed if writes(sql))]
        assert written == WRITTEN
        assert "series_last_seen" in failed[-1]
        assert contents() != before
        assert hinted == [project.organization_id]

    def test_leaves_nothing_behind_where_the_commit_fails(
        self, project: Project, before: dict[str, tuple[int, str]], hinted: list[int]
    ) -> None:
        with connection.cursor() as cursor:
            cursor.execute(REFUSE_AT_COMMIT)

        with pytest.raises(DatabaseError, match="refused at commit"):
            accept(project, with_news(end_time=clock.now()))

        assert contents() == before
        assert hinted == []

    def test_leaves_nothing_behind_where_the_session_dies_before_the_commit(
        self,
        project: Project,
        before: dict[str, tuple[int, str]],
        hinted: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        record = last_seen.record

        def die_after(**series: Any) -> None:
            record(**series)
            kill_own_session()

        monkeypatch.setattr(last_seen, "record", die_after)

        with pytest.raises(OperationalError):
            accept(project, with_news(end_time=clock.now()))

        connection.close()
        assert contents() == before
        assert hinted == []

    def test_stores_all_of_it_and_hints_once_where_nothing_fails(
        self, project: Project, before: dict[str, tuple[int, str]], hinted: list[int]
    ) -> None:
        """The proof that the others would have seen something."""
        end_time = clock.now()

        assert accept(project, with_news(end_time=end_time)).new_series == 9

        changed = {name for name, content in contents().items() if content != before[name]}
        assert changed == set(WRITTEN)
        assert set(SeriesLastSeen.objects.values_list("last_seen", flat=True)) == {end_time}
        assert hinted == [project.organization_id]
