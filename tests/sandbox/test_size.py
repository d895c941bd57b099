"""Many calls, many periods: what is over costs nothing any more, and limits hold."""

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests import stripe_sandbox
from tests.sandbox.receiving import listen_to, receiver
from tests.sandbox.shop import (
    DAY,
    JAN,
    LADDER,
    instant,
    invoices,
    make_client,
    make_customer,
    make_meter,
    make_price,
    subscribe,
    use,
)
from tests.stripe_sandbox import Fault, Sandbox, WebhookFault, state
from tests.stripe_sandbox import sandbox as sandbox_module


class TestAdvance:
    def test_considers_only_what_may_still_happen(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        price = make_price(client, make_meter(client))
        for _ in range(8):
            subscribe(client, make_customer(client, card="pm_card_visa"), price)

        began = time.monotonic()
        sandbox.advance(instant(2028, 1, 20))

        assert len(sandbox.objects("invoice")) == 8 * 25
        assert {row["status"] for row in sandbox.state.running.values()} == {"active"}
        # Half a second on an idle machine.
        assert time.monotonic() - began < 10


class TestStateFile:
    def test_is_not_written_at_every_change_once_it_is_large(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: list[int] = []
        write = state.write

        def counting(path: Path, document: str) -> None:
            written.append(len(document))
            write(path, document)

        monkeypatch.setattr(state, "write", counting)
        monkeypatch.setattr(sandbox_module, "CHEAP", 0.0)
        monkeypatch.setattr(sandbox_module, "PAUSE", 10_000)
        file = tmp_path / "state.json"
        with stripe_sandbox.serve(state_file=file, now=JAN) as sandbox:
            client = make_client(sandbox)
            for _ in range(20):
                make_customer(client)

        assert len(written) < 5
        assert len(json.loads(file.read_text())["tables"]["customer"]) == 20


class TestLimit:
    @pytest.mark.parametrize("switch", ["meter_events_per_second", "calls_per_second"])
    def test_refuses_more_calls_in_a_second(
        self, sandbox: Sandbox, client: stripe.StripeClient, switch: str
    ) -> None:
        make_meter(client)
        customer = make_customer(client)
        setattr(sandbox.switches, switch, 5)

        def call(number: int) -> None:
            if switch == "calls_per_second":
                client.v1.customers.retrieve(customer.id)
            else:
                use(client, customer, 1, JAN + number)

        outcomes = []
        for number in range(20):
            try:
                call(number)
                outcomes.append(True)
            except stripe.RateLimitError:
                outcomes.append(False)

        # Two calls were made before, and the others may run into further seconds.
        assert 3 <= sum(outcomes) <= 15


def by_the_wire(sandbox: Sandbox) -> dict[int, int]:
    """Return what each paid month costs, by its end, from the recorded traffic alone."""
    values: dict[int, int] = {}
    for call in sandbox.requests:
        if call.path == "/v1/billing/meter_events" and call.applied:
            if call.fault == Fault.ACCEPTED_AND_LOST:
                continue
            values[int(call.params["timestamp"])] = int(call.params["payload"]["value"])
    costs: dict[int, int] = {}
    for delivery in sandbox.deliveries:
        invoice: dict[str, Any] = json.loads(delivery.body)["data"]["object"]
        if delivery.type == "invoice.finalized" and invoice["billing_reason"].endswith("cycle"):
            start, end = invoice["period_start"], invoice["period_end"]
            last = max((at for at in values if start <= at < end), default=None)
            series = values[last] if last is not None else 0
            tier = next(t for t in LADDER if t["up_to"] == "inf" or series <= t["up_to"])
            costs[end] = tier.get("flat_amount", 0) + tier.get("unit_amount", 0) * series
    return costs


class TestFaultyYear:
    def test_is_told_by_the_record(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        price = make_price(client, make_meter(client))
        customer = make_customer(client, card="pm_card_visa")
        subscription = subscribe(client, customer, price)
        sandbox.switches.webhook_backoff = (0.0, 0.0)
        outcomes: dict[bool, int] = defaultdict(int)
        with receiver(lambda _: 200) as (url, _):
            listen_to(client, url, "invoice.finalized")
            sandbox.faults.rate(0.3, seed=3, kinds=list(Fault), calls="POST /v1/billing/*")
            sandbox.faults.webhook_rate(0.3, seed=3, kinds=[WebhookFault.DUPLICATED])
            for day in range(1, 366):
                sandbox.advance(JAN + day * DAY)
                try:
                    use(client, customer, 200 + day, JAN + day * DAY)
                    outcomes[True] += 1
                except stripe.StripeError:
                    outcomes[False] += 1
            sandbox.faults.clear()
            sandbox.advance(JAN + 366 * DAY)

        billed = {
            invoice.period_end: invoice.total
            for invoice in invoices(client, subscription)
            if invoice.billing_reason == "subscription_cycle"
        }
        assert by_the_wire(sandbox) == billed
        assert len(billed) == 12
        assert outcomes[False] > 60
