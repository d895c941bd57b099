"""Refusals, in exactly the shape that Stripe gives them."""

from typing import Any


class ApiError(Exception):
    """A request that is refused; `body` is the JSON that a client of Stripe expects."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
        replayable: bool = True,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param = message, status, code, param
        self.kind, self.headers = kind, headers or {}
        # Stripe keeps a result for an idempotency key only once a request has begun to execute.
        self.replayable = replayable

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the error document; empty members are left out, as Stripe does."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = "https://stripe.com/docs/error-codes/" + self.code.replace("_", "-")
        if self.param:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


def missing(kind: str, identifier: str, param: str) -> ApiError:
    """Say that there is no such object (404, as Stripe answers for a path or a parameter)."""
    return ApiError(
        f"No such {kind}: '{identifier}'", status=404, code="resource_missing", param=param
    )


def absent(param: str) -> ApiError:
    """Say that a parameter is needed that is not there."""
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def unsupported(what: str, param: str | None = None) -> ApiError:
    """Say that real Stripe may know this, but the sandbox does not."""
    return ApiError(f"The sandbox does not implement {what}.", param=param)
