"""Setting up an account: made once, found again, changed only where it differs."""

import json
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import stripe as client_library
from django.core.management import CommandError, call_command
from djstripe.models import WebhookEndpoint

from billing import gateway, pricing, stripe_setup
from billing.stripe_setup import catalog
from tests.sandbox.shop import make_client
from tests.stripe_sandbox import Sandbox

STEEPER = [
    {"up_to": 100, "flat_amount": 20000},
    {"up_to": "inf", "unit_amount": 300},
]
FALLING = [
    {"up_to": 100, "flat_amount": 20000},
    {"up_to": "inf", "unit_amount": 100},
]


@pytest.fixture
def client(sandbox: Sandbox) -> client_library.StripeClient:
    return make_client(sandbox)


@pytest.fixture
def ladder(tmp_path: Path) -> Callable[[Any], Path]:
    def write(tiers: Any) -> Path:
        path = tmp_path / "ladder.json"
        path.write_text(tiers if isinstance(tiers, str) else json.dumps(tiers))
        return path

    return write


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("stripe_setup", *(str(argument) for argument in arguments), stdout=out)
    return out.getvalue()


def writes(sandbox: Sandbox, *, since: int = 0) -> list[str]:
    return [
        f"{call.method} {call.path}" for call in sandbox.requests[since:] if call.method != "GET"
    ]


@pytest.mark.django_db
class TestFirstRun:
    def test_it_makes_all_that_billing_needs(self, sandbox: Sandbox) -> None:
        run()

        formulas = {
            meter["event_name"]: meter["default_aggregation"]["formula"]
            for meter in sandbox.objects("billing.meter")
        }
        assert formulas == {"active_series": "last", "metrics": "sum", "runner_minutes": "sum"}
        assert {product["id"] for product in sandbox.objects("product")} == {
            "prod_pro",
            "prod_team",
            "prod_enterprise",
            "prod_bare_metal",
        }
        stripe = gateway.connect()
        units = {
            name: stripe.metered_price_of(f"prod_{name}").unit_cents
            for name in ("team", "enterprise", "bare_metal")
        }
        assert units["team"] == 1
        assert units["enterprise"] == 5
        assert round((units["bare_metal"] or 0) * 60, 9) == Decimal(100)

    def test_pro_is_sold_at_the_ladder_it_is_known_for(self, sandbox: Sandbox) -> None:
        run()

        tiers = pricing.ladder(gateway.connect().metered_price_of("prod_pro").tiers)
        counts = (0, 250, 251, 375, 376, 500, 501, 1000)
        assert [pricing.amount_cents(tiers, count) for count in counts] == [
            10000, 10000, 15000, 15000, 20000, 20000, 20040, 40000,
        ]  # fmt: skip

    def test_the_portal_allows_what_may_not_harm(self, sandbox: Sandbox) -> None:
        run()

        (configuration,) = sandbox.objects("billing_portal.configuration")
        features = configuration["features"]
        assert not features["subscription_update"]["enabled"]
        assert features["payment_method_update"]["enabled"]
        assert features["invoice_history"]["enabled"]
        assert features["subscription_cancel"]["enabled"]
        assert features["subscription_cancel"]["mode"] == "at_period_end"

    def test_djstripe_can_verify_what_the_endpoint_receives(
        self, sandbox: Sandbox, settings: Any
    ) -> None:
        run()

        (at_stripe,) = sandbox.objects("webhook_endpoint")
        row = WebhookEndpoint.objects.get()
        assert (row.id, row.secret) == (at_stripe["id"], at_stripe["secret"])
        assert at_stripe["url"] == f"http://testserver/stripe/webhook/{row.djstripe_uuid}/"
        assert at_stripe["api_version"] == settings.STRIPE_API_VERSION
        assert set(at_stripe["enabled_events"]) == catalog.SNAPSHOT_EVENTS

    def test_it_prints_the_environment(self, sandbox: Sandbox) -> None:
        printed = run()

        (configuration,) = sandbox.objects("billing_portal.configuration")
        environment = printed.split("Put this in the environment:\n")[1].split()
        assert environment[:5] == [
            "ACTIVE_SERIES_PRODUCT=prod_pro",
            "TEAM_PRODUCT=prod_team",
            "ENTERPRISE_PRODUCT=prod_enterprise",
            "BARE_METAL_PRODUCT=prod_bare_metal",
            f"STRIPE_PORTAL_CONFIGURATION={configuration['id']}",
        ]
        (destination,) = sandbox.objects("v2.core.event_destination")
        assert environment[5:] == [f"STRIPE_THIN_WEBHOOK_SECRET={destination['_secret']}"]

    def test_meter_errors_come_to_an_endpoint_of_their_own(self, sandbox: Sandbox) -> None:
        run()

        (destination,) = sandbox.objects("v2.core.event_destination")
        assert destination["event_payload"] == "thin"
        assert destination["_url"] == "http://testserver/stripe/meter-errors/"
        assert set(destination["enabled_events"]) == catalog.THIN_EVENTS

    def test_without_a_key_it_says_so(self, settings: Any) -> None:
        settings.STRIPE_SECRET_KEY = ""

        with pytest.raises(CommandError, match="STRIPE_SECRET_KEY is not set"):
            run()

    def test_a_key_that_stripe_refuses_is_named_as_the_cause(
        self, sandbox: Sandbox, settings: Any
    ) -> None:
        settings.STRIPE_SECRET_KEY = "sk_live_" + "x" * 24

        with pytest.raises(CommandError, match="does not accept the key"):
            run()


