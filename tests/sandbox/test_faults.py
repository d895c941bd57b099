"""What goes wrong on purpose: what the client sees, and what the sandbox did all the same."""

import itertools
import json
from typing import Any

import pytest
import requests
import stripe

from tests import stripe_sandbox
from tests.sandbox.receiving import listen_to, receiver, types
from tests.sandbox.shop import JAN, KEY, make_client, make_customer, make_meter, use
from tests.sandbox.test_meters import total
from tests.stripe_sandbox import Fault, Sandbox, WebhookFault

CUSTOMERS = "POST /v1/customers"
METER_EVENTS = "POST /v1/billing/meter_events"


class TestCall:
    @pytest.mark.parametrize(
        ("fault", "error", "status", "performed"),
        [
            (Fault.RATE_LIMITED, stripe.RateLimitError, 429, 0),
            (Fault.RATE_LIMITED_RETRY, stripe.RateLimitError, 429, 0),
            (Fault.SERVER_ERROR, stripe.APIError, 500, 0),
            (Fault.SERVER_ERROR_AFTER, stripe.APIError, 500, 1),
            (Fault.BAD_GATEWAY, stripe.APIError, 502, 0),
            (Fault.UNAVAILABLE, stripe.APIError, 503, 0),
            (Fault.TIMEOUT_BEFORE, stripe.APIConnectionError, None, 0),
            (Fault.TIMEOUT_AFTER, stripe.APIConnectionError, None, 1),
            (Fault.RESET_BEFORE, stripe.APIConnectionError, None, 0),
            (Fault.RESET_AFTER, stripe.APIConnectionError, None, 1),
        ],
    )
    def test_fails_as_told_and_is_performed_or_not(
        self,
        sandbox: Sandbox,
        client: stripe.StripeClient,
        fault: Fault,
        error: type[stripe.StripeError],
        status: int | None,
        performed: int,
    ) -> None:
        sandbox.faults.next(CUSTOMERS, fault)

        with pytest.raises(error) as caught:
            client.v1.customers.create({"name": "Acme"})
        recorded = sandbox.requests[-1]
        after = client.v1.customers.create({"name": "Globex"})

        assert type(caught.value) is error
        assert caught.value.http_status == status
        assert [c["name"] for c in sandbox.objects("customer")] == ["Acme"] * performed + ["Globex"]
        assert after.name == "Globex"
        assert (recorded.fault, recorded.applied) == (fault, bool(performed))
        assert recorded.status == (status or 0)
        assert bool(recorded.response) == (status in {429, 500})

    def test_is_reset_abruptly(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        sandbox.faults.next(CUSTOMERS, Fault.RESET_BEFORE)

        with pytest.raises(stripe.APIConnectionError, match="Connection reset by peer"):
            client.v1.customers.create({})

    def test_times_out_at_the_client_when_the_sandbox_is_slower(self, sandbox: Sandbox) -> None:
        sandbox.faults.next("GET /v1/*", Fault.TIMEOUT_AFTER)
        sandbox.switches.timeout_seconds = 0.2

        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{sandbox.url}/v1/customers", auth=(KEY, ""), timeout=0.05)

    def test_comes_late_but_right(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        sandbox.faults.next(CUSTOMERS, Fault.SLOW)
        sandbox.switches.slow_seconds = 0.0

        assert client.v1.customers.create({"name": "Acme"}).name == "Acme"
        assert sandbox.requests[-1].fault == "slow"

    def test_is_tried_again_by_the_client_where_stripe_says_so(self, sandbox: Sandbox) -> None:
        client = stripe.StripeClient(
            KEY, base_addresses={"api": sandbox.url}, max_network_retries=1
        )
        sandbox.faults.next(CUSTOMERS, Fault.RATE_LIMITED_RETRY)
        client.v1.customers.create({})
        sandbox.faults.next(CUSTOMERS, Fault.RATE_LIMITED)
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.create({})

        assert [r.status for r in sandbox.requests] == [429, 200, 429]

    @pytest.mark.parametrize(
        ("fault", "made"), [(Fault.SERVER_ERROR, 1), (Fault.SERVER_ERROR_AFTER, 2)]
    )
    def test_replays_a_server_error_to_its_idempotency_key(
        self, sandbox: Sandbox, client: stripe.StripeClient, fault: Fault, made: int
    ) -> None:
        sandbox.faults.next(CUSTOMERS, fault)
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                client.v1.customers.create({}, {"idempotency_key": "once"})

        assert client.v1.customers.create({}, {"idempotency_key": "twice"})
        assert len(sandbox.objects("customer")) == made

    def test_that_timed_out_is_answered_to_the_same_key(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        sandbox.faults.next(CUSTOMERS, Fault.TIMEOUT_AFTER)
        with pytest.raises(stripe.APIConnectionError):
            client.v1.customers.create({}, {"idempotency_key": "once"})
        answered = client.v1.customers.create({}, {"idempotency_key": "once"})

        assert [c["id"] for c in sandbox.objects("customer")] == [answered.id]

    def test_meets_faults_only_where_the_pattern_fits(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        customer = make_customer(client)
        sandbox.faults.next("GET /v1/customers/*", Fault.SERVER_ERROR, count=2)

        client.v1.customers.list({})
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                client.v1.customers.retrieve(customer.id)
        assert client.v1.customers.retrieve(customer.id).id == customer.id


class TestAcceptedAndLost:
    def test_is_answered_remembered_and_never_aggregated(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        meter, customer = make_meter(client), make_customer(client)
        sandbox.faults.next(METER_EVENTS, Fault.ACCEPTED_AND_LOST)

        assert use(client, customer, 7, JAN, identifier="one").identifier == "one"
        assert total(client, meter, customer, JAN, JAN + 60) == [0]
        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            use(client, customer, 7, JAN, identifier="one")
        use(client, customer, 7, JAN, identifier="two")
        assert total(client, meter, customer, JAN, JAN + 60) == [7]

    def test_is_only_for_meter_events(self, sandbox: Sandbox) -> None:
        with pytest.raises(ValueError, match="accepted and lost"):
            sandbox.faults.next(CUSTOMERS, Fault.ACCEPTED_AND_LOST)


def outcomes(seed: int, *, interleaved: bool = False, **more: Any) -> list[str | None]:
    """Return which faults a hundred new customers meet."""
    with stripe_sandbox.serve(now=JAN, frozen=True) as sandbox:
        sandbox.faults.rate(0.3, seed=seed, **more)
        client = make_client(sandbox)
        for _ in range(100):
            for call in (client.v1.customers.create, client.v1.products.list)[: 1 + interleaved]:
                try:
                    call({})
                except stripe.StripeError:
                    continue
        return [r.fault for r in sandbox.requests if r.path == "/v1/customers"]


class TestRate:
    def test_is_reproducible_by_seed_whatever_other_calls_come_between(self) -> None:
        first = outcomes(7)

        assert outcomes(7, interleaved=True) == first
        assert outcomes(8) != first
        assert 15 < sum(fault is not None for fault in first) < 45
        assert len(set(first)) > 6

    def test_does_not_depend_on_ids(self) -> None:
        def read() -> list[str | None]:
            with stripe_sandbox.serve(now=JAN, frozen=True) as sandbox:
                customer = make_customer(make_client(sandbox))
                sandbox.faults.rate(0.5, seed=7, kinds=[Fault.UNAVAILABLE])
                url = f"{sandbox.url}/v1/customers/{customer.id}"
                for _ in range(20):
                    requests.get(url, auth=(KEY, ""), timeout=5)
                return [r.fault for r in sandbox.requests[1:]]

        assert read() == read()

    def test_is_of_the_kinds_and_the_length_asked_for(self) -> None:
        met = outcomes(7, kinds=[Fault.UNAVAILABLE], in_a_row=1)

        assert set(met) == {None, "unavailable"}
        assert not any(a and b for a, b in itertools.pairwise(met))

    def test_ends_when_cleared(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        sandbox.faults.rate(1.0, seed=1)
        sandbox.faults.clear()

        assert client.v1.customers.create({}).object == "customer"


class TestWebhook:
    def test_is_lost_or_doubled_as_told(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        sandbox.faults.next_webhook("customer.created", WebhookFault.LOST)
        sandbox.faults.next_webhook("product.*", WebhookFault.DUPLICATED)
        with receiver(lambda _: 200) as (url, received):
            endpoint = listen_to(client, url)
            make_customer(client)
            client.v1.products.create({"name": "Pro"})
            make_customer(client)
            assert sandbox.courier.drain(5)

        assert types(received) == ["product.created", "product.created", "customer.created"]
        assert received[0] == received[1]
        assert [(d.type, d.attempt, d.status, d.fault) for d in sandbox.deliveries] == [
            ("customer.created", 0, None, "lost"),
            ("product.created", 1, 200, "duplicated"),
            ("product.created", 1, 200, "duplicated"),
            ("customer.created", 1, 200, None),
        ]
        assert {d.endpoint for d in sandbox.deliveries} == {endpoint.id}
        assert {d.at for d in sandbox.deliveries} == {JAN}
        assert json.loads(sandbox.deliveries[1].body)["id"] == sandbox.deliveries[1].event

    def test_waits_and_goes_in_any_order(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        with receiver(lambda _: 200) as (url, received):
            listen_to(client, url)
            sandbox.courier.hold()
            make_customer(client)
            client.v1.products.create({"name": "Pro"})
            make_meter(client)
            assert sandbox.courier.drain(0)
            assert received == []
            waiting = sandbox.courier.waiting()
            sandbox.courier.release([2, 0])
            assert sandbox.courier.drain(5)

        assert waiting == ["customer.created", "product.created", "billing.meter.created"]
        assert types(received) == ["billing.meter.created", "customer.created"]

    def test_is_shuffled_by_seed(self) -> None:
        def order(seed: int) -> list[str]:
            with (
                stripe_sandbox.serve(now=JAN, frozen=True) as sandbox,
                receiver(lambda _: 200) as (url, received),
            ):
                client = make_client(sandbox)
                listen_to(client, url)
                sandbox.courier.hold()
                for number in range(6):
                    client.v1.products.create({"name": f"P{number}"})
                sandbox.faults.webhook_rate(0.0, seed=seed, shuffle=True)
                sandbox.courier.release()
                assert sandbox.courier.drain(5)
                return [json.loads(body)["data"]["object"]["name"] for body, _ in received]

        assert sorted(order(7)) == [f"P{number}" for number in range(6)]
        assert order(7) == order(7) != sorted(order(7))


class TestControl:
    def test_sets_faults_from_outside(self, sandbox: Sandbox) -> None:
        url = f"{sandbox.url}/_sandbox/faults"
        for given in (
            {"call": CUSTOMERS, "fault": "unavailable"},
            {"rate": 0.0, "seed": 7, "kinds": ["slow"]},
            {"webhook": "*", "fault": "lost", "count": 3},
            {"webhook_rate": 0.5, "seed": 7, "shuffle": True},
        ):
            assert requests.post(url, json=given, timeout=5).status_code == 200
        shown = requests.get(url, timeout=5).json()
        answer = requests.post(f"{sandbox.url}/v1/customers", auth=(KEY, ""), timeout=5)
        requests.post(url, json={"clear": True}, timeout=5)

        assert shown["calls"] == [{"pattern": CUSTOMERS, "fault": "unavailable", "left": 1}]
        assert (shown["rates"][0]["kinds"], shown["shuffle"]) == (["slow"], True)
        assert answer.status_code == 503
        assert "<html>" in answer.text
        assert not any(requests.get(url, timeout=5).json().values())

    @pytest.mark.parametrize("given", [{"call": CUSTOMERS, "fault": "x"}, {"rate": 1}, {}])
    def test_refuses_what_it_does_not_know(self, sandbox: Sandbox, given: dict[str, Any]) -> None:
        answer = requests.post(f"{sandbox.url}/_sandbox/faults", json=given, timeout=5)

        assert answer.status_code == 400

    def test_turns_switches_and_shows_deliveries(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        url = f"{sandbox.url}/_sandbox"
        turned = requests.post(
            f"{url}/switches", json={"retry_days": [1], "last_by": "receipt"}, timeout=5
        ).json()
        with receiver(lambda _: 200) as (hook, _):
            listen_to(client, hook)
            make_customer(client)
            assert sandbox.courier.drain(5)
        shown = requests.get(f"{url}/deliveries?after=0", timeout=5).json()["deliveries"]

        assert sandbox.switches.retry_days == (1,)
        assert turned == requests.get(f"{url}/switches", timeout=5).json()
        assert [(d["type"], d["status"]) for d in shown] == [("customer.created", 200)]
        assert requests.post(f"{url}/switches", json={"x": 1}, timeout=5).status_code == 400


class TestRecord:
    def test_numbers_calls_and_webhooks_in_one_order(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        with receiver(lambda _: 200) as (url, _):
            listen_to(client, url)
            make_customer(client)
            assert sandbox.courier.drain(5)
            make_customer(client)
            assert sandbox.courier.drain(5)

        order = [(r.number, r.path) for r in sandbox.requests]
        order += [(d.number, d.type) for d in sandbox.deliveries]
        assert [name for _, name in sorted(order)] == [
            "/v1/webhook_endpoints",
            "/v1/customers",
            "customer.created",
            "/v1/customers",
            "customer.created",
        ]
        assert [number for number, _ in sorted(order)] == [1, 2, 3, 4, 5]
