"""Checkout and plan over the API: who may, what is answered, and with which status."""

import json
from typing import Any

import pytest
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import customers, gateway
from billing.models import Cancellation, Level, Plan
from tests.api import bencher_document
from tests.billing.life.conftest import Travel, at_stripe, open_checkout, pay
from tests.factories import make_member, make_organization, make_user, make_user_key
from tests.sandbox import shop as goods
from tests.stripe_sandbox import Fault, Sandbox

CHECKOUT, PLAN = "/v0/checkout", "/v0/organizations/acme/plan"


def call(who: User | Client, method: str, path: str, body: Any = None, *, status: int) -> Any:
    """Call with a user's key, or in a signed-in browser, and return the answer's JSON."""
    client = who
    if isinstance(who, User):
        client = Client(headers={"authorization": f"Bearer {make_user_key(who)}"})
    assert isinstance(client, Client)
    sent = b"" if body is None else json.dumps(body).encode()
    response = client.generic(method.upper(), path, sent, "application/json")
    assert response.status_code == status, response.content
    return json.loads(response.content) if response.content else None


def wanted(**changes: Any) -> dict[str, Any]:
    return {"organization": "acme", "level": "pro"} | changes


@pytest.fixture
def browser(alice: User) -> Client:
    """Return Alice's browser."""
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def root(db: None) -> User:
    """Return somebody of the staff."""
    return make_user("root", is_staff=True)


