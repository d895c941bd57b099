"""The service as a role that owns nothing: it does its work, and can't falsify what is closed."""

import os
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction
from psycopg import sql

from bencher import auditing, clock
from bencher.models import Change
from bencher.tenancy.models import Organization
from billing import close, correcting, gauges, reconcile, sweep
from billing.models import BillingPeriod, CorrectionDecision, Settlement, Statement
from tests import factories
from tests.billing.conftest import make_subscriber, report
from tests.databases import ROOT

GRANTS = ROOT / "ops/application-role.sql"


@pytest.fixture
def administrator(committed_db: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Connect as the server's superuser, which the embedded server lets this user be."""
    host = parse_qs(urlsplit(os.environ["DATABASE_URL"]).query).get("host", [""])[0]
    try:
        connected = psycopg.connect(
            host=host,
            user="postgres",
            dbname=str(connection.settings_dict["NAME"]),
            autocommit=True,
        )
    except psycopg.OperationalError:
        pytest.skip("roles can be made on the embedded server only")
    with connected:
        yield connected


@pytest.fixture
def _as_application(administrator: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """Let the service connect as a role with the documented rights and no other."""
    name = f"application_{uuid4().hex[:12]}"
    role = sql.Identifier(name)
    owner = connection.settings_dict["USER"]
    administrator.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    with connection.cursor() as cursor:
        cursor.execute(GRANTS.read_text().replace(':"role"', name))
    connections.close_all()
    connection.settings_dict["USER"] = name
    yield
    connections.close_all()
    connection.settings_dict["USER"] = owner
    administrator.execute(sql.SQL("DROP OWNED BY {}").format(role))
    administrator.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def statement(_as_application: None) -> Statement:
    """Return a settled statement that the role closed itself, from reports that it took."""
    plan, project = make_subscriber("acme")
    report(project, 3, ago=timedelta(minutes=1))
    assert sweep.run(on=clock.now().date()).events == 1
    BillingPeriod.objects.update(ends_at=clock.now())
    statement = close.close(plan.periods.get().pk, now=clock.now())
    Settlement.objects.create(
        statement=statement,
        stripe_invoice_id="in_1",
        series=3,
        amount_cents=10000,
        agrees=True,
        settled_at=clock.now(),
    )
    return statement


# What the audit's own tables let through is tried apart.
FINAL = [table for table in gauges._FINAL if table not in ("bencher_change", "django_admin_log")]
ATTACKS = [
    attack.format(table=table, column=column)
    for table, column in [
        (table, "correction_id" if table == "billing_correctiondecision" else "id")
        for table in FINAL
    ]
    for attack in (
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        "ALTER TABLE {table} DISABLE TRIGGER USER",
        "DROP TRIGGER {table}_is_final ON {table}",
        "DROP TABLE {table} CASCADE",
        "ALTER TABLE {table} OWNER TO CURRENT_USER",
        "CREATE RULE r AS ON UPDATE TO {table} DO INSTEAD NOTHING",
    )
] + [
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql"
    " AS $$ BEGIN RETURN NEW; END $$",
    "ALTER TABLE series_last_seen DISABLE TRIGGER USER",
    "DELETE FROM django_migrations",
    "INSERT INTO bencher_change SELECT * FROM bencher_change",
    "UPDATE bencher_change SET after = before",
    "DELETE FROM bencher_change",
    "TRUNCATE bencher_change",
    "ALTER TABLE bencher_change DISABLE TRIGGER USER",
    "UPDATE django_admin_log SET user_id = user_id",
    "UPDATE django_admin_log SET action_time = now()",
    "DELETE FROM django_admin_log",
    "TRUNCATE django_admin_log",
    "ALTER TABLE django_admin_log DISABLE TRIGGER USER",
    "DROP TRIGGER admin_log_is_kept ON django_admin_log",
    "DROP TRIGGER billing_plan_is_audited ON billing_plan",
    "CREATE OR REPLACE FUNCTION bencher_audit() RETURNS trigger LANGUAGE plpgsql"
    " AS $$ BEGIN RETURN NULL; END $$",
]


def test_it_does_its_work_and_cannot_falsify_what_is_closed(statement: Statement) -> None:
    assert (statement.series, statement.lines.count()) == (3, 3)
    (checked,) = reconcile.run(now=clock.now())
    assert checked.figures is not None
    assert checked.figures.evidence_agrees

    assert Change.objects.filter(relation="billing_statement", kind="insert").count() == 1

    for attack in ATTACKS:
        with (
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(attack)

    with (
        pytest.raises(IntegrityError, match="are final"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE billing_statementline SET project_name = 'another'")
    assert Statement.objects.get().series == 3


def test_it_corrects_but_not_with_one_person_alone(statement: Statement) -> None:
    dora, erin = factories.make_user("dora"), factories.make_user("erin")
    correction = correcting.propose(statement, series=4, why="one more", by=dora, now=clock.now())

    with transaction.atomic():
        # It hides ours, and tells nothing of who proposed it.
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE billing_correction (id bigint, proposed_by_id int)"
            )
        decision = CorrectionDecision(
            correction=correction, applied=True, decided_by=dora, decided_at=clock.now()
        )
        with pytest.raises(IntegrityError, match="second person"):
            decision.save(force_insert=True)
        transaction.set_rollback(True)

    assert correcting.apply(correction, by=erin, now=clock.now()).applied
    assert correcting.current(statement)[0] == 4


# Whatever is refused a change before it is made, a deletion and TRUNCATE is final.
_FINAL_TABLES = """
SELECT relname, has_table_privilege(oid, 'UPDATE, DELETE')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (
    SELECT bit_or(tgtype) FROM pg_trigger
    WHERE tgrelid = pg_class.oid AND NOT tgisinternal AND tgtype & 2 <> 0
) & 56 = 56
"""
_TOO_MUCH = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
AND (pg_has_role(relowner, 'USAGE')
     OR relkind = 'r' AND has_table_privilege(oid, 'TRUNCATE, TRIGGER')
     OR relkind = 'S' AND has_sequence_privilege(oid, 'UPDATE'))
UNION ALL
SELECT what FROM (VALUES
    ('the schema', has_schema_privilege('public', 'CREATE')),
    ('the database', has_database_privilege(current_database(), 'CREATE'))
) AS more (what, may) WHERE may
"""


@pytest.mark.usefixtures("_as_application")
def test_it_owns_nothing_and_may_change_nothing_that_is_final() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_FINAL_TABLES)
        final = dict(cursor.fetchall())
        cursor.execute(_TOO_MUCH)
        too_much = cursor.fetchall()

    assert too_much == []
    assert final == dict.fromkeys(gauges._FINAL, False)


def test_words_that_it_erases_from_the_audit_leave_its_name(statement: Statement) -> None:
    with auditing.context(why="they asked"):
        Organization.objects.update(private_until=clock.now())
    told = Change.objects.get(why="they asked")

    Change.objects.filter(pk=told.pk).update(why="")

    trace = Change.objects.get(relation="bencher_change", row=str(told.pk))
    assert trace.after == {"why": "erased"}
    assert trace.role == connection.settings_dict["USER"]
