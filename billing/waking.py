"""Waking the task that handles webhooks: one is on its way at a time, however many arrive."""

from redis import RedisError

from billing import hints

_KEY = "handle-webhooks"
# A task that was lost blocks the next one no longer; the timer handles what waits anyway.
_LOST_AFTER_SECONDS = 30


def wake() -> bool:
    """Enqueue the task unless it is on its way already; returns whether it was enqueued.

    Raises RedisError and kombu's OperationalError where Redis is down, within milliseconds.
    """
    from billing.tasks import handle_webhooks

    if not hints.redis().set(_KEY, 1, nx=True, ex=_LOST_AFTER_SECONDS):
        return False
    handle_webhooks.delay()
    return True


def began() -> None:
    """Let later webhooks wake the next task; called before this one looks at what waits."""
    try:
        hints.redis().delete(_KEY)
    except RedisError:  # It expires by itself.
        return
