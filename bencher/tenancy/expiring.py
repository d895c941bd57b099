"""Removing what has expired, so that network addresses and ended sessions are not kept.

Both expire by the database's or Django's own clock, which a moved clock of the site leaves alone:
whoever signs in lives in the present.
"""

from django.contrib.sessions.backends.db import SessionStore
from django.db import connection


def remove() -> None:
    """Remove expired sessions, and expired rows of the cache, which it only overwrites itself."""
    SessionStore.clear_expired()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bencher_cache WHERE expires < CURRENT_TIMESTAMP")
