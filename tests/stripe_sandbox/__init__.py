"""A stateful stand-in for Stripe's HTTP API, version 2026-08-26.dahlia, for tests and the demo.

In a test:

    with stripe_sandbox.serve() as sandbox:
        client = stripe.StripeClient(
            "sk_test_...", base_addresses={"api": sandbox.url, "meter_events": sandbox.url}
        )
        sandbox.advance(to)        # moves its clock through everything that is due
        sandbox.requests           # the recorded wire traffic
        sandbox.objects("invoice") # what it holds

As a process: `python -m tests.stripe_sandbox --port 12111 --state FILE`. Control endpoints, which
Stripe does not have: GET and POST /_sandbox/clock, GET /_sandbox/next, GET /_sandbox/requests.

Invoice lines: one per subscription item, see `invoice_lines`. Behavior that Stripe does not
document is a named switch, see `world.Switches`.
"""

from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.server import serve

__all__ = ["Sandbox", "serve"]
