"""Two who set up one account at once."""

from djstripe.models import WebhookEndpoint

from billing import stripe_setup
from tests.concurrency.stepping import at_once
from tests.stripe_sandbox import Sandbox


def test_two_runs_at_once_make_nothing_twice(committed_db: str, sandbox: Sandbox) -> None:
    at_once([lambda: list(stripe_setup.run())] * 2)

    counts = {
        table: len(sandbox.objects(table))
        for table in (
            "billing.meter",
            "product",
            "price",
            "billing_portal.configuration",
            "webhook_endpoint",
            "v2.core.event_destination",
        )
    }
    assert counts == {
        "billing.meter": 3,
        "product": 4,
        "price": 4,
        "billing_portal.configuration": 1,
        "webhook_endpoint": 1,
        "v2.core.event_destination": 1,
    }
    (endpoint,) = sandbox.objects("webhook_endpoint")
    assert WebhookEndpoint.objects.get().secret == endpoint["secret"]
    assert [step.what for step in stripe_setup.run() if step.changes] == []
