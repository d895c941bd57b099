"""A server that webhooks are delivered to, with what it received."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

Received = tuple[bytes, str]


@contextmanager
def receiver(answer: Callable[[bytes], int]) -> Iterator[tuple[str, list[Received]]]:
    """Run a server that keeps what it is sent and answers with the status of `answer`."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((body, self.headers["Stripe-Signature"]))
            self.send_response(answer(body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listen_to(client: stripe.StripeClient, url: str, *events: str) -> stripe.WebhookEndpoint:
    """Let a URL be told of events, of all without a name."""
    names: Any = list(events) or ["*"]
    return client.v1.webhook_endpoints.create({"url": url, "enabled_events": names})


def types(received: list[Received]) -> list[str]:
    """Return the types of the events that came, in the order of their coming."""
    return [json.loads(body)["type"] for body, _ in received]
