"""How a call to Stripe fails: for now, or for good."""

from typing import Any

import stripe

Answer = dict[str, Any]


class NotConfiguredError(Exception):
    """No Stripe key is set, so nothing is sold."""


class GatewayError(Exception):
    """Stripe did not do what was asked; `answer` is what it said."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


class TemporaryError(GatewayError):
    """No answer, an overload or a fault of Stripe's: unknown whether it was applied."""


class RefusedError(GatewayError):
    """Stripe refused, and would again."""

    @property
    def is_missing(self) -> bool:
        """Tell whether the object is gone, which is not the same as unknown."""
        return bool(self.answer.get("status") == 404)

    @property
    def is_duplicate(self) -> bool:
        """Tell whether a meter event's identifier was used: then it was delivered before."""
        return "identifier" in str(self.answer.get("message", "")) and (
            self.answer.get("code") == "duplicate_meter_event"
            or "already exists" in str(self.answer.get("message", ""))
        )


def translated(error: stripe.StripeError) -> GatewayError:
    """Return our kind of what the client raised."""
    if isinstance(error, (stripe.RateLimitError, stripe.APIConnectionError)):
        return TemporaryError(str(error), _answer(error))
    # Stripe marks what may be tried again, such as a lock it could not get in time.
    if error.http_status == 409 or (error.http_status or 500) >= 500:
        return TemporaryError(str(error), _answer(error))
    return RefusedError(str(error), _answer(error))


def _answer(error: stripe.StripeError) -> Answer:
    return {
        "status": error.http_status,
        "code": error.code,
        "message": error.user_message or str(error),
        "request_id": error.request_id,
    }
