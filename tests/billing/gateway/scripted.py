"""A server that answers what a test tells it to, and remembers what it was asked.

For what no Stripe would answer, such as a proxy's page, and for calls that the sandbox lacks.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from billing import gateway

KEY = "sk_test_" + "k" * 24


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    body: str
    headers: dict[str, str]


@dataclass(slots=True)
class Script:
    """The answers to give in order, the last one for ever, and what was asked for them."""

    url: str = ""
    answers: list[tuple[int, str]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def say(self, *bodies: Any, status: int = 200) -> gateway.Gateway:
        """Answer with these bodies, as JSON unless they are text; returns a gateway to it."""
        self.answers = [
            (status, body if isinstance(body, str) else json.dumps(body)) for body in bodies
        ]
        return gateway.Gateway(key=KEY, base=self.url)


@contextmanager
def serve() -> Iterator[Script]:
    """Serve a script on a free port."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            script.asked.append(Asked(self.command, self.path, body, dict(self.headers)))
            status, answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

        do_POST = do_DELETE = do_GET  # noqa: N815 - the server's own names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield script
        server.shutdown()
        thread.join()
