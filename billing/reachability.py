"""Whether Stripe answers, as pages of all processes saw it: nobody waits for it each time."""

from django.core.cache import cache

_KEY = "stripe-does-not-answer"
# So long a page offers nothing that would only fail; it says so, and has a button to try.
_KEPT_SECONDS = 60


def note_failure() -> None:
    """Remember for a minute that Stripe did not answer."""
    cache.set(_KEY, True, _KEPT_SECONDS)


def is_failing() -> bool:
    """Tell whether Stripe did not answer within the last minute, nor since."""
    return bool(cache.get(_KEY, False))


def note_answer() -> None:
    """Forget a failure, for Stripe has answered."""
    cache.delete(_KEY)
