"""How PostgreSQL runs the count: one index-only range scan, whatever the statistics say."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from bencher.tenancy.models import Organization
from billing import explaining, exporting
from billing.explained_pages import Sort
from billing.explaining import Wanted
from series import counting, models
from series.models import Visibility
from tests import databases
from tests.factories import DEC, JAN, NOV, make_organization, make_project, make_user

# On one worker, because they share databases that take long to make.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("query plans")]

# Ten testbeds, a thousand benchmarks and ten measures; the others have two fifths of it each.
SERIES = 100_000
OTHERS = 5
PROJECTS = 4
OF_TESTBED = SERIES // PROJECTS // 10

NAMES = """
INSERT INTO {table} (uuid, project_id, name, slug, created_at, modified_at{more})
SELECT gen_random_uuid(), %(project)s, 'n' || n, 'n' || n, %(at)s, %(at)s{units}
FROM generate_series(1, %(number)s) n
"""

# Half of them seen in December, the others before it.
ROWS = """
INSERT INTO series_last_seen
    (organization_id, project_id, testbed_id, benchmark_id, measure_id, last_seen)
SELECT %(organization)s, %(project)s, testbed.id, benchmark.id, measure.id,
       %(at)s::timestamptz + (row_number() OVER () %% 58 - 28) * interval '1 day'
FROM series_testbed testbed
JOIN series_benchmark benchmark ON benchmark.project_id = testbed.project_id
JOIN series_measure measure ON measure.project_id = testbed.project_id
WHERE testbed.project_id = %(project)s
"""


def run(sql: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def vacuum() -> None:
    """Vacuum until the visibility map is whole; an autovacuum elsewhere may hold it up a while."""
    for _ in range(300):
        run("VACUUM series_last_seen")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relallvisible = relpages FROM pg_class WHERE relname = 'series_last_seen'"
            )
            if cursor.fetchone() == (True,):
                return
    raise AssertionError("the visibility map never became whole")


def make_names(organization: Organization, number: int, *, benchmarks: int) -> int:
    """Create a project with ten testbeds, that many benchmarks and ten measures."""
    visibility = Visibility.PRIVATE if number else Visibility.PUBLIC
    project = make_project(f"P {number}", organization=organization, visibility=visibility)
    for model, rows in ((models.Testbed, 10), (models.Benchmark, benchmarks), (models.Measure, 10)):
        units = model is models.Measure
        sql = NAMES.format(
            table=model._meta.db_table,
            more=", units" if units else "",
            units=", 'ns'" if units else "",
        )
        run(sql, project=project.pk, number=rows, at=NOV)
    return project.pk


def make_rows(organization: Organization) -> None:
    for project in organization.projects.all():
        run(ROWS, organization=organization.pk, project=project.pk, at=DEC)


def make_organizations() -> None:
    """Create Acme with 100,000 names of series in four projects, and others with their rows."""
    # The tests say when statistics are gathered.
    run("ALTER TABLE series_last_seen SET (autovacuum_enabled = off)")
    leader = make_user("alice")
    acme = make_organization("Acme", leader=leader)
    for number in range(PROJECTS):
        make_names(acme, number, benchmarks=SERIES // 100 // PROJECTS)
    for other in range(OTHERS):
        organization = make_organization(f"Other {other}", leader=leader)
        make_names(organization, 1, benchmarks=SERIES // 250)
        make_rows(organization)


def gather_statistics() -> None:
    vacuum()
    run("ANALYZE")


# Each database is made once and is the next one's beginning.


@pytest.fixture(scope="module")
def without_rows(template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Return a database in which Acme has no rows yet."""
    with (
        django_db_blocker.unblock(),
        databases.prepared(template_database, make_organizations) as name,
    ):
        yield name


