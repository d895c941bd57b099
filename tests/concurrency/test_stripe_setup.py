"""Two who set up one account at once."""

from collections.abc import Callable

import pytest
from djstripe.models import WebhookEndpoint

from billing import gateway, stripe_setup
from tests.concurrency.stepping import Pause, at_once, begin, done, wait_for_advisory_lock_waiter
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


def test_an_endpoint_whose_secret_is_not_stored_yet_is_not_replaced(
    committed_db: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Pause()
    create: Callable[..., gateway.WebhookEndpoint] = gateway.Gateway.create_webhook_endpoint
    monkeypatch.setattr(gateway.Gateway, "create_webhook_endpoint", made.after(create))

    first = begin(lambda: list(stripe_setup.run()))
    made.wait_until_reached()
    second = begin(lambda: list(stripe_setup.run()))
    wait_for_advisory_lock_waiter()
    made.let_go()
    done(first)

    assert [step.what for step in done(second) if step.changes] == []
    (endpoint,) = sandbox.objects("webhook_endpoint")
    assert WebhookEndpoint.objects.get().secret == endpoint["secret"]
