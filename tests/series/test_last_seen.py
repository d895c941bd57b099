"""The ledger's table: its key stays, its indexes are the ones a read needs, it is kept vacuumed."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from series.models import SeriesLastSeen
from tests.billing.conftest import make_subscriber, report

pytestmark = pytest.mark.django_db


def rows(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[tuple[object, ...]] = cursor.fetchall()
    return found


class TestKey:
    @pytest.fixture
    def row(self) -> SeriesLastSeen:
        """Return a row of the ledger; another organization has rows too."""
        make_subscriber("globex")
        _, project = make_subscriber("acme")
        report(project, 2)
        return SeriesLastSeen.objects.filter(benchmark__name="bench_0").get()

    @pytest.mark.parametrize(
        "column", ["organization_id", "project_id", "testbed_id", "benchmark_id", "measure_id"]
    )
    def test_raw_sql_cannot_change_it(self, row: SeriesLastSeen, column: str) -> None:
        with (
            pytest.raises(IntegrityError, match="keeps its key"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"UPDATE series_last_seen SET {column} = {column} + 1000000"
                " WHERE benchmark_id = %s",
                [row.benchmark_id],
            )

    def test_the_instant_rises_under_it(self, row: SeriesLastSeen) -> None:
        report(row.project, 1, ago=timedelta(minutes=-1))

        assert SeriesLastSeen.objects.get(pk=row.pk).last_seen > row.last_seen


class TestTable:
    def test_has_its_key_and_the_covering_index_and_no_other(self) -> None:
        found = rows(
            "SELECT indexname, split_part(indexdef, ' USING ', 2) FROM pg_indexes"
            " WHERE tablename = 'series_last_seen' ORDER BY indexname"
        )

        assert found == [
            (
                "series_last_seen_by_time",
                "btree (organization_id, last_seen) INCLUDE (project_id)",
            ),
            (
                "series_last_seen_pkey",
                "btree (organization_id, testbed_id, benchmark_id, measure_id)",
            ),
        ]

    def test_is_vacuumed_early_so_that_the_count_stays_index_only(self) -> None:
        ((options,),) = rows("SELECT reloptions FROM pg_class WHERE relname = 'series_last_seen'")

        assert options == [
            "autovacuum_vacuum_scale_factor=0.02",
            "autovacuum_vacuum_insert_scale_factor=0.02",
        ]
