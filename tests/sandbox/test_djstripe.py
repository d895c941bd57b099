"""dj-stripe's own sync, fed with every event of a customer's first two months."""

import json
import subprocess
import sys
from pathlib import Path

import requests
import stripe

from tests.sandbox.shop import DAY, JAN, KEY, make_customer, make_meter, make_price
from tests.stripe_sandbox import Sandbox

ROOT = Path(__file__).parents[2]


class TestSync:
    def test_finds_everything_it_asks_for(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        price = make_price(client, make_meter(client))
        session = client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": make_customer(client).id,
                "line_items": [{"price": price.id}],
                "subscription_data": {"trial_period_days": 14},
                "success_url": "http://127.0.0.1:9/",
            }
        )
        assert session.url
        requests.post(session.url, data={"card": "4242"}, timeout=5, allow_redirects=False)
        sandbox.advance(JAN + 60 * DAY)
        asked = len(sandbox.requests)

        command = [sys.executable, "-m", "tests.sandbox.djstripe_sync", sandbox.url, KEY]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert json.loads(done.stdout) == {
            "Account": 1,
            "Customer": 1,
            "Product": 1,
            "Price": 1,
            "Subscription": 1,
            "SubscriptionItem": 1,
            "Invoice": 3,
            "LineItem": 3,
            "PaymentMethod": 1,
            "Session": 1,
            "Event": len(sandbox.objects("event")),
        }
        refused = [r.path for r in sandbox.requests[asked:] if r.status != 200]
        assert refused == []
