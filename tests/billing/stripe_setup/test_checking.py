"""The check: passes on what the command made, and names each thing that is not so."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import stripe as client_library
from django.core.management import CommandError, call_command
from django.test import Client
from djstripe.models import WebhookEndpoint

from billing import stripe_setup
from billing.models import FlatFeeProof
from billing.stripe_setup import catalog, checking
from billing.stripe_setup.checking import State
from tests.sandbox.shop import make_client
from tests.stripe_sandbox import Sandbox

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Break = Callable[[client_library.StripeClient, Sandbox], object]


@pytest.fixture
def client(shop: Sandbox) -> client_library.StripeClient:
    return make_client(shop)


def check(*arguments: str) -> tuple[int, str]:
    """Run the command; returns its exit code and what it printed."""
    out = StringIO()
    try:
        call_command("stripe_setup", "--check", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}\n{error}"
    return 0, out.getvalue()


def wrong(**options: Any) -> list[str]:
    """Return what the check finds wrong."""
    return [found.what for found in checking.run(now=NOW, **options) if found.is_wrong]


def meter_id(sandbox: Sandbox, name: str) -> str:
    (found,) = [
        meter["id"] for meter in sandbox.objects("billing.meter") if meter["event_name"] == name
    ]
    return str(found)


def destination_id(sandbox: Sandbox) -> str:
    return str(sandbox.objects("v2.core.event_destination")[0]["id"])


def sell_at(client: client_library.StripeClient, sandbox: Sandbox, **terms: Any) -> None:
    """Sell Pro at a price on other terms."""
    parameters: Any = catalog.price_parameters(
        catalog.PRO,
        product_id="prod_pro",
        meter_id=meter_id(sandbox, "active_series"),
        tiers=catalog.DEFAULT_TIERS,
    )
    price = client.v1.prices.create(parameters | terms)
    client.v1.products.update("prod_pro", {"default_price": price.id})


def archive_default_price(client: client_library.StripeClient, sandbox: Sandbox) -> None:
    """Archive the price that Pro is sold at, in the way that Stripe's dashboard can."""
    default = client.v1.products.retrieve("prod_pro").default_price
    with sandbox.lock:
        sandbox.state.tables["price"][str(default)]["active"] = False


BROKEN: list[tuple[str, Break, str]] = [
    (
        "meter metrics",
        lambda client, sandbox: client.v1.billing.meters.deactivate(meter_id(sandbox, "metrics")),
        "it is archived",
    ),
    (
        "product Bencher Pro",
        lambda client, _: client.v1.products.update("prod_pro", {"active": False}),
        "it is archived",
    ),
    (
        "product Bencher Pro",
        lambda client, _: client.v1.products.update("prod_pro", {"metadata": {"bencher": "team"}}),
        "names what stripe_setup made as team",
    ),
    (
        "price of Bencher Pro",
        lambda client, sandbox: sell_at(
            client,
            sandbox,
            tiers=[{"up_to": 100, "flat_amount": 20000}, {"up_to": "inf", "unit_amount": 100}],
        ),
        "The amount falls between 100 and 101 series",
    ),
    (
        "price of Bencher Pro",
        lambda client, sandbox: sell_at(client, sandbox, tiers_mode="graduated"),
        "its tiers_mode is graduated",
    ),
    (
        "price of Bencher Pro",
        lambda client, sandbox: sell_at(client, sandbox, currency="eur"),
        "its currency is eur",
    ),
    (
        "price of Bencher Pro",
        lambda client, sandbox: sell_at(
            client,
            sandbox,
            recurring={
                "interval": "month",
                "usage_type": "metered",
                "meter": meter_id(sandbox, "metrics"),
            },
        ),
        "it is not billed on the meter active_series",
    ),
    ("price of Bencher Pro", archive_default_price, "it is archived"),
    (
        "portal configuration",
        lambda client, sandbox: client.v1.billing_portal.configurations.update(
            sandbox.objects("billing_portal.configuration")[0]["id"],
            {"features": {"invoice_history": {"enabled": False}}},
        ),
        "invoice_history=False",
    ),
    (
        "webhook endpoint",
        lambda client, sandbox: client.v1.webhook_endpoints.update(
            sandbox.objects("webhook_endpoint")[0]["id"], {"disabled": True}
        ),
        "Stripe has disabled it",
    ),
    (
        "webhook endpoint",
        lambda client, sandbox: client.v1.webhook_endpoints.update(
            sandbox.objects("webhook_endpoint")[0]["id"], {"enabled_events": ["charge.failed"]}
        ),
        "it receives charge.failed for nothing",
    ),
    (
        "webhook endpoint",
        lambda client, sandbox: client.v1.webhook_endpoints.delete(
            sandbox.objects("webhook_endpoint")[0]["id"]
        ),
        "none is for http://testserver",
    ),
    (
        "webhook endpoint",
        lambda *_: WebhookEndpoint.objects.update(secret=""),
        "its secret is not known here",
    ),
    (
        "event destination",
        lambda client, sandbox: client.v2.core.event_destinations.disable(destination_id(sandbox)),
        "it is disabled",
    ),
    (
        "event destination",
        lambda client, sandbox: client.v2.core.event_destinations.update(
            destination_id(sandbox), {"enabled_events": ["v1.billing.meter.no_meter_found"]}
        ),
        "it receives v1.billing.meter.no_meter_found",
    ),
    (
        "event destination",
        lambda client, sandbox: client.v2.core.event_destinations.delete(destination_id(sandbox)),
        "none is for http://testserver/stripe/meter-errors/",
    ),
]