@pytest.mark.django_db
class TestSecondRun:
    def test_it_writes_nothing(self, sandbox: Sandbox) -> None:
        run()
        before = len(sandbox.requests)

        printed = run()

        assert writes(sandbox, since=before) == []
        assert "made" not in printed
        assert "changed" not in printed

    def test_a_product_is_found_by_its_mark(
        self, sandbox: Sandbox, client: client_library.StripeClient, settings: Any
    ) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""
        client.v1.products.create({"id": "prod_own", "name": "P", "metadata": {"bencher": "pro"}})

        printed = run()

        assert "ACTIVE_SERIES_PRODUCT=prod_own" in printed
        assert "prod_pro" not in printed

    def test_what_another_made_in_its_account_stays(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        theirs = client.v1.webhook_endpoints.create(
            {"url": "https://elsewhere.example/", "enabled_events": ["*"]}
        )
        client.v1.billing_portal.configurations.create(
            {"features": {"invoice_history": {"enabled": True}}}
        )

        run()
        run()

        endpoints = [endpoint["id"] for endpoint in sandbox.objects("webhook_endpoint")]
        assert endpoints[0] == theirs.id
        assert len(endpoints) == 2
        assert len(sandbox.objects("billing_portal.configuration")) == 2


@pytest.mark.django_db
class TestDryRun:
    def test_it_writes_nothing_and_says_what_would_be_made(self, sandbox: Sandbox) -> None:
        printed = run("--dry-run")

        assert writes(sandbox) == []
        assert not WebhookEndpoint.objects.exists()
        assert "would be made meter metrics (new)" in printed
        assert "would be made price of Bencher Pro (new)" in printed
        assert "would be made webhook endpoint (new)" in printed

    def test_it_says_what_would_change(
        self, sandbox: Sandbox, client: client_library.StripeClient, ladder: Any
    ) -> None:
        run()
        (endpoint,) = sandbox.objects("webhook_endpoint")
        client.v1.webhook_endpoints.update(endpoint["id"], {"disabled": True})
        before = len(sandbox.requests)

        printed = run("--dry-run", "--ladder", ladder(STEEPER))

        assert writes(sandbox, since=before) == []
        assert "would be made price of Bencher Pro (new)" in printed
        assert "would be changed default price of Bencher Pro" in printed
        assert f"would be changed webhook endpoint {endpoint['id']}" in printed

    def test_nothing_would_be_made_after_a_run(self, sandbox: Sandbox) -> None:
        run()

        assert "would be" not in run("--dry-run")


@pytest.mark.django_db
class TestLadder:
    def test_another_ladder_is_another_price(self, sandbox: Sandbox, ladder: Any) -> None:
        run()
        stripe = gateway.connect()
        old = stripe.metered_price_of("prod_pro")

        printed = run("--ladder", ladder(STEEPER))

        new = stripe.metered_price_of("prod_pro")
        assert new.id != old.id
        assert pricing.amount_cents(pricing.ladder(new.tiers), 101) == 30300
        assert stripe.price(old.id).active
        assert f"{old.id} stays in force for those who have it" in printed

    def test_it_stays_when_the_command_runs_without_it(self, sandbox: Sandbox, ladder: Any) -> None:
        run("--ladder", ladder(STEEPER))
        before = len(sandbox.requests)

        run()

        assert writes(sandbox, since=before) == []

    def test_a_ladder_that_there_was_is_not_made_again(self, sandbox: Sandbox, ladder: Any) -> None:
        run("--ladder", ladder(STEEPER))
        first = gateway.connect().metered_price_of("prod_pro")
        run(
            "--ladder",
            ladder([{**tier, "up_to": tier["up_to"] or "inf"} for tier in catalog.DEFAULT_TIERS]),
        )

        run("--ladder", ladder(STEEPER))

        assert gateway.connect().metered_price_of("prod_pro").id == first.id
        assert len(gateway.connect().prices_of("prod_pro")) == 2

    @pytest.mark.parametrize(
        ("tiers", "message"),
        [
            (FALLING, "falls between 100 and 101"),
            (STEEPER[:1], "no upper end"),
            ([], "no upper end"),
            ("{not json", "is not a list of tiers"),
            ('{"up_to": 1}', "is not a list of tiers"),
            ([{"up_to": "inf", "amount": 3}], "no field amount"),
            ([{"up_to": "inf", "unit_amount": "much"}], "no number"),
            ([{"up_to": "all", "unit_amount": 1}, {"up_to": "inf"}], "no number|in order|falls"),
        ],
    )
    def test_one_that_can_t_be_billed_by_is_refused_before_anything_is_made(
        self, sandbox: Sandbox, ladder: Any, tiers: Any, message: str
    ) -> None:
        with pytest.raises(CommandError, match=message):
            run("--ladder", ladder(tiers))

        assert sandbox.requests == []

    def test_a_file_that_is_not_there_is_named(self, sandbox: Sandbox) -> None:
        with pytest.raises(CommandError, match=r"nowhere\.json"):
            run("--ladder", "/nowhere.json")

    def test_a_price_nobody_can_bill_by_is_replaced(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        run()
        parameters: Any = catalog.price_parameters(
            catalog.PRO,
            product_id="prod_pro",
            meter_id=gateway.connect().meters()[0].id,
            tiers=[{"up_to": 100, "flat_amount": 20000}, {"up_to": None, "unit_amount": 100}],
        )
        bad = client.v1.prices.create(parameters)
        client.v1.products.update("prod_pro", {"default_price": bad.id})

        printed = run()

        assert gateway.connect().metered_price_of("prod_pro").id != bad.id
        assert "default price of Bencher Pro" in printed


@pytest.mark.django_db
class TestRepair:
    def test_a_portal_that_lets_plans_be_switched_is_changed_back(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        run()
        (configuration,) = sandbox.objects("billing_portal.configuration")
        client.v1.billing_portal.configurations.update(
            configuration["id"],
            {"features": {"subscription_cancel": {"enabled": True, "mode": "immediately"}}},
        )

        assert f"changed portal configuration {configuration['id']}" in run()

        (found,) = gateway.connect().portal_configurations()
        assert found.features == catalog.PORTAL

    def test_an_endpoint_gets_exactly_our_events(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        run()
        (endpoint,) = sandbox.objects("webhook_endpoint")
        client.v1.webhook_endpoints.update(
            endpoint["id"], {"enabled_events": ["*"], "disabled": True}
        )

        run()

        (found,) = gateway.connect().webhook_endpoints()
        assert (found.id, found.enabled) == (endpoint["id"], True)
        assert found.enabled_events == catalog.SNAPSHOT_EVENTS

    def test_an_endpoint_whose_secret_is_lost_is_replaced(self, sandbox: Sandbox) -> None:
        run()
        (old,) = sandbox.objects("webhook_endpoint")
        WebhookEndpoint.objects.all().delete()

        printed = run()

        (new,) = sandbox.objects("webhook_endpoint")
        assert new["id"] != old["id"]
        assert WebhookEndpoint.objects.get().secret == new["secret"]
        assert f"removed webhook endpoint {old['id']}" in printed

    def test_an_endpoint_of_another_version_is_replaced(
        self, sandbox: Sandbox, settings: Any
    ) -> None:
        settings.STRIPE_API_VERSION = "2026-07-29.dahlia"
        run()
        settings.STRIPE_API_VERSION = "2026-08-26.dahlia"

        run()

        (new,) = sandbox.objects("webhook_endpoint")
        assert new["api_version"] == "2026-08-26.dahlia"

    def test_an_archived_meter_takes_events_again(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        run()
        client.v1.billing.meters.deactivate(sandbox.objects("billing.meter")[0]["id"])

        run()

        assert all(meter["status"] == "active" for meter in sandbox.objects("billing.meter"))

    def test_a_meter_that_adds_up_what_should_not_stops_it(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        client.v1.billing.meters.create(
            {
                "display_name": "x",
                "event_name": "active_series",
                "default_aggregation": {"formula": "sum"},
            }
        )

        with pytest.raises(CommandError, match="takes the sum of a period, not the last"):
            run()

    def test_an_archived_product_stops_it(
        self, sandbox: Sandbox, client: client_library.StripeClient
    ) -> None:
        run()
        client.v1.products.update("prod_pro", {"active": False})

        with pytest.raises(CommandError, match=r"prod_pro .* is archived"):
            run()

    def test_an_interrupted_run_is_taken_up(self, sandbox: Sandbox) -> None:
        list(islice(stripe_setup.run(), 4))

        run()

        assert len(sandbox.objects("product")) == 4
        assert len(sandbox.objects("billing.meter")) == 3
