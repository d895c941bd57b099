"""A stand-in for the gateway: answers what a test put in, and remembers what was asked."""

from datetime import datetime
from typing import Any

from billing import gateway
from tests.factories import DEC, NOV, TIERS

PORTAL_PAGE = "https://billing.stripe.com/p/session/test_1"
CHECKOUT_PAGE = "https://checkout.stripe.com/c/pay/cs_test_1"


class StubStripe:
    """What the pages ask of Stripe."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.price_failure: Exception | None = None
        self.checkout_status = "open"
        self.status = "trialing"
        self.trial_days: int | None = None
        self.organization_uuid = ""
        self.cancel_at_period_end = False
        self.customer_id = "cus_stub"
        self.item = ("si_1", "price_pro")
        self.calls: list[str] = []

    def _asked(self, call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    def metered_price_of(self, product_id: str) -> gateway.Price:
        """Return the price of Pro."""
        self._asked("price")
        if self.price_failure is not None:
            raise self.price_failure
        return gateway.Price(
            id="price_pro",
            product_id=product_id,
            currency="usd",
            meter_id="mtr_1",
            tiers=tuple(TIERS),
            tiers_mode="volume",
        )

    def price(self, price_id: str) -> gateway.Price:
        """Return the price of Pro."""
        return self.metered_price_of("prod_pro")

    def customer(self, **_: str) -> str:
        """Create a customer."""
        self._asked("customer")
        return "cus_stub"

    def start_checkout(
        self, *, organization_uuid: str, trial_days: int | None, **_: Any
    ) -> gateway.CheckoutSession:
        """Open a checkout."""
        self._asked("start_checkout")
        self.trial_days = trial_days
        self.organization_uuid = organization_uuid
        return self._session()

    def checkout(self, session_id: str) -> gateway.CheckoutSession:
        """Return the checkout."""
        self._asked("checkout")
        return self._session()

    def release_from_schedule(self, subscription_id: str) -> None:
        """Find no schedule."""

    def set_cancel_at_period_end(
        self, subscription_id: str, *, cancel: bool
    ) -> gateway.Subscription:
        """Cancel at the end of the period, or resume."""
        self._asked(f"cancel {cancel}")
        self.cancel_at_period_end = cancel
        return self.subscription(subscription_id)

    def portal_url(self, *, customer_id: str, **_: str) -> str:
        """Open a portal session."""
        self._asked(f"portal {customer_id}")
        return PORTAL_PAGE

    def subscription(self, subscription_id: str) -> gateway.Subscription:
        """Return the subscription that the checkout made."""
        self._asked("subscription")
        in_trial: datetime | None = DEC if self.status == "trialing" else None
        return gateway.Subscription(
            id=subscription_id,
            customer_id=self.customer_id,
            status=self.status,
            items=(gateway.Item(*self.item, "prod_pro", NOV, DEC),),
            organization_uuid=self.organization_uuid,
            cancel_at_period_end=self.cancel_at_period_end,
            trial_ends_at=in_trial,
            started_at=NOV,
            ended_at=None,
        )

    def subscriptions_of(self, customer_id: str) -> list[gateway.Subscription]:
        """Return that the customer never subscribed."""
        self._asked("subscriptions_of")
        return []

    def cancel_subscription(self, subscription_id: str, *, invoice_now: bool) -> None:
        """Cancel a subscription."""
        self._asked(f"cancel {subscription_id}")

    def invoices_of(self, subscription_id: str) -> list[gateway.Invoice]:
        """Return no invoices."""
        self._asked("invoices_of")
        return []

    def _session(self) -> gateway.CheckoutSession:
        return gateway.CheckoutSession(
            id="cs_test_1",
            url=CHECKOUT_PAGE,
            status=self.checkout_status,
            customer_id="cus_stub",
            organization_uuid=self.organization_uuid,
            subscription_id="sub_stub" if self.checkout_status == "complete" else "",
        )
