"""From a report to a post: one task per organization and interval, at its trailing edge.

A burst of reports ends in one post. Losing a hint costs freshness and nothing else.
"""

from django.conf import settings
from redis import Redis, RedisError

from bencher import broker
from billing import posting

_client: list[Redis] = []


def redis() -> Redis:
    """Return the connection that all hints share."""
    if not _client:
        _client.append(broker.connect(settings.REDIS_URL))
    return _client[0]


def _key(organization_id: int) -> str:
    return f"post-active-series:{organization_id}"


def schedule(organization_id: int) -> bool:
    """Enqueue a post unless one is on its way already; returns whether it did.

    Raises RedisError and kombu's OperationalError where Redis is down, within milliseconds.
    """
    if posting.is_dark() and not settings.BILLING_CONFIGURED:
        return False
    from billing.tasks import post_active_series

    interval = settings.BILLING_POST_INTERVAL
    # The key outlives the wait, so that a lost task blocks the next hint only for a while.
    seconds = max(1, round(interval.total_seconds() * 2))
    if not redis().set(_key(organization_id), 1, nx=True, ex=seconds):
        return False
    post_active_series.apply_async(
        kwargs={"organization_id": organization_id}, countdown=interval.total_seconds()
    )
    return True


def began(organization_id: int) -> None:
    """Let later reports schedule the next post; called before the count of this one."""
    try:
        redis().delete(_key(organization_id))
    except RedisError:  # It expires by itself.
        return