class TestCheckout:
    def test_opens_a_session_with_trial_terms_and_binding(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        answer = call(alice, "post", CHECKOUT, wanted(), status=201)

        bencher_document.check(answer, "JsonCheckout")
        (session,) = shop.objects("checkout.session")
        assert answer == {"session": session["id"], "url": f"{shop.url}/c/pay/{session['id']}"}
        (sent,) = (call.params for call in shop.requests if call.path == "/v1/checkout/sessions")
        assert sent["client_reference_id"] == str(acme.uuid)
        assert sent["subscription_data"]["metadata"] == {"organization": str(acme.uuid)}
        assert sent["subscription_data"]["trial_period_days"] == "30"
        assert sent["consent_collection"] == {"terms_of_service": "required"}
        assert "quantity" not in str(sent["line_items"])

    def test_a_repeat_returns_the_open_one(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        first = call(alice, "post", CHECKOUT, wanted(), status=201)

        assert call(alice, "post", CHECKOUT, wanted(), status=201) == first

    def test_another_leader_gets_one_of_their_own(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        call(alice, "post", CHECKOUT, wanted(), status=201)
        dave = make_user("dave")
        make_member(dave, acme)
        acme.memberships.filter(user=dave).update(role="leader")

        call(dave, "post", CHECKOUT, wanted(), status=201)

        first, second = shop.objects("checkout.session")
        assert (first["status"], second["status"]) == ("expired", "open")
        assert open_checkout().started_by == dave

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"entitlements": 10000}, "`entitlements` is refused: licenses"),
            ({"self_hosted": "uuid"}, "`self_hosted` is refused: licenses"),
            ({"level": "free"}, "`level` is 'free'; what can be subscribed to is pro, team"),
            ({"level": "team"}, "Team is not sold here: TEAM_PRODUCT is not set."),
        ],
    )
    def test_says_what_is_not_sold(
        self, shop: Sandbox, acme: Organization, alice: User, changes: dict[str, Any], said: str
    ) -> None:
        assert said in call(alice, "post", CHECKOUT, wanted(**changes), status=400)["message"]
        assert not shop.objects("checkout.session")

    def test_sells_older_plans_and_bare_metal_where_they_are_configured(
        self, shop: Sandbox, acme: Organization, alice: User, settings: Any
    ) -> None:
        client = goods.make_client(shop)
        meter = goods.make_meter(client, "metrics_sold", "sum")
        team = goods.make_price(client, meter)
        metal = goods.make_price(client, meter)
        settings.TEAM_PRODUCT, settings.BARE_METAL_PRODUCT = team.product, metal.product

        call(alice, "post", CHECKOUT, wanted(level="team"), status=201)
        pay(shop, open_checkout().stripe_session_id)
        body = {"checkout": open_checkout().stripe_session_id, "level": "team"}
        answer = call(alice, "post", PLAN, body, status=201)

        (subscription,) = shop.objects("subscription")
        prices = [
            shop.state.tables["subscription_item"][item]["price"] for item in subscription["_items"]
        ]
        assert prices == [team.id, metal.id]
        assert subscription["trial_end"] is None
        assert answer["level"] == Plan.objects.get().level == Level.TEAM

    def test_is_for_leaders(self, shop: Sandbox, acme: Organization) -> None:
        bob, charlie = make_user("bob"), make_user("charlie")
        make_member(bob, acme)
        make_organization("Globex", leader=charlie)

        call(bob, "post", CHECKOUT, wanted(), status=403)
        call(charlie, "post", CHECKOUT, wanted(), status=404)
        call(Client(), "post", CHECKOUT, wanted(), status=401)

    def test_conflicts_with_a_live_plan(self, plan: Plan, alice: User) -> None:
        call(alice, "post", CHECKOUT, wanted(), status=409)

    def test_is_unavailable_where_stripe_cannot_say(
        self, shop: Sandbox, plan: Plan, alice: User
    ) -> None:
        shop.faults.next("GET /v1/subscriptions/*", Fault.UNAVAILABLE, count=None)

        said = call(alice, "post", CHECKOUT, wanted(), status=503)["message"]
        assert "Stripe can't say at the moment" in said

    def test_gives_no_trial_that_stripe_cannot_vouch_for(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        customers.of(acme, leader=alice, now=clock.now())
        shop.faults.next("GET /v1/subscriptions", Fault.UNAVAILABLE, count=None)

        call(alice, "post", CHECKOUT, wanted(), status=503)
        assert not shop.objects("checkout.session")

    def test_gives_none_to_a_customer_who_subscribed_at_stripe(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        customer = customers.of(acme, leader=alice, now=clock.now())
        client = goods.make_client(shop)
        price = goods.make_price(client, goods.make_meter(client, "elsewhere"))
        found = gateway.connect().subscribe(
            customer_id=customer.stripe_customer_id,
            organization_uuid="",
            price_ids=[price.id],
            trial_days=None,
        )
        gateway.connect().cancel_subscription(found.id, invoice_now=False)

        call(alice, "post", CHECKOUT, wanted(), status=201)

        assert not open_checkout().with_trial


class TestWithoutBilling:
    @pytest.fixture(autouse=True)
    def unset(self, settings: Any) -> None:
        """Run without a Stripe key."""
        settings.BILLING_CONFIGURED, settings.STRIPE_SECRET_KEY = False, ""

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("post", CHECKOUT, wanted()),
            ("get", PLAN, None),
            ("post", PLAN, {"checkout": "cs_1", "level": "pro"}),
        ],
    )
    def test_is_locked(
        self, acme: Organization, alice: User, method: str, path: str, body: Any
    ) -> None:
        call(alice, method, path, body, status=423)


