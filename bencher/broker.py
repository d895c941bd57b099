"""How Celery and our own commands reach Redis: fast, or not at all.

A publish that waits costs the report that caused it, so a dead Redis is noticed at once and the
hint is dropped; the sweep posts what hints lose.
"""

from urllib.parse import parse_qs, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS = 0.2
# Longer than the longest task: otherwise Redis hands a running task to a second worker.
VISIBILITY_TIMEOUT_SECONDS = 6 * 3600
TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
    "socket_connect_timeout": TIMEOUT_SECONDS,
    # A Redis that takes the connection and never answers would hold a request for ever.
    "socket_timeout": TIMEOUT_SECONDS,
    "max_retries": 0,
}


def celery_url(redis_url: str) -> str:
    """Return the broker address for a Redis URL.

    Celery reads the database of a Unix socket from `virtual_host` and silently ignores `db`.
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"


def connect(redis_url: str) -> Redis:
    """Return a client that gives up after a fifth of a second and never retries."""
    return Redis.from_url(
        redis_url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def tell(waiting: str) -> None:
    """Put a word on the list that somebody waits at; it is gone after an hour."""
    from django.conf import settings

    with connect(settings.REDIS_URL) as redis:
        redis.rpush(waiting, 1)
        redis.expire(waiting, 3600)
