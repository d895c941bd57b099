"""How a call to Stripe fails: for now, for good, or for the want of the right key."""

import logging
import re
from typing import Any

import stripe

logger = logging.getLogger(__name__)

Answer = dict[str, Any]

_KEY = re.compile(r"\b((?:[sr]k_(?:live|test)|whsec)_)\w+")
# What a proxy answers in Stripe's place may be a whole page.
_LONGEST_MESSAGE = 500


class NotConfiguredError(Exception):
    """No Stripe key is set, so nothing is sold."""


class ForgedError(Exception):
    """A message claims to be Stripe's and is not signed by it, or is too old."""


class GatewayError(Exception):
    """Stripe did not do what was asked; `answer` is what it said."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(without_secrets(message))
        self.answer = answer

    @property
    def sentence(self) -> str:
        """Return what to tell those who asked for it."""
        return f"Stripe refused: {self}"


class TemporaryError(GatewayError):
    """No answer, an unreadable one, an overload or a fault: unknown whether it was applied."""

    @property
    def sentence(self) -> str:
        """Return what to tell those who asked for it; the words of a proxy help nobody."""
        status = self.answer.get("status")
        how = f"answered with {status}" if status else "did not answer"
        return (
            f"Stripe {how}. What was asked of it may be done there all the same: look again before"
            " you ask for it again."
        )


class KeyRefusedError(TemporaryError):
    """Stripe does not take our key, or not for this call; it was not applied.

    Nothing was decided about a customer or an event, so whatever waits must go on waiting until
    somebody sets another key: hence a TemporaryError. It is logged as an error each time.
    """

    @property
    def sentence(self) -> str:
        """Return what to tell those who asked for it."""
        return "Stripe does not take our key. Nothing was done there."


class RefusedError(GatewayError):
    """Stripe refused, and would again."""

    @property
    def is_missing(self) -> bool:
        """Tell whether the object is gone, which is not the same as unknown."""
        return (self.answer.get("status"), self.answer.get("code")) == (404, "resource_missing")

    @property
    def is_duplicate(self) -> bool:
        """Tell whether a meter event's identifier was used: then it was delivered before."""
        return "identifier" in str(self.answer.get("message", "")) and (
            self.answer.get("code") == "duplicate_meter_event"
            or "already exists" in str(self.answer.get("message", ""))
        )


def translated(error: stripe.StripeError) -> GatewayError:
    """Return our kind of what the client raised.

    Only what Stripe itself refuses in its own words is for good. Everything else, such as a page
    of a proxy with any status, leaves open what happened.
    """
    message, answer = str(error)[:_LONGEST_MESSAGE], _answer(error)
    match error:
        case stripe.AuthenticationError() | stripe.PermissionError():
            logger.error("Stripe does not accept our key", extra={"answer": answer})
            return KeyRefusedError(message, answer)
        case stripe.InvalidRequestError() | stripe.IdempotencyError() | stripe.CardError():
            return RefusedError(message, answer)
        case _:
            return TemporaryError(message, answer)


def unreadable(error: Exception) -> TemporaryError:
    """Return the failure of an answer that was well-formed JSON, but not what was asked for."""
    return TemporaryError(
        f"Stripe's answer could not be read: {type(error).__name__}: {error}",
        {"status": 200, "code": "unreadable", "message": str(error)},
    )


def without_secrets(text: str) -> str:
    """Return a text in which keys and signing secrets show no more than their kind."""
    return _KEY.sub(r"\1***", text)


def _answer(error: stripe.StripeError) -> Answer:
    message = error.user_message or str(error)
    return {
        "status": error.http_status,
        # A few kinds carry their code in the body only.
        "code": error.code or getattr(error.error, "code", None),
        "message": without_secrets(message[:_LONGEST_MESSAGE]),
        "request_id": error.request_id,
    }
