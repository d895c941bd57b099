"""Legacy Pro plans become plans of active series when their period ends, and lose no usage."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.db import transaction

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import (
    canceling,
    checkouts,
    close,
    following,
    gateway,
    plans,
    posting,
    settlement,
    trials,
)
from billing.models import (
    BillingCustomer,
    BillingPeriod,
    Checkout,
    Level,
    MeterEvent,
    Plan,
    Settlement,
    Statement,
)
from series.models import Project
from tests.billing.conftest import report
from tests.billing.life.conftest import DAY, MINUTE, Travel, at_stripe, give_card, invoices, send
from tests.factories import make_organization, make_user
from tests.stripe_sandbox import Fault, Sandbox

HOUR = timedelta(hours=1)
FLAT_FEE, METRIC = 2000, 1


@dataclass(frozen=True, slots=True)
class Legacy:
    """What legacy Pro plans are sold with."""

    client: stripe.StripeClient
    base: stripe.Price
    metrics: stripe.Price

    def customer(self) -> str:
        """Create a customer with a card."""
        client = self.client.v1
        customer = client.customers.create({"name": "Acme", "payment_method": "pm_card_visa"})
        (method,) = client.customers.payment_methods.list(customer.id).data
        client.customers.update(
            customer.id, {"invoice_settings": {"default_payment_method": method.id}}
        )
        return customer.id

    def subscribe(
        self, organization: Organization, *, customer: str = "", more: Any = (), **options: Any
    ) -> stripe.Subscription:
        """Subscribe an organization to the legacy plan, as the service of before did."""
        items = [{"price": self.base.id}, {"price": self.metrics.id}, *more]
        parameters: Any = {
            "customer": customer or self.customer(),
            "items": items,
            "metadata": {"organization": str(organization.uuid)},
            **options,
        }
        return self.client.v1.subscriptions.create(parameters)

    def use(self, subscription: stripe.Subscription, metrics: int) -> None:
        """Post metrics as of now."""
        self.client.v1.billing.meter_events.create(
            {
                "event_name": "metrics",
                "payload": {
                    "stripe_customer_id": str(subscription.customer),
                    "value": str(metrics),
                },
            }
        )

    def grant(self, subscription: stripe.Subscription, **more: Any) -> stripe.billing.CreditGrant:
        """Grant credit of the flat fee, as the service of before did each month."""
        parameters: Any = {
            "customer": str(subscription.customer),
            "category": "promotional",
            "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": FLAT_FEE}},
            "applicability_config": {"scope": {"price_type": "metered"}},
            "metadata": {"bencher_cloud": "true"},
            **more,
        }
        return self.client.v1.billing.credit_grants.create(parameters)


@pytest.fixture
def legacy(shop: Sandbox, settings: Any) -> Legacy:
    client = gateway.connect()._client
    settings.LEGACY_PRO_PRODUCT = client.v1.products.create({"name": "Pro of before"}).id
    (meter,) = [
        row["id"] for row in shop.objects("billing.meter") if row["event_name"] == "metrics"
    ]
    monthly: Any = {"interval": "month"}
    metered: Any = {**monthly, "usage_type": "metered", "meter": meter}
    base = client.v1.prices.create(
        {
            "currency": "usd",
            "product": settings.LEGACY_PRO_PRODUCT,
            "unit_amount": FLAT_FEE,
            "recurring": monthly,
        }
    )
    metrics = client.v1.prices.create(
        {
            "currency": "usd",
            "product_data": {"name": "Metrics"},
            "unit_amount": METRIC,
            "recurring": metered,
        }
    )
    return Legacy(client, base, metrics)


def migrate(*options: str) -> str:
    out = StringIO()
    call_command("migrate_to_active_series", *options, stdout=out)
    return out.getvalue()


def end_of(subscription: stripe.Subscription) -> datetime:
    return gateway.connect().subscription(subscription.id).items[0].ends_at


def prices_now(subscription: stripe.Subscription) -> list[str]:
    return [item.price_id for item in gateway.connect().subscription(subscription.id).items]


def lines(invoice: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return quantity and amount of each line, by price."""
    return {
        line["pricing"]["price_details"]["price"]: (line["quantity"], line["amount"])
        for line in invoice["lines"]
    }


def phases(subscription: stripe.Subscription) -> list[set[str]]:
    found = gateway.connect().subscription(subscription.id)
    return [set(phase.price_ids) for phase in gateway.connect().schedule(found.schedule_id).phases]


def pro_price() -> str:
    return gateway.connect().metered_price_of("prod_pro").id


