"""Sessions in the database, also for browsers whose cookie can't be one."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Takes a key that no session can have for none: PostgreSQL refuses to look for a NUL."""

    def _validate_session_key(self, key: str) -> bool:
        # Where Django itself refuses keys; it only looks at their length.
        return super()._validate_session_key(key) and "\0" not in key  # type: ignore[misc]
