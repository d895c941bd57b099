"""Rate limits on Redis: atomic, and open where Redis is down, because a report matters more.

The `bencher` command line takes 429 as final, so the limits are generous. They are counted per
address before anything else is done, per key once it is known, and per project for reports.
"""

import logging
import time
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from limits import RateLimitItem, parse_many
from limits.storage import RedisStorage
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from bencher.broker import TIMEOUT_SECONDS

logger = logging.getLogger(__name__)

# After a failure nobody asks Redis for a while: each question would cost its time-out.
_REST_SECONDS = 5.0
_down_until = [0.0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one limit stands after this request was counted."""

    name: str
    amount: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """Return the headers that tell the caller (IETF draft, and the older ones)."""
        told = {
            "RateLimit-Policy": f'"{self.name}";q={self.amount};w={self.window_seconds}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.reset_seconds}',
            "X-RateLimit-Limit": str(self.amount),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }
        return told if self.allowed else told | {"Retry-After": str(self.reset_seconds)}

    def message(self) -> str:
        """Return what a caller past the limit is told."""
        return (
            f"This {self.name} has used its {self.amount} requests in {self.window_seconds}"
            f" seconds; try again in {self.reset_seconds} seconds."
        )


def count(limits: str, *, name: str, subject: str) -> Verdict | None:
    """Count one request of a subject against limits such as "2048/minute;16384/day".

    Returns the limit that is used up or else nearest to it; None where there is no limit or Redis
    is down.
    """
    if not limits or time.monotonic() < _down_until[0]:
        return None
    try:
        verdicts = [_hit(item, name=name, subject=subject) for item in _parsed(limits)]
    except RedisError:
        logger.warning("rate limits are open: Redis does not answer")
        _down_until[0] = time.monotonic() + _REST_SECONDS
        return None
    return min(verdicts, key=lambda verdict: (verdict.allowed, verdict.remaining))


def forget_failure() -> None:
    """Ask Redis again at once, whatever happened before."""
    _down_until[0] = 0.0


def _hit(item: RateLimitItem, *, name: str, subject: str) -> Verdict:
    storage, key = _storage(settings.REDIS_URL), item.key_for(name, subject)
    used = storage.incr(key, item.get_expiry())
    return Verdict(
        name=name,
        amount=item.amount,
        window_seconds=item.get_expiry(),
        remaining=max(0, item.amount - used),
        reset_seconds=max(1, round(storage.get_expiry(key) - time.time())),
        allowed=used <= item.amount,
    )


@cache
def _parsed(limits: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(limits))


@cache
def _storage(redis_url: str) -> RedisStorage:
    return RedisStorage(
        redis_url.replace("unix://", "redis+unix://", 1),
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
    )