@pytest.fixture(scope="module")
def with_rows(without_rows: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Return a database in which Acme has its rows and nothing was ever vacuumed."""
    with (
        django_db_blocker.unblock(),
        databases.prepared(without_rows, lambda: make_rows(found())) as name,
    ):
        yield name


@pytest.fixture(scope="module")
def with_statistics(with_rows: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Return a database of rows, vacuumed and with statistics."""
    with django_db_blocker.unblock(), databases.prepared(with_rows, gather_statistics) as name:
        yield name


@pytest.fixture
def acme_before(without_rows: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Organization]:
    """Return Acme without rows, in a database of the test's own."""
    with django_db_blocker.unblock(), databases.cloned(without_rows):
        yield found()


@pytest.fixture
def acme_unvacuumed(with_rows: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Organization]:
    """Return Acme as its rows came, to be read."""
    with django_db_blocker.unblock(), databases.using(with_rows):
        yield found()


@pytest.fixture
def acme(with_statistics: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Organization]:
    """Return Acme as it is after a vacuum, to be read."""
    with django_db_blocker.unblock(), databases.using(with_statistics):
        yield found()


def found() -> Organization:
    return Organization.objects.get(name="Acme")


def plan(organization: Organization) -> dict[str, Any]:
    """Return how PostgreSQL would count an organization's December."""
    sql = counting.active_sql(
        organization="%(organization)s", start="%(start)s", end="%(end)s", basis="'private'"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) {sql}",
            {"organization": organization.pk, "start": DEC, "end": JAN},
        )
        row = cursor.fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    root: dict[str, Any] = found[0]["Plan"]
    return root


def nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield root
    for below in root.get("Plans", []):
        yield from nodes(below)


def assert_is_one_range_scan(root: dict[str, Any], *, kind: str = "Index Only Scan") -> None:
    """Assert that the ledger is read in one range of its index, and joined only when grouped."""
    by_index = [
        node for node in nodes(root) if node.get("Index Name") == "series_last_seen_by_time"
    ]
    assert [node["Node Type"] for node in by_index] == [kind], root
    condition = by_index[0]["Index Cond"]
    assert condition.count("organization_id") == 1
    assert condition.count("last_seen") == 2
    ledger = [node for node in nodes(root) if node.get("Relation Name") == "series_last_seen"]
    assert len(ledger) == 1
    assert "Filter" not in ledger[0]
    grouped = [
        node
        for node in nodes(root)
        if node["Node Type"] == "Aggregate"
        and "project_id" in " ".join(node.get("Group Key", []))
        and any(below is ledger[0] for below in nodes(node))
    ]
    assert grouped, root
    below = {node["Node Type"] for node in nodes(grouped[0])}
    assert not below & {"Nested Loop", "Hash Join", "Merge Join"}, below


class TestCount:
    """In two tests, because the rows take longer than the plans."""

    def test_is_an_index_only_range_scan_with_statistics_or_without(
        self, acme_before: Organization
    ) -> None:
        acme = acme_before
        run("ANALYZE series_last_seen")
        make_rows(acme)
        vacuum()
        # The statistics know of no row of this organization.
        assert_is_one_range_scan(plan(acme))

        run("ANALYZE series_last_seen")
        assert_is_one_range_scan(plan(acme))
        december = counting.count_active(acme.pk, start=DEC, end=JAN, basis=counting.Basis.PRIVATE)
        assert SERIES / 3 < december.billed < sum(p.series for p in december.projects) < SERIES

        run("DELETE FROM series_last_seen WHERE last_seen >= %(at)s", at=DEC + timedelta(days=2))
        # They remember rows that are gone.
        assert_is_one_range_scan(plan(acme))

    def test_reads_no_other_rows_where_nothing_was_ever_vacuumed(
        self, acme_unvacuumed: Organization
    ) -> None:
        """Then no page is known to be visible to all, and the rows are looked at too.

        PostgreSQL takes random reads for dear by default and does so page by page.
        """
        assert_is_one_range_scan(plan(acme_unvacuumed), kind="Bitmap Index Scan")

        run("SET random_page_cost = 1.1")
        assert_is_one_range_scan(plan(acme_unvacuumed))