class TestCheck:
    def test_it_passes_after_the_set_up(self, shop: Sandbox) -> None:
        code, printed = check()

        assert code == 0, printed
        assert "not proven  flat fee without usage" in printed
        assert "the sandbox in Stripe's place" in printed

    def test_it_passes_when_everything_is_sold(self, shop: Sandbox, settings: Any) -> None:
        for wanted in catalog.PRODUCTS:
            setattr(settings, wanted.setting, wanted.id)
        (configuration,) = shop.objects("billing_portal.configuration")
        settings.STRIPE_PORTAL_CONFIGURATION = configuration["id"]

        assert wrong() == []

    def test_it_writes_nothing(self, shop: Sandbox) -> None:
        before = len(shop.requests)

        check()

        assert {call.method for call in shop.requests[before:]} == {"GET"}
        assert not FlatFeeProof.objects.exists()

    @pytest.mark.django_db
    def test_an_empty_account_lacks_everything(self, sandbox: Sandbox) -> None:
        code, printed = check()

        missing = [line for line in printed.splitlines() if line.startswith("missing ")]
        assert code == 1
        assert len(missing) == 7
        assert "7 of these must be put right" in printed

    @pytest.mark.parametrize(("what", "harm", "detail"), BROKEN)
    def test_it_names_what_is_wrong_and_nothing_else(
        self,
        shop: Sandbox,
        client: client_library.StripeClient,
        what: str,
        harm: Break,
        detail: str,
    ) -> None:
        harm(client, shop)

        found = [finding for finding in checking.run(now=NOW) if finding.is_wrong]

        assert [finding.what for finding in found] == [what]
        assert detail in found[0].detail

    def test_a_product_that_is_not_there_is_missing(self, shop: Sandbox, settings: Any) -> None:
        settings.TEAM_PRODUCT = "prod_nobody"

        code, printed = check()

        assert code == 1
        assert "TEAM_PRODUCT names prod_nobody, which Stripe does not have" in printed

    def test_a_product_that_is_not_named_is_said_to_be_not_sold(
        self, shop: Sandbox, settings: Any
    ) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""

        code, printed = check()

        assert code == 1
        assert "set ACTIVE_SERIES_PRODUCT=prod_pro" in printed
        assert "product Bencher Team: not sold" in printed

    def test_another_portal_configuration_is_named(self, shop: Sandbox, settings: Any) -> None:
        settings.STRIPE_PORTAL_CONFIGURATION = "bpc_other"

        assert wrong() == ["portal configuration"]

    def test_the_ladder_may_be_checked_too(self, shop: Sandbox, tmp_path: Path) -> None:
        other = tmp_path / "ladder.json"
        other.write_text(json.dumps([{"up_to": "inf", "unit_amount": 7}]))

        code, printed = check("--ladder", str(other))

        assert code == 1
        assert "its ladder is another one" in printed
        assert wrong(tiers=catalog.DEFAULT_TIERS) == []

    def test_a_ladder_that_falls_is_refused(self, shop: Sandbox, tmp_path: Path) -> None:
        falling = tmp_path / "ladder.json"
        falling.write_text(
            json.dumps([{"up_to": 9, "flat_amount": 100}, {"up_to": "inf", "flat_amount": 99}])
        )

        code, printed = check("--ladder", str(falling))

        assert code == 1
        assert "falls between 9 and 10" in printed

    def test_the_set_up_repairs_what_can_be_repaired(
        self, shop: Sandbox, client: client_library.StripeClient
    ) -> None:
        # Nothing can be sold on an archived meter, and nothing be harmed that was deleted.
        harms = [
            (what, harm)
            for what, harm, detail in BROKEN
            if not what.startswith("product") and not detail.startswith("none is for")
        ]
        for _, harm in sorted(harms, key=lambda one: one[0] == "meter metrics"):
            harm(client, shop)

        list(stripe_setup.run())

        assert wrong() == []


