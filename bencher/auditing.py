"""The audit: who changed what, before and after, and why. Triggers write it, whoever changes it.

The audited tables and their columns are named in the migrations called audit. Names, addresses and
secrets are not among them, so erasing somebody takes nothing out of the audit but the words of
those who said why. Its times are the real clock's, which nobody can move.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

from django.core.management import find_commands
from django.db import connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from psycopg import Connection
from psycopg.pq import TransactionStatus

_ROOT = Path(__file__).resolve().parent.parent
_OURS = ("bencher", "series", "ingest", "billing")
_known: ContextVar[Mapping[str, object]] = ContextVar("_known", default={})  # noqa: B039 - never changed


@contextmanager
def context(**facts: object) -> Iterator[None]:
    """Have what changes inside recorded with these facts beside those known further out.

    `user` and `organization` are primary keys; `request`, `program` and `why` are texts. They are
    a setting of the session in the database, where the triggers read it. A connection that is
    opened only inside, or anew, is told them then.
    """
    outer = _known.get()
    token = _known.set({**outer, **facts})
    _tell(_known.get())
    try:
        yield
    finally:
        _known.reset(token)
        _tell(outer)


def add(**facts: object) -> None:
    """Add facts to the context that one is in; outside of any there is nothing to add to."""
    known = _known.get()
    if known:
        _known.set({**known, **facts})
        _tell(_known.get())


def by_command(name: str) -> AbstractContextManager[None]:
    """Return the context of a command, if it is one of ours.

    Works before the apps are loaded, when Django's `get_commands` would find its own alone, and
    remember that.
    """
    if any(name in find_commands(str(_ROOT / app / "management")) for app in _OURS):
        return context(program=name)
    return nullcontext()


@receiver(connection_created, dispatch_uid="bencher.auditing")
def tell_new_session(**_: object) -> None:
    """Tell a session that was just opened what is known."""
    if _known.get():
        _tell(_known.get())


def _tell(facts: Mapping[str, object]) -> None:
    session: Connection[object] | None = connection.connection
    # A session that is not open yet is told when it is. Rolling back takes the setting back.
    if (
        session is None
        or session.closed
        or session.info.transaction_status == TransactionStatus.INERROR
    ):
        return
    # Not through Django's cursor: this belongs to no page's own queries.
    session.execute(
        "SELECT set_config('bencher.audit', %s, false)", [json.dumps(facts) if facts else ""]
    )
