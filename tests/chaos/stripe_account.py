"""The Stripe sandbox as a stranger sees it: asked over HTTP, by none of the product's code."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import requests

Json = dict[str, Any]
_TIMEOUT_SECONDS = 150  # A move waits for the receivers of webhooks.
_PATIENCE_SECONDS = 180


class StripeAccount:
    """Asks again until it is answered: the sandbox fails on purpose, and is started again."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    def clock(self) -> Json:
        """Return the sandbox's instant (`now`) and how far it is ahead (`offset`)."""
        return self._ask("GET", "/_sandbox/clock")

    def move_to(self, instant: int) -> Json:
        """Move its clock forward, waiting for the webhooks of what happens on the way."""
        while (clock := self.clock())["now"] < instant:
            moved = self._try("POST", "/_sandbox/clock", json={"to": instant})
            if moved is None or not moved.ok:
                time.sleep(0.2)
        return clock

    def control(self, what: str, given: Json) -> None:
        """Set faults or switches."""
        self._ask("POST", f"/_sandbox/{what}", json=given)

    def list(self, path: str, **query: Any) -> list[Json]:
        """Return all objects of a list."""
        return list(self._pages(path, query))

    def _pages(self, path: str, query: Json) -> Iterator[Json]:
        after: Json = {}
        while True:
            page = self._ask("GET", f"/v1/{path}", params={"limit": 100, **query, **after})
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    def answers(self) -> bool:
        """Tell whether it is there."""
        response = self._try("GET", "/_sandbox/clock")
        return response is not None and response.ok

    def _ask(self, method: str, path: str, **more: Any) -> Json:
        return until(lambda: _answer(self._try(method, path, **more)), f"{method} {path}")

    def _try(self, method: str, path: str, **more: Any) -> requests.Response | None:
        try:
            return requests.request(
                method, self._url + path, headers=self._headers, timeout=_TIMEOUT_SECONDS, **more
            )
        except requests.RequestException:
            return None


def _answer(response: requests.Response | None) -> Json | None:
    if response is None or response.status_code == 429 or response.status_code >= 500:
        return None
    response.raise_for_status()
    answer: Json = response.json()
    return answer


Found = TypeVar("Found")


def until(attempt: Callable[[], Found | None], what: str) -> Found:
    """Return what an attempt returns once that is true. Raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := attempt()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: no success within {_PATIENCE_SECONDS} s")
        time.sleep(0.2)
    return found