class TestExplain:
    def test_a_page_reads_the_key_in_its_order_and_stops(self, acme: Organization) -> None:
        """However many series there are, a page costs a page."""
        of = explaining.subject(acme, start=None, now=DEC + timedelta(days=29))

        _, second = explaining.page(of, Wanted(), cursor="", limit=100)
        assert second is not None

        for cursor in ("", second):
            root = explained(partial(explaining.page, of, Wanted(), cursor=cursor, limit=100))
            (ledger,) = [n for n in nodes(root) if n.get("Relation Name") == "series_last_seen"]
            assert ledger["Index Name"] == "series_last_seen_pkey"
            assert ledger["Actual Rows"] <= 101
            assert "Sort" not in {node["Node Type"] for node in nodes(root)}

    def test_in_the_order_of_names_a_page_goes_through_few_testbeds_and_stops(
        self, acme: Organization
    ) -> None:
        of = explaining.subject(acme, start=None, now=DEC + timedelta(days=29))
        cursor: str | None = ""

        # Far enough to have left the first testbed behind.
        for _ in range(30):
            assert cursor is not None
            root = explained(
                partial(explaining.page, of, Wanted(), cursor=cursor, limit=100, sort=Sort.NAME)
            )
            read = sum(
                node["Actual Rows"] * node["Actual Loops"]
                for node in nodes(root)
                if node.get("Relation Name") == "series_last_seen"
            )
            assert read <= 3 * OF_TESTBED
            _, cursor = explaining.page(of, Wanted(), cursor=cursor, limit=100, sort=Sort.NAME)

    @pytest.mark.parametrize("sort", [Sort.LAST, Sort.LAST_OLDEST])
    def test_in_the_order_of_last_reports_a_page_reads_those_of_its_instants(
        self, acme: Organization, sort: Sort
    ) -> None:
        """A day's reports came at one instant here, so that a page reads them all: 1,725."""
        of = explaining.subject(acme, start=None, now=DEC + timedelta(days=29))

        _, cursor = explaining.page(of, Wanted(), cursor="", limit=100, sort=sort)
        assert cursor is not None
        root = explained(
            partial(explaining.page, of, Wanted(), cursor=cursor, limit=100, sort=sort)
        )

        (ledger,) = [n for n in nodes(root) if n.get("Relation Name") == "series_last_seen"]
        assert ledger["Index Name"] == "series_last_seen_by_time"
        assert ledger["Actual Rows"] <= 2 * (SERIES / 58 + 1)


class TestStream:
    """A download of 100,000 series, over 20 MB, is never in memory as a whole."""

    MEGABYTE = 1_000_000

    def test_takes_the_memory_of_a_chunk_however_many_series_there_are(
        self, acme_unvacuumed: Organization
    ) -> None:
        of = explaining.subject(acme_unvacuumed, start=None, now=DEC + timedelta(days=29))

        size, peak = drained(exporting.as_csv(explaining.stream(of, Wanted())))

        assert size > 20 * self.MEGABYTE
        assert peak < 10 * self.MEGABYTE


def drained(pieces: Iterator[bytes]) -> tuple[int, int]:
    """Return how many bytes came, and the most that Python held at once meanwhile."""
    tracemalloc.start()
    try:
        size = sum(map(len, pieces))
        return size, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def explained(act: Callable[[], object]) -> dict[str, Any]:
    """Return how PostgreSQL ran the statement of a function that reads the ledger first."""
    with CaptureQueriesContext(connection) as captured:
        act()
    with connection.cursor() as cursor:
        (sql, *_) = [each["sql"] for each in captured if "series_last_seen" in each["sql"]]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        row = cursor.fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    root: dict[str, Any] = found[0]["Plan"]
    return root