def writes(sandbox: Sandbox) -> list[str]:
    return [
        f"{call.method} {call.path}"
        for call in sandbox.requests
        if call.method != "GET" and not call.path.endswith("create_preview")
    ]


class TestMove:
    @pytest.mark.parametrize("bills_dropped", [True, False])
    def test_invoices_legacy_usage_and_then_the_ladder(
        self,
        shop: Sandbox,
        legacy: Legacy,
        acme: Organization,
        engine: Project,
        travel: Travel,
        bills_dropped: bool,
    ) -> None:
        shop.switches.phase_bills_ended_period = bills_dropped
        subscription = legacy.subscribe(acme)
        travel(clock.now() + DAY)
        legacy.use(subscription, 500)
        travel(end_of(subscription) + DAY)
        report(engine, 300)
        migrate()
        legacy.use(subscription, 700)
        switch = end_of(subscription)
        travel(switch + MINUTE)
        following.run(now=clock.now())
        report(engine, 260)
        first = BillingPeriod.objects.get()
        travel(first.ends_at + 11 * MINUTE)
        following.run(now=clock.now())
        list(close.close_due(now=clock.now()))
        send()
        travel(first.ends_at + 2 * HOUR)
        settlement.settle_due(now=clock.now())

        whole, last, new = invoices(shop, subscription.id)
        assert lines(whole) == {legacy.base.id: (1, 2000), legacy.metrics.id: (500, 500)}
        assert lines(last) == {legacy.metrics.id: (700, 700)}, "no flat fee for the new month"
        statement = Statement.objects.get()
        assert (statement.series, statement.amount_cents) == (260, 15000)
        assert lines(new)[pro_price()] == (260, 15000)
        assert (new["total"], new["status"]) == (statement.amount_cents, "paid")
        assert Settlement.objects.get().difference == ""
        assert (first.starts_at, first.kind, first.plan.level) == (switch, "paid", Level.PRO)
        assert prices_now(subscription) == [pro_price()]

    def test_keeps_bare_metal_at_its_price(
        self, legacy: Legacy, acme: Organization, travel: Travel, settings: Any
    ) -> None:
        settings.BARE_METAL_PRODUCT = "prod_bare_metal"
        bare_metal = gateway.connect().metered_price_of("prod_bare_metal").id
        subscription = legacy.subscribe(acme, more=[{"price": bare_metal}])

        migrate()

        assert phases(subscription) == [
            {legacy.base.id, legacy.metrics.id, bare_metal},
            {pro_price(), legacy.metrics.id, bare_metal},
            {pro_price(), bare_metal},
        ]

    def test_cover_never_lapses(
        self, legacy: Legacy, acme: Organization, engine: Project, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        switch = end_of(subscription)

        for at in (switch - MINUTE, switch, switch + MINUTE, switch + DAY, switch + 20 * DAY):
            travel(at)
            following.run(now=clock.now())
            report(engine, 1)

    def test_the_switch_is_followed_within_a_minute_without_webhooks(
        self, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        switch = end_of(subscription)
        assert Plan.objects.get().pro_from == switch
        travel(switch - MINUTE)
        plans.sync(subscription.id)

        travel(switch)

        assert following.due(now=clock.now()) == [subscription.id]
        following.run(now=clock.now())
        assert Plan.objects.get().level == Level.PRO
        assert following.due(now=clock.now()) == []

    def test_first_months_that_were_missed_are_found(
        self, legacy: Legacy, acme: Organization, travel: Travel, caplog: pytest.LogCaptureFixture
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        switch = end_of(subscription)
        travel(switch + 70 * DAY)

        with caplog.at_level(logging.ERROR):
            plans.sync(subscription.id)

        starts = list(
            BillingPeriod.objects.order_by("starts_at").values_list("starts_at", "ends_at")
        )
        assert starts[0][0] == switch
        assert len(starts) == 3
        assert starts[0][1] == starts[1][0]
        assert "no invoice shows what was billed in between" not in caplog.messages

    def test_the_metrics_item_does_not_confuse_the_plan(
        self, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        switch = end_of(subscription)
        travel(switch + MINUTE)
        during = plans.sync(subscription.id)
        assert legacy.metrics.id in prices_now(subscription)
        travel(BillingPeriod.objects.get().ends_at + MINUTE)

        after = plans.sync(subscription.id)

        assert during.stripe_price_id == after.stripe_price_id == pro_price()
        assert after.held_at is None
        assert prices_now(subscription) == [pro_price()]
        assert gateway.connect().subscription(subscription.id).schedule_id

    def test_can_still_be_canceled(
        self, legacy: Legacy, acme: Organization, shop: Sandbox, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        legacy.use(subscription, 700)
        ends_at = end_of(subscription)

        plan = canceling.at_period_end(Plan.objects.get(), cancel=True, now=clock.now())

        assert (plan.cancel_at_period_end, plan.pro_from) == (True, None)
        assert "ends with its period" in migrate()
        travel(ends_at + 2 * HOUR)
        assert lines(invoices(shop, subscription.id)[-1]) == {legacy.metrics.id: (700, 700)}

    def test_can_be_ended_at_once_with_its_usage_billed(
        self, legacy: Legacy, acme: Organization, shop: Sandbox, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        legacy.use(subscription, 700)
        travel(clock.now() + MINUTE)

        gateway.connect().cancel_subscription(subscription.id, invoice_now=True)

        assert lines(invoices(shop, subscription.id)[-1]) == {legacy.metrics.id: (700, 700)}
        assert plans.sync(subscription.id).ended_at is not None
        assert migrate() == "No legacy Pro subscription is to be moved.\n"

    def test_is_scheduled_again_after_a_cancellation_was_taken_back(
        self, legacy: Legacy, acme: Organization
    ) -> None:
        subscription = legacy.subscribe(acme)
        migrate()
        canceling.at_period_end(Plan.objects.get(), cancel=True, now=clock.now())
        canceling.at_period_end(Plan.objects.get(), cancel=False, now=clock.now())

        migrate()

        assert pro_price() in phases(subscription)[1]
        assert Plan.objects.get().pro_from == end_of(subscription)


class TestCredit:
    def test_that_would_outlive_the_period_does_not_lower_the_new_price(
        self, shop: Sandbox, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        switch = end_of(subscription)
        later = int((switch + 10 * DAY).timestamp())
        endless, future = legacy.grant(subscription), legacy.grant(subscription, effective_at=later)
        monthly = legacy.grant(subscription, expires_at=int(switch.timestamp()))
        legacy.use(subscription, 700)

        told = migrate()

        assert f"let credit grant {endless.id} of $20.00 expire at {switch:%Y-%m-%d %H:%M}" in told
        assert f"void credit grant {future.id}" in told
        assert monthly.id not in told
        travel(switch + 2 * HOUR)
        following.run(now=clock.now())
        travel(BillingPeriod.objects.get().ends_at + 2 * HOUR)
        last, new = invoices(shop, subscription.id)
        assert (last["subtotal"], last["total"]) == (700, 0)
        assert (new["subtotal"], new["total"]) == (10000, 10000)

    def test_that_the_customer_paid_for_is_left_to_people(
        self, legacy: Legacy, acme: Organization
    ) -> None:
        subscription = legacy.subscribe(acme)
        legacy.grant(subscription, category="paid", metadata={})

        told = migrate()

        assert "acme left alone: The customer paid for credit" in told
        assert not gateway.connect().subscription(subscription.id).schedule_id


class TestCommand:
    def test_prints_both_bills_first(
        self, legacy: Legacy, acme: Organization, engine: Project, travel: Travel
    ) -> None:
        globex = make_organization("Globex", leader=make_user("charlie"))
        subscription = legacy.subscribe(acme)
        travel(clock.now() + DAY)
        legacy.subscribe(globex)
        legacy.use(subscription, 700)
        report(engine, 300)
        travel(clock.now() + MINUTE)

        told = [line.split() for line in migrate("--dry-run").splitlines()]

        # Stripe's preview has the flat fee of the next month beside the metrics of this one.
        acme_bills = ["acme", "$27.00", "300", "$150.00"]
        globex_bills = ["globex", "$20.00", "0", "$100.00"]
        total = ["total", "$47.00", "300", "$250.00"]
        assert told[2:6] == [
            ["organization", "legacy", "series", "Pro"],
            acme_bills,
            globex_bills,
            total,
        ]

    def test_a_dry_run_writes_nothing_and_tells_what_a_run_does(
        self, shop: Sandbox, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        legacy.grant(subscription)
        shared(legacy, subscription, travel)
        before = writes(shop)

        dry = migrate("--dry-run")

        assert writes(shop) == before
        assert not Plan.objects.exists()
        assert not BillingCustomer.objects.exists()
        assert Organization.objects.filter(private_until=None).count() == 2
        assert dry.replace("  would ", "  ") == migrate()

    def test_a_second_run_changes_nothing(
        self, shop: Sandbox, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        legacy.grant(subscription)
        shared(legacy, subscription, travel)
        migrate()
        before = writes(shop)

        told = migrate()

        assert "nothing is left to do" in told
        assert writes(shop) == before

    def test_one_failure_does_not_stop_the_others(
        self, shop: Sandbox, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        legacy.subscribe(acme)
        travel(clock.now() + DAY)
        globex = make_organization("Globex", leader=make_user("charlie"))
        other = legacy.subscribe(globex)
        shop.faults.next("POST /v1/subscription_schedules", Fault.RATE_LIMITED)

        with pytest.raises(CommandError, match=r"Not done: acme\. Run this again"):
            migrate()

        assert gateway.connect().subscription(other.id).schedule_id
        migrate()
        assert Plan.objects.exclude(pro_from=None).count() == 2

    def test_can_be_for_one_organization(self, legacy: Legacy, acme: Organization) -> None:
        legacy.subscribe(acme)
        legacy.subscribe(make_organization("Globex", leader=make_user("charlie")))

        migrate("--organization", "globex")

        assert [plan.organization.slug for plan in Plan.objects.all()] == ["globex"]
        with pytest.raises(CommandError, match="There is no organization 'initech'"):
            migrate("--organization", "initech")

    def test_needs_to_know_what_is_legacy(self, shop: Sandbox, settings: Any) -> None:
        settings.LEGACY_PRO_PRODUCT = ""
        with pytest.raises(CommandError, match="LEGACY_PRO_PRODUCT is not set"):
            migrate()


class TestLeftAlone:
    def test_team_and_enterprise(self, legacy: Legacy, acme: Organization) -> None:
        subscription = gateway.connect().subscribe(
            customer_id=legacy.customer(),
            organization_uuid=str(acme.uuid),
            price_ids=[gateway.connect().metered_price_of("prod_team").id],
            trial_days=None,
        )

        assert migrate() == "No legacy Pro subscription is to be moved.\n"
        assert not gateway.connect().subscription(subscription.id).schedule_id

    def test_what_is_canceled_or_ends(self, legacy: Legacy, acme: Organization) -> None:
        legacy.client.v1.subscriptions.cancel(legacy.subscribe(acme).id)
        ending = legacy.subscribe(acme, cancel_at_period_end=True)

        told = migrate()

        assert told.count("acme") == 1
        assert f"acme left alone: It ends with its period, at {end_of(ending):%Y-%m-%d}" in told

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"status": "unpaid"}, "It is unpaid"),
            ({"discounts": ["di_1"]}, "It has a discount"),
            ({"metadata": {}}, "not the UUID of a living organization"),
            ({"metadata": {"organization": "acme"}}, "not the UUID of a living organization"),
        ],
    )
    def test_what_would_not_move_well(
        self,
        shop: Sandbox,
        legacy: Legacy,
        acme: Organization,
        change: dict[str, Any],
        words: str,
    ) -> None:
        subscription = legacy.subscribe(acme)
        at_stripe(shop, subscription.id).update(change)
        before = writes(shop)

        assert words in migrate()
        assert writes(shop) == before

    def test_a_trial(self, legacy: Legacy, acme: Organization) -> None:
        legacy.subscribe(acme, trial_period_days=10)

        assert "It is trialing; run this again when it is active." in migrate()

    def test_prices_that_nobody_knows(self, legacy: Legacy, acme: Organization) -> None:
        legacy.subscribe(
            acme, more=[{"price": gateway.connect().metered_price_of("prod_bare_metal").id}]
        )

        assert "It holds prices of no legacy Pro plan" in migrate()

    def test_somebody_elses_schedule(self, legacy: Legacy, acme: Organization) -> None:
        subscription = legacy.subscribe(acme)
        gateway.connect().change_prices_at_period_end(subscription.id, months=[[legacy.metrics.id]])

        assert "plans something else; release it first" in migrate()

    def test_several_of_one_organization(self, legacy: Legacy, acme: Organization) -> None:
        first = legacy.subscribe(acme)
        legacy.subscribe(acme, customer=str(first.customer))

        assert migrate().count("It has several subscriptions") == 2


def shared(
    legacy: Legacy, subscription: stripe.Subscription, travel: Travel
) -> stripe.Subscription:
    """Subscribe Globex with the same customer, five days later."""
    travel(clock.now() + 5 * DAY)
    globex = make_organization("Globex", leader=make_user("charlie"))
    return legacy.subscribe(globex, customer=str(subscription.customer))


class TestSharedCustomer:
    def test_stays_with_the_oldest_subscription(
        self, shop: Sandbox, legacy: Legacy, acme: Organization, travel: Travel, settings: Any
    ) -> None:
        subscription = legacy.subscribe(acme)
        other = shared(legacy, subscription, travel)
        grant = legacy.grant(subscription)

        told = migrate()

        customer = str(subscription.customer)
        assert BillingCustomer.objects.get().stripe_customer_id == customer
        assert BillingCustomer.objects.get().organization == acme
        assert Plan.objects.get().stripe_subscription_id == subscription.id
        assert f"globex held: Customer {customer} is kept by organization acme." in told
        assert "Let a leader subscribe anew" in told
        found = gateway.connect().subscription(other.id)
        assert (found.cancel_at_period_end, found.schedule_id) == (True, "")
        # The last legacy invoice of the two may still draw on the credit, the new price may not.
        assert f"{grant.id} of $20.00 expire at {end_of(other):%Y-%m-%d %H:%M}" in told
        globex = Organization.objects.get(slug="globex")
        assert globex.private_until == end_of(other) + timedelta(days=settings.PLAN_GRACE_DAYS)

    def test_is_not_posted_to_for_the_others(
        self, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        other = shared(legacy, subscription, travel)
        migrate()
        travel(end_of(other) + DAY)
        following.run(now=clock.now())

        with pytest.raises(plans.ForeignSubscriptionError):
            plans.sync(other.id)
        with transaction.atomic():
            posting.store(
                list(Plan.objects.values_list("pk", flat=True)),
                reason=MeterEvent.Reason.HINT,
                even_if_unchanged=True,
            )
        assert {event.organization for event in MeterEvent.objects.all()} == {acme}

    def test_the_others_get_one_of_their_own_by_subscribing_anew(
        self, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        shared(legacy, subscription, travel)
        migrate()
        globex = Organization.objects.get(slug="globex")

        give_card(globex, User.objects.get(email="charlie@example.com"))

        assert globex.billing_customer.stripe_customer_id != subscription.customer
        assert "globex left alone" in migrate("--organization", "globex")

    def test_the_others_get_no_trial_by_subscribing_anew(
        self, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        shared(legacy, legacy.subscribe(acme), travel)
        globex = Organization.objects.get(slug="globex")
        charlie = User.objects.get(email="charlie@example.com")
        assert trials.is_due(globex, charlie), "nobody knows of its subscription yet"

        migrate()
        checkouts.start(globex, user=charlie, now=clock.now())

        assert not trials.is_due(globex, charlie)
        assert not Checkout.objects.get(organization=globex).with_trial

    def test_stays_with_whose_it_is_here(
        self, legacy: Legacy, acme: Organization, travel: Travel
    ) -> None:
        subscription = legacy.subscribe(acme)
        other = shared(legacy, subscription, travel)
        globex = Organization.objects.get(slug="globex")
        BillingCustomer.objects.create(
            organization=globex,
            stripe_customer_id=str(subscription.customer),
            created_at=clock.now(),
        )

        told = migrate()

        assert "acme held" in told
        assert Plan.objects.get().stripe_subscription_id == other.id


class Crash(BaseException):
    """The process is killed."""


@contextmanager
def crash(monkeypatch: pytest.MonkeyPatch, *, at: int, performed: bool) -> Iterator[None]:
    """Be killed at a call to Stripe, before it or after it took effect."""
    calls = iter(range(10_000))
    original = stripe.RequestsClient.request

    def request(*arguments: Any, **named: Any) -> Any:
        number = next(calls)
        if number == at and not performed:
            raise Crash
        answer = original(*arguments, **named)
        if number == at:
            raise Crash
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(stripe.RequestsClient, "request", request)
        yield


@pytest.mark.parametrize("performed", [False, True])
def test_a_crash_at_any_call_is_continued(
    legacy: Legacy, alice: User, monkeypatch: pytest.MonkeyPatch, performed: bool
) -> None:
    for number in range(100):
        organization = make_organization(f"Org {number}", leader=alice)
        subscription = legacy.subscribe(organization)
        legacy.grant(subscription)
        switch = end_of(subscription)
        only = ("--organization", organization.slug)
        try:
            with crash(monkeypatch, at=number, performed=performed):
                migrate(*only)
        except Crash:
            migrate(*only)
            is_over = False
        else:
            is_over = True

        assert phases(subscription)[1:] == [{pro_price(), legacy.metrics.id}, {pro_price()}]
        (grant,) = gateway.connect().credit_grants_of(str(subscription.customer))
        assert grant.expires_at == switch
        plan = Plan.objects.get(organization=organization)
        assert (plan.stripe_subscription_id, plan.pro_from) == (subscription.id, switch)
        assert "nothing is left to do" in migrate(*only)
        if is_over:
            assert number > 10
            return
    pytest.fail("it never came to an end")
