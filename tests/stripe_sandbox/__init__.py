"""A stateful stand-in for Stripe's HTTP API, version 2026-08-26.dahlia, for tests and the demo.

In a test:

    with stripe_sandbox.serve() as sandbox:
        client = stripe.StripeClient(
            "sk_test_...", base_addresses={"api": sandbox.url, "meter_events": sandbox.url}
        )
        sandbox.advance(to)        # moves its clock through everything that is due
        sandbox.requests           # the recorded wire traffic
        sandbox.objects("invoice") # what it holds

        sandbox.deliveries         # the recorded webhooks, in the same numbering
        sandbox.faults.next("POST /v1/customers", Fault.TIMEOUT_AFTER)   # see `faults`
        sandbox.switches.last_by = "receipt"                             # see `world.Switches`
        sandbox.courier.hold()     # webhooks wait for `release`, in any order

As a process: `python -m tests.stripe_sandbox --port 12111 --state FILE`, with control endpoints
under /_sandbox, which Stripe does not have: see `control`.

It refuses what Stripe refuses, in Stripe's words where they are known, and what it does not
implement it says so of, instead of ignoring it. Behavior that Stripe does not document is a named
switch. Invoice lines: one per subscription item, see `invoice_lines`.
"""

from tests.stripe_sandbox.faults import Fault, WebhookFault
from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.server import serve

__all__ = ["Fault", "Sandbox", "WebhookFault", "serve"]
