"""Run the sandbox as a process of its own."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.server import listen

TICK = 1.0
# How many calls and webhooks the record remembers.
KEEP = 10_000


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    arguments = _arguments()
    sandbox = Sandbox(state_file=arguments.state, keep=KEEP)
    sandbox.url = arguments.public_url
    stopping = threading.Event()
    with listen(sandbox, host=arguments.host, port=arguments.port) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        sys.stdout.write(f"Stripe sandbox listening on {sandbox.url}\n")
        sys.stdout.flush()
        # Real time passes too: what becomes due happens although nobody asks.
        while not stopping.wait(TICK):
            sandbox.catch_up()
        server.shutdown()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stripe_sandbox",
        description="A local stand-in for Stripe's API. It refuses live keys and moves no money.",
    )
    parser.add_argument("--port", type=int, default=12111, help="default: 12111")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep the state in this JSON file, to resume"
    )
    parser.add_argument(
        "--public-url", default="", help="what links to hosted pages begin with, if not host:port"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
