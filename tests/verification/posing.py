"""The sandbox, posing as an account that has test clocks: the one it has is its own clock."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from werkzeug import Request, Response
from werkzeug.exceptions import NotFound

from tests.stripe_sandbox import Sandbox, wire
from tests.stripe_sandbox.server import Application

CLOCKS = "/v1/test_helpers/test_clocks"
CLOCK = "clock_posing"


@dataclass
class Posing:
    """Answers for test clocks as Stripe documents them, and lets the sandbox answer the rest."""

    sandbox: Sandbox
    # Customers that were put under the clock; what is asked of it.
    bound: int = 0
    asked: list[str] = field(default_factory=list)
    _advancing: bool = False

    def __post_init__(self) -> None:
        self._application = Application(self.sandbox)

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if request.path.startswith(CLOCKS):
            return self._clock(request)
        if request.method == "POST" and request.path == "/v1/customers":
            request = self._unbound(request)
        return self._application(request)

    def _clock(self, request: Request) -> Response:
        rest = request.path.removeprefix(CLOCKS)
        self.asked.append(f"{request.method} {rest}")
        match request.method, rest:
            case "POST", "":
                self.sandbox.set_clock(int(request.form["frozen_time"]), frozen=True)
            case "POST", other if other == f"/{CLOCK}/advance":
                self.sandbox.advance(int(request.form["frozen_time"]))
                self._advancing = True
                return self._answer("advancing")
            case "GET", other if other == f"/{CLOCK}":
                status, self._advancing = ("advancing" if self._advancing else "ready"), False
                return self._answer(status)
            case "DELETE", other if other == f"/{CLOCK}":
                return _json({"id": CLOCK, "object": "test_helpers.test_clock", "deleted": True})
            case _:
                raise NotFound
        return self._answer("ready")

    def _answer(self, status: str) -> Response:
        return _json(
            {
                "id": CLOCK,
                "object": "test_helpers.test_clock",
                "created": self.sandbox.clock.now(),
                "deletes_after": self.sandbox.clock.now() + 30 * 86400,
                "frozen_time": self.sandbox.clock.now(),
                "livemode": False,
                "name": "Bencher verification",
                "status": status,
                "status_details": {},
            }
        )

    def _unbound(self, request: Request) -> Request:
        """Return the request without the clock, which the sandbox does not know."""
        form = request.form.to_dict()
        self.bound += form.pop("test_clock", None) == CLOCK
        body = urlencode(form).encode()
        environment: dict[str, Any] = dict(request.environ)
        environment |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        return Request({key: environment[key] for key in environment if key != "werkzeug.request"})


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), mimetype="application/json")


@contextmanager
def serve(sandbox: Sandbox) -> Iterator[Posing]:
    """Serve the sandbox as such an account, from a thread."""
    posing = Posing(sandbox)
    server = wire.Server("127.0.0.1", 0, posing)
    sandbox.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield posing
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
