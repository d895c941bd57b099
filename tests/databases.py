"""Test databases: one migrated template, cloned for each worker and for tests that commit.

A clone takes 0.03 seconds; emptying eighty tables takes ten times as long, and our triggers refuse
TRUNCATE where statements are final.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from django.core.management import call_command
from django.db import connection, connections, transaction
from filelock import FileLock
from psycopg import sql

_PATIENCE_SECONDS = 20
ROOT = Path(__file__).resolve().parent.parent


def server() -> psycopg.Connection[tuple[object, ...]]:
    """Return an autocommit connection to the server's maintenance database."""
    return psycopg.connect(_url("postgres"), autocommit=True)


def _url(name: str) -> str:
    before, _, after = os.environ["DATABASE_URL"].partition("?")
    return f"{before.rpartition('/')[0]}/{name}" + (f"?{after}" if after else "")


def url() -> str:
    """Return the address of the database that tests are using now, for other processes."""
    return _url(str(connection.settings_dict["NAME"]))


def _migrations_digest() -> str:
    digest = hashlib.sha256()
    # Not the whole tree: a database's files come and go below .data.
    for room in ("bencher", "billing", "ingest", "series"):
        for path in sorted((ROOT / room).glob("**/*migrations/*.py")):
            digest.update(path.read_bytes())
    # `migrate` sets what the roles may do.
    digest.update((ROOT / "bencher/roles.py").read_bytes())
    return digest.hexdigest()[:16]


def template() -> str:
    """Return the name of the migrated template, made once for all workers and later runs."""
    name = f"template_{_migrations_digest()}"
    with FileLock(f"/tmp/{os.getuid()}-{name}.lock"), server() as admin:
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            half_made = f"{name}_half_made"
            drop(half_made)
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(half_made)))
            with using(half_made):
                call_command("migrate", verbosity=0)
            # Renamed when whole, so that an interrupted run leaves no broken template behind.
            admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(half_made), sql.Identifier(name)
                )
            )
    return name


def clone(name: str, *, of: str) -> None:
    """Make a database as a copy of another."""
    drop(name)
    with server() as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(of)
            )
        )


def drop(name: str) -> None:
    """Remove a database, whoever is still connected."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with server() as admin:
                admin.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            # Autovacuum is at work in it, and only a superuser may end that: it is soon done.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def using(name: str) -> Iterator[None]:
    """Point Django, in all threads, at another database for a while."""
    before = connection.settings_dict["NAME"]
    connections.close_all()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connections.close_all()
        connection.settings_dict["NAME"] = before


@contextmanager
def cloned(of: str) -> Iterator[str]:
    """Point Django at a new copy of another database for a while; yields its name."""
    name = f"test_{uuid4().hex}"
    clone(name, of=of)
    try:
        with using(name):
            yield name
    finally:
        drop(name)


@contextmanager
def prepared(of: str, prepare: Callable[[], None]) -> Iterator[str]:
    """Keep a copy of another database in which something was done; yields its name.

    Tests that only read share it with `using`; it can be cloned while nobody is connected.
    """
    name = f"prepared_{uuid4().hex}"
    clone(name, of=of)
    try:
        with using(name):
            prepare()
        yield name
    finally:
        drop(name)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Take back what is done inside, although it may begin and end durable transactions."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)
