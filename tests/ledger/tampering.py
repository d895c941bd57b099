"""Changing what must never change, as a fault or an intruder with the owner's rights would."""

from typing import Any

from django.db import connection


def tamper(table: str, change: str, *parameters: Any) -> None:
    """Run `UPDATE table change` with the table's triggers lifted."""
    with connection.cursor() as cursor:
        # As after a commit: a table with checks that are still to come can't be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE {table} {change}", list(parameters))
        assert cursor.rowcount > 0, change
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
