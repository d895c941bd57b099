"""What Stripe does: it fails, loses what it accepted, and tells late and often."""

from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from bencher import clock
from billing.models import WebhookReceipt
from tests.machine.driven import Driven
from tests.stripe_sandbox.faults import METER_EVENTS, Fault

SEEDS = st.integers(0, 10**6)
SHARES = st.sampled_from([0.3, 0.1, 0.5, 0.0])
# How Stripe behaves where it does not say; none of it must change a bill.
SWITCHES = st.fixed_dictionaries(
    {
        "last_by": st.sampled_from(["timestamp", "receipt"]),
        "aggregation_lag_seconds": st.sampled_from([0, 0, 600]),
        "drafts_refreshed": st.sampled_from(["live", "finalization"]),
        "final_invoice": st.sampled_from(["draft", "draft", "immediate"]),
    }
)


class Failing(Driven):
    """Calls that fail, events that are lost, webhooks that come when they like."""

    @rule(seed=SEEDS, share=SHARES)
    def fail(self, seed: int, share: float) -> None:
        """Stripe fails from now on in a share of all calls, or heals."""
        if share:
            self._world.fail(seed=seed, share=share)
        else:
            self._world.heal()

    @rule(fault=st.sampled_from(sorted(Fault)), count=st.integers(1, 3))
    def fail_the_next_events(self, fault: Fault, count: int) -> None:
        """The next meter events meet one fault, whatever else happens."""
        self._world.sandbox.faults.next(METER_EVENTS, fault, count=count)

    @rule(which=st.integers(0, 10**4), times=st.integers(1, 3))
    def tell(self, which: int, times: int) -> None:
        """A webhook comes, however late, and perhaps again."""
        events = self._world.sandbox.objects("event")
        event = events[which % len(events)]
        told = event["data"]["object"]
        if told["object"] not in ("subscription", "invoice", "checkout.session"):
            return
        subject = told["id"]
        if told["object"] == "invoice":
            subject = told["parent"]["subscription_details"]["subscription"]
        self._world.happened["webhook told"] += 1
        for _ in range(times):
            WebhookReceipt.objects.create(
                event_id=f"evt_{uuid4().hex}",
                type=event["type"],
                object_id=told["id"],
                subject_id=subject,
                received_at=clock.now(),
            )
