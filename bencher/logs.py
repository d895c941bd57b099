"""Log lines that say which: what is given as `extra` stands behind the message."""

import logging

from django.http import HttpRequest

# What every record has; the rest was given by whoever logged.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "correlation_id"}


class LineFormatter(logging.Formatter):
    """One line a record, with its ids as name=value. Never names of customers, never keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below it where there is one."""
        line, newline, rest = super().format(record).partition("\n")
        given = [_written(name, value) for name, value in vars(record).items() if name not in _OWN]
        return " ".join([line, *given]) + newline + rest


def _written(name: str, value: object) -> str:
    # Django gives the request with what it refuses. Its path is in the message; its query may name
    # people, as a search of staff does.
    if isinstance(value, HttpRequest):
        name, value = "method", value.method
    return f"{name}={value!r}"
