"""The clock, the control endpoints, the process and its state file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from tests import stripe_sandbox
from tests.sandbox.shop import (
    DAY,
    FEB,
    JAN,
    KEY,
    invoices,
    make_client,
    make_customer,
    make_meter,
    make_price,
    subscribe,
    use,
)
from tests.stripe_sandbox import Sandbox

ROOT = Path(__file__).parents[2]


def control(url: str, path: str, **body: int) -> Any:
    if body:
        return requests.post(f"{url}/_sandbox/{path}", json=body, timeout=30)
    return requests.get(f"{url}/_sandbox/{path}", timeout=5).json()


class TestControl:
    def test_moves_the_clock_through_what_is_due(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        price = make_price(client, make_meter(client))
        customer = make_customer(client, card="pm_card_visa")
        subscription = subscribe(client, customer, price)

        assert control(sandbox.url, "next") == {"at": FEB}
        moved = control(sandbox.url, "clock", to=FEB + DAY)

        assert moved.json()["now"] == FEB + DAY
        assert control(sandbox.url, "clock")["now"] == FEB + DAY
        assert [i.status_transitions.paid_at for i in invoices(client, subscription)] == [
            FEB + 3600,
            JAN,
        ]

    def test_never_moves_it_back(self, sandbox: Sandbox) -> None:
        assert control(sandbox.url, "clock", to=JAN - 1).status_code == 400
        assert control(sandbox.url, "clock", t=JAN + 1).status_code == 400
        assert sandbox.clock.now() == JAN

    def test_shows_the_traffic(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        make_meter(client)
        make_customer(client)

        shown = control(sandbox.url, "requests?after=1")["requests"]

        assert [(r["method"], r["path"], r["status"]) for r in shown] == [
            ("POST", "/v1/customers", 200)
        ]
        assert shown[0]["params"] == {"name": "Acme"}
        assert KEY not in str(shown)


class TestRealTime:
    def test_makes_things_happen_at_the_next_request(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        price = make_price(client, make_meter(client))
        subscription = subscribe(client, make_customer(client), price)
        sandbox.set_clock(FEB + 5)

        assert invoices(client, subscription)[0].created == FEB

    def test_runs_with_an_offset(self) -> None:
        with stripe_sandbox.serve(now=JAN) as sandbox:
            assert sandbox.clock.now() - JAN in {0, 1, 2}
            assert sandbox.clock.offset == pytest.approx(JAN - time.time(), abs=2)


class TestStateFile:
    def test_resumes_where_it_was(self, tmp_path: Path) -> None:
        file = tmp_path / "state.json"
        with stripe_sandbox.serve(state_file=file, now=JAN) as sandbox:
            client = make_client(sandbox)
            price = make_price(client, make_meter(client))
            customer = make_customer(client, card="pm_card_visa")
            subscription = subscribe(client, customer, price)
            use(client, customer, 501, JAN, identifier="one")
            client.v1.customers.create({"name": "Bob"}, {"idempotency_key": "once"})

        with stripe_sandbox.serve(state_file=file) as sandbox:
            client = make_client(sandbox)
            assert sandbox.clock.now() - JAN < 30
            client.v1.customers.create({"name": "Bob"}, {"idempotency_key": "once"})
            assert len(sandbox.objects("customer")) == 2
            with pytest.raises(stripe.InvalidRequestError, match="already exists"):
                use(client, customer, 1, JAN, identifier="one")
            sandbox.advance(FEB + DAY)
            assert invoices(client, subscription)[0].total == 20040

        assert list(tmp_path.iterdir()) == [file]


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the sandbox as a process; give it and its URL."""
    command = [sys.executable, "-m", "tests.stripe_sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            yield running, running.stdout.readline().split()[-1]
        finally:
            running.kill()


class TestProcess:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_and_stops_at_once(self, tmp_path: Path, number: signal.Signals) -> None:
        file = tmp_path / "state.json"
        with process("--state", str(file)) as (running, url):
            client = stripe.StripeClient(KEY, base_addresses={"api": url})
            client.v1.customers.create({"name": "Acme"})
            os.kill(running.pid, number)
            began = time.monotonic()

            assert running.wait(timeout=5) == 0
            assert time.monotonic() - began < 2
        assert '"Acme"' in file.read_text()
