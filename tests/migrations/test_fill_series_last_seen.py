"""Migrating a database that has reports but no ledger."""

import importlib
from datetime import timedelta

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from bencher import clock
from ingest import backfill
from series.models import SeriesLastSeen, Visibility
from tests.factories import (
    bmf,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    report_body,
)

MIGRATION = "0006_fill_series_last_seen"


def migrate(name: str) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("ingest", name)])


def ledger() -> set[tuple[object, ...]]:
    rows = SeriesLastSeen.objects.values_list(
        "organization_id", "project_id", "testbed_id", "benchmark_id", "measure_id", "last_seen"
    )
    return set(rows)


class TestFill:
    def test_makes_the_ledger_that_the_reports_would_have_made(self, committed_db: str) -> None:
        acme = make_organization("Acme", leader=make_user("alice"))
        for name in ("one", "two"):
            project = make_project(name, organization=acme, visibility=Visibility.PRIVATE)
            client = Client(headers={"authorization": f"Bearer {make_project_key(project)}"})
            for hours, benchmarks in ((3, 5), (1, 2), (2, 4)):
                body = report_body(
                    bmf(benchmarks), end_time=clock.now() - timedelta(hours=hours), testbed=name
                )
                url = f"/v0/projects/{project.slug}/reports"
                assert client.post(url, body, content_type="application/json").status_code == 201
        written = ledger()
        migrate("0005_versions_by_hash")
        SeriesLastSeen.objects.all().delete()

        migrate(MIGRATION)

        assert len(written) == 10
        assert ledger() == written


class TestStatement:
    def test_is_the_one_that_the_command_runs(self) -> None:
        migration = importlib.import_module(f"ingest.migrations.{MIGRATION}")

        assert migration.FILL == backfill.FILL