class TestPlan:
    def test_shows_card_period_and_price(self, shop: Sandbox, plan: Plan, alice: User) -> None:
        client = goods.make_client(shop)
        customer = plan.organization.billing_customer.stripe_customer_id
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        client.v1.subscriptions.update(
            plan.stripe_subscription_id, {"default_payment_method": method.id}
        )

        answer = call(alice, "get", PLAN, status=200)

        bencher_document.check(answer, "JsonPlan")
        assert (answer["level"], answer["status"]) == ("pro", "active")
        assert answer["unit_amount"] == 10000
        assert (answer["card"]["brand"], answer["card"]["last_four"]) == ("visa", "4242")
        assert answer["customer"]["email"] == alice.email

    def test_is_shown_while_stripe_fails(self, shop: Sandbox, plan: Plan, alice: User) -> None:
        shop.faults.next("*", Fault.UNAVAILABLE, count=None)

        assert call(alice, "get", PLAN, status=200)["card"]["last_four"] == "0000"

    def test_is_404_without_one(self, shop: Sandbox, acme: Organization, alice: User) -> None:
        call(alice, "get", PLAN, status=404)

    def test_is_taken_up_once_the_checkout_is_completed(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        session = call(alice, "post", CHECKOUT, wanted(), status=201)["session"]
        body = {"checkout": session, "level": "pro"}
        assert "not completed" in call(alice, "post", PLAN, body, status=400)["message"]
        pay(shop, session)

        first = call(alice, "post", PLAN, body, status=201)

        bencher_document.check(first, "JsonPlan")
        assert first["status"] == "trialing"
        assert call(alice, "post", PLAN, body, status=201) == first

    def test_of_another_organizations_checkout_is_404(
        self, shop: Sandbox, acme: Organization, alice: User
    ) -> None:
        charlie = make_user("charlie")
        make_organization("Globex", leader=charlie)
        session = call(charlie, "post", CHECKOUT, wanted(organization="globex"), status=201)
        pay(shop, session["session"])

        call(alice, "post", PLAN, {"checkout": session["session"], "level": "pro"}, status=404)
        assert not Plan.objects.filter(organization=acme).exists()

    def test_by_a_subscriptions_id_is_for_staff(
        self, shop: Sandbox, plan: Plan, alice: User, root: User
    ) -> None:
        body = {"checkout": plan.stripe_subscription_id, "level": "pro", "remote": False}

        call(alice, "post", PLAN, body, status=403)
        assert call(root, "post", PLAN, body, status=201)["status"] == "active"

    def test_by_the_id_of_another_organizations_is_404(
        self, shop: Sandbox, plan: Plan, root: User
    ) -> None:
        make_organization("Globex", leader=make_user("charlie"))
        body = {"checkout": plan.stripe_subscription_id, "level": "pro", "remote": False}

        call(root, "post", "/v0/organizations/globex/plan", body, status=404)
        assert Plan.objects.get() == plan


class TestUpdate:
    def test_cancels_and_resumes_in_a_browser(
        self, shop: Sandbox, plan: Plan, browser: Client
    ) -> None:
        body = {"cancel_at_period_end": True}
        answer = call(browser, "patch", PLAN, body, status=200)
        assert answer["cancel_at_period_end"]
        assert at_stripe(shop, plan.stripe_subscription_id)["cancel_at_period_end"]

        body = {"cancel_at_period_end": False}
        assert not call(browser, "patch", PLAN, body, status=200)["cancel_at_period_end"]

    def test_no_key_may(self, plan: Plan, alice: User, root: User) -> None:
        for user in (alice, root):
            call(user, "patch", PLAN, {"cancel_at_period_end": True}, status=403)
        assert not Plan.objects.get().cancel_at_period_end

    def test_is_unavailable_where_stripe_fails(
        self, shop: Sandbox, plan: Plan, browser: Client
    ) -> None:
        shop.faults.next("POST /v1/subscriptions/*", Fault.UNAVAILABLE, count=None)

        call(browser, "patch", PLAN, {"cancel_at_period_end": True}, status=503)


class TestDelete:
    def test_begins_to_end_the_plan(self, plan: Plan, root: User) -> None:
        answer = call(root, "delete", PLAN, status=202)

        begun = Cancellation.objects.get()
        assert f"{begun.ends_at:%H:%M} UTC" in answer["message"]
        assert (begun.plan, begun.requested_by) == (plan, root)

    def test_is_for_staff(self, plan: Plan, alice: User) -> None:
        call(alice, "delete", PLAN, status=403)
        assert not Cancellation.objects.exists()

    def test_ends_here_what_has_ended_at_stripe(
        self, shop: Sandbox, plan: Plan, root: User, travel: Travel
    ) -> None:
        gateway.connect().cancel_subscription(plan.stripe_subscription_id, invoice_now=False)

        call(root, "delete", f"{PLAN}?remote=false", status=204)
        assert Plan.objects.get().ended_at is not None

    def test_leaves_alone_what_is_live_at_stripe_unless_asked(self, plan: Plan, root: User) -> None:
        call(root, "delete", f"{PLAN}?remote=false", status=409)
        assert Plan.objects.get().ended_at is None

    def test_is_unavailable_where_stripe_fails(self, shop: Sandbox, plan: Plan, root: User) -> None:
        shop.faults.next("GET /v1/subscriptions/*", Fault.UNAVAILABLE, count=None)

        call(root, "delete", PLAN, status=503)
        assert not Cancellation.objects.exists()