class TestFlatFee:
    """The sandbox stands for a real account in test mode, and can answer either way."""

    @pytest.fixture
    def account(self, shop: Sandbox, settings: Any) -> Sandbox:
        settings.STRIPE_IS_SANDBOX = False
        settings.STRIPE_THIN_WEBHOOK_SECRET = "whsec_x"
        return shop

    def finding(self) -> checking.Finding:
        return list(checking.run(now=NOW))[-1]

    def test_a_real_account_is_asked_and_its_answer_kept(self, account: Sandbox) -> None:
        found = self.finding()

        proof = FlatFeeProof.objects.get()
        assert found.state == State.OK
        assert "costs $100.00, asked on 2026-11-22" in found.detail
        assert (proof.charged_cents, proof.expected_cents) == (10000, 10000)
        assert proof.asked_at == NOW

    def test_one_that_charges_nothing_is_wrong(self, account: Sandbox) -> None:
        account.switches.flat_fee_at_zero = False

        found = self.finding()

        assert found.state == State.DIFFERENT
        assert "costs $0.00" in found.detail
        assert "statements say $100.00" in found.detail

    def test_a_live_account_is_not_asked_but_told_the_answer(
        self, account: Sandbox, settings: Any
    ) -> None:
        self.finding()
        settings.STRIPE_LIVE_MODE = True

        found = self.finding()

        assert found.state == State.OK
        assert FlatFeeProof.objects.count() == 1

    def test_a_live_account_of_which_nothing_is_known_is_not_proven(
        self, account: Sandbox, settings: Any
    ) -> None:
        settings.STRIPE_LIVE_MODE = True

        assert self.finding().state == State.NOT_PROVEN

    def test_an_address_that_is_not_https_is_wrong(self, account: Sandbox, settings: Any) -> None:
        assert "BASE_URL" in wrong()
        settings.BASE_URL = "https://bencher.example"
        assert "BASE_URL" not in wrong()

    def test_what_only_the_sandbox_can_do_without_is_missed(
        self, account: Sandbox, settings: Any
    ) -> None:
        settings.STRIPE_THIN_WEBHOOK_SECRET = ""

        assert {"event destination", "portal configuration"} <= set(wrong())


def test_the_endpoint_answers_at_the_address_that_stripe_was_told(shop: Sandbox) -> None:
    (endpoint,) = shop.objects("webhook_endpoint")

    response = Client().post(
        endpoint["url"].removeprefix("http://testserver"), b"{}", content_type="application/json"
    )

    # Not signed, so refused; another address would be unknown.
    assert response.status_code == 400
