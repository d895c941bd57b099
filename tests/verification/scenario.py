"""A trial, a bill, a quiet month, a cancellation and a return, as our own calls make them.

Written once, against the gateway. All usage lies within 34 days of the start, so an account whose
time starts 34 days ago takes it, whichever clock it holds timestamps against. At most three
customers, which is what a test clock can have.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from billing import gateway, minutes, pricing, verification
from billing.stripe_setup import catalog, goods
from billing.stripe_setup.steps import Making
from tests.verification.account import Account
from tests.verification.observing import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)
# Time for a period's invoice to be final by itself: Stripe keeps a draft for one hour.
FINAL_BY = 3 * HOUR
NOBODY = "sub_000000000000000000000000"


def live(account: Account) -> Observed:
    """Live through the scenario at an account; return what was seen."""
    return _Life(account).live()


@dataclass
class _Life:
    account: Account
    observed: Observed = field(init=False)
    meters: dict[str, str] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stripe, self.time = self.account.stripe, self.account.time
        self.observed = Observed(self.account.name)
        self.facts = self.observed.facts

    def live(self) -> Observed:
        self.set_up()
        self.start = self.time.now()
        self.billed, self.billed_plan = self.subscribe("Billed", trial_days=1)
        self.leaver, self.left_plan = self.subscribe("Leaver", trial_days=None)
        self.odd, self.odd_plan = self.subscribe("Odd", trial_days=None)
        self.trial()
        self.order_of_events()
        self.cancel_now()
        self.subscribe_again()
        self.refusals()
        self.use_before_a_price_is_dropped()
        self.close_a_month()
        self.price_dropped()
        self.credit()
        self.quiet_month()
        return self.observed

    # Set-up

    def set_up(self) -> None:
        """Make meters, products and prices as `stripe_setup` does."""
        making = Making(stripe=self.stripe, dry_run=False)
        for meter, step in goods.meters(making):
            self.meters[meter.event_name] = step.id
        existing = self.stripe.products()
        for wanted in catalog.PRODUCTS[:2]:
            product, _ = goods.product(making, wanted, existing)
            steps = goods.price(
                making,
                wanted,
                product,
                meter_id=self.meters[wanted.meter.event_name],
                tiers=catalog.DEFAULT_TIERS if wanted is catalog.PRO else None,
            )
            self.prices[wanted.mark] = next(steps).id
            # The rest of the steps decides what is sold, which is none of our business here.
        pro = self.stripe.price(self.prices["pro"])
        self.ladder = catalog.ladder(pro.tiers)
        self.facts["set-up: meters"] = {
            meter.event_name: (meter.formula, meter.window, meter.active)
            for meter in self.stripe.meters()
            if meter.id in self.meters.values()
        }
        self.facts["set-up: amounts"] = [
            pricing.amount_cents(self.ladder, count) for count in (0, 250, 251, 375, 376, 500, 501)
        ]

    def subscribe(self, name: str, *, trial_days: int | None) -> tuple[str, str]:
        """Subscribe a new customer with a card; returns the two ids."""
        customer = self.account.customer(name)
        plan = self._subscribe(customer, trial_days=trial_days)
        status = "trialing" if trial_days else "active"
        self.facts[f"{name} subscribes"] = plan.status == status
        return customer, plan.id

    def _subscribe(self, customer: str, *, trial_days: int | None) -> gateway.Subscription:
        return self.stripe.subscribe(
            customer_id=customer,
            organization_uuid=str(uuid4()),
            price_ids=[self.prices["pro"]],
            trial_days=trial_days,
        )

    # Time, usage and invoices

    def go(self, to: datetime) -> None:
        """Let time pass until an instant, unless that is past."""
        if to > self.time.now():
            self.time.advance(to)

    def post(self, customer: str, value: int, at: datetime, *, identifier: str = "") -> None:
        """Post usage of an instant."""
        self.stripe.post_meter_event(
            event_name="active_series",
            customer_id=customer,
            value=value,
            timestamp=at,
            identifier=identifier or uuid4().hex,
        )

    def held(self, customer: str, starts_at: datetime, ends_at: datetime) -> int:
        """Return what the meter holds of the whole minutes of a span, as verifying asks it."""
        return self.stripe.summary(
            meter_id=self.meters["active_series"],
            customer_id=customer,
            starts_at=minutes.first_instant(starts_at) - MINUTE,
            ends_at=minutes.last_minute(ends_at) + MINUTE,
        )

    def period(self, plan: str) -> tuple[datetime, datetime]:
        """Return the current period of a subscription."""
        (item,) = self.stripe.subscription(plan).items
        return item.starts_at, item.ends_at

    def latest(self, plan: str) -> gateway.Invoice:
        """Return the newest invoice of a subscription."""
        return self.stripe.invoices_of(plan)[0]

    def pro_line(self, invoice: gateway.Invoice) -> gateway.InvoiceLine | None:
        """Return the line of an invoice that bills series; a trial's or none that was used too."""
        lines = [line for line in invoice.lines if line.price_id == self.prices["pro"]]
        assert len(lines) <= 1, lines
        return lines[0] if lines else None

    def quantity(self, invoice: gateway.Invoice) -> int:
        """Return the series that an invoice bills."""
        line = self.pro_line(invoice)
        return (line.quantity or 0) if line else 0

    # The scenario

    def trial(self) -> None:
        """Use something in the trial, which costs nothing, and let it end."""
        starts_at, ends_at = self.period(self.billed_plan)
        self.facts["trial: length"] = (ends_at - starts_at).total_seconds()
        self.go(self.start + 2 * HOUR)
        self.post(self.billed, 7, self.start + HOUR)
        self.go(ends_at + 10 * MINUTE)
        self.post(self.billed, 8, minutes.closing_instant(ends_at))
        self.go(ends_at + FINAL_BY)
        plan = self.stripe.subscription(self.billed_plan)
        self.facts["trial: status afterwards"] = plan.status
        self.facts["trial: next period starts at its end"] = plan.items[0].starts_at == ends_at
        self.facts["trial: invoices"] = [
            (invoice.reason, invoice.status, invoice.total_cents)
            for invoice in self.stripe.invoices_of(self.billed_plan)
        ]

    def order_of_events(self) -> None:
        """See which of two events is the last one: by timestamp or receipt, and of one second."""
        base = (self.start + 26 * HOUR).replace(second=0, microsecond=0)
        self.go(self.start + 28 * HOUR)
        late, tie = base, base + 5 * MINUTE
        self.post(self.odd, 10, late + 40 * SECOND)
        self.post(self.odd, 20, late + 20 * SECOND)
        self.post(self.odd, 31, tie + 30 * SECOND)
        self.post(self.odd, 32, tie + 30 * SECOND)

        def read() -> tuple[int, int]:
            first, second = (
                self.stripe.summary(
                    meter_id=self.meters["active_series"],
                    customer_id=self.odd,
                    starts_at=start,
                    ends_at=start + MINUTE,
                )
                for start in (late, tie)
            )
            return first, second

        self.observed.lag = self.account.wait(lambda: all(read()))
        by_time, of_tie = self.account.settled(read)
        self.observed.switches["last_by"] = {10: "timestamp", 20: "receipt"}.get(by_time, by_time)
        self.observed.switches["ties"] = {31: "first", 32: "last"}.get(of_tie, of_tie)

    def cancel_now(self) -> None:
        """Cancel with usage that was never invoiced, and see it billed once."""
        self.go(self.start + 2 * DAY)
        self.post(self.leaver, 260, self.start + 47 * HOUR)
        self.account.wait(lambda: self.held(self.leaver, self.start, self.time.now()) == 260)
        ended = self.stripe.cancel_subscription(self.left_plan, invoice_now=True)
        self.facts["cancel now: status"] = ended.status
        final = self.latest(self.left_plan)
        self.observed.switches["final_invoice"] = (
            "draft" if final.status == "draft" else "immediate"
        )
        self.go(self.time.now() + FINAL_BY)
        final = self.stripe.invoice(final.id)
        self.facts["cancel now: invoice"] = (final.status, final.total_cents, self.quantity(final))
        self.observed.refusal(
            "cancel what has ended",
            lambda: self.stripe.cancel_subscription(self.left_plan, invoice_now=True),
        )

    def subscribe_again(self) -> None:
        """Come back: another subscription, for which what was billed before does not count."""
        plan = self._subscribe(self.leaver, trial_days=None)
        self.facts["return: status"] = plan.status
        (item,) = plan.items
        unused = self.account.settled(lambda: self.quantity(self.stripe.preview_invoice(plan.id)))
        self.facts["return: nothing is billed twice"] = unused
        self.go(item.starts_at + 2 * HOUR)
        self.post(self.leaver, 120, item.starts_at + HOUR)
        self.account.wait(
            lambda: self.quantity(self.stripe.preview_invoice(plan.id)) == 120,
        )
        preview = self.stripe.preview_invoice(plan.id)
        self.facts["return: preview"] = (self.quantity(preview), preview.total_cents)
        self.facts["return: subscriptions"] = [
            found.status for found in self.stripe.subscriptions_of(self.leaver)
        ]

    def refusals(self) -> None:
        """See how Stripe refuses what our code counts on being refused."""
        now, identifier = self.time.now(), uuid4().hex
        at = now - HOUR
        self.post(self.odd, 5, at, identifier=identifier)
        self.observed.refusal(
            "the same meter event again",
            lambda: self.post(self.odd, 5, at, identifier=identifier),
        )
        self.observed.refusal(
            "a meter event of 36 days ago", lambda: self.post(self.odd, 5, now - 36 * DAY)
        )
        self.observed.refusal("a subscription of nobody", lambda: self.stripe.subscription(NOBODY))
        self.observed.refusal("an invoice of nobody", lambda: self.stripe.invoice("in_nothing"))
        self.facts["a customer of nobody"] = self.stripe.has_customer("cus_nobody")

    def use_before_a_price_is_dropped(self) -> None:
        """Let a period end with usage and a change to a price on another meter."""
        self.stripe.change_prices_at_period_end(self.odd_plan, months=[[self.prices["team"]]])
        self.odd_period = starts_at, ends_at = self.period(self.odd_plan)
        self.go(self.start + 10 * DAY)
        self.post(self.odd, 300, self.start + 9 * DAY)
        self.post(self.billed, 40, self.start + 9 * DAY)
        self.account.wait(lambda: self.held(self.odd, starts_at, ends_at) == 300)
        billed_from, _ = self.period(self.billed_plan)
        self.account.wait(lambda: self.held(self.billed, billed_from, self.time.now()) == 40)

    def price_dropped(self) -> None:
        """See whether the usage of the price that was dropped was billed for its last period."""
        _, ends_at = self.odd_period
        (item,) = self.stripe.subscription(self.odd_plan).items
        self.facts["price dropped: the new one is in force"] = (
            item.price_id == self.prices["team"],
            item.starts_at == ends_at,
        )
        bills = [
            invoice
            for invoice in self.stripe.invoices_of(self.odd_plan)
            if invoice.created_at >= ends_at
        ]
        self.observed.switches["phase_bills_ended_period"] = any(
            self.quantity(bill) == 300 for bill in bills
        )

    def close_a_month(self) -> None:
        """Close as we do: hold the draft, post in its hour, see it, note the hash, let it go."""
        starts_at, ends_at = self.period(self.billed_plan)
        self.go(ends_at + 10 * MINUTE)
        draft = self.latest(self.billed_plan)
        self.facts["month: draft"] = (draft.status, draft.created_at >= ends_at)
        self.facts["month: period of its line"] = (line := self.pro_line(draft)) is not None and (
            (line.starts_at, line.ends_at) == (starts_at, ends_at)
        )
        assert draft.finalizes_at is not None
        own = draft.finalizes_at
        self.stripe.finalize_later(
            draft.id,
            at=own + verification.POSTPONED_BY,
            notes={verification.FINALIZES_AT: own.isoformat()},
        )
        self.observed.refusal("void a draft", lambda: self.stripe.void_invoice(draft.id))
        before = self.account.settled(lambda: self.quantity(self.stripe.invoice(draft.id)))
        self.facts["month: draft before the closing value"] = before
        self.post(self.billed, 300, minutes.closing_instant(ends_at))
        self.account.wait(lambda: self.held(self.billed, starts_at, ends_at) == 300)
        shown = self.account.settled(lambda: self.quantity(self.stripe.invoice(draft.id)))
        self.observed.switches["drafts_refreshed"] = {300: "live", before: "finalization"}.get(
            shown, shown
        )
        self.go(own + 2 * HOUR)
        self.facts["month: still a draft after its hour"] = self.stripe.invoice(draft.id).status
        self.stripe.note_on_invoice(draft.id, {verification.HASH: "0" * 64})
        self.stripe.finalize_later(draft.id, at=self.time.now() + verification.RELEASED_IN)
        self.go(self.time.now() + FINAL_BY)
        self.month = self.stripe.invoice(draft.id)
        self.facts["month: invoice"] = (
            self.month.status,
            self.quantity(self.month),
            self.month.total_cents,
            self.month.paid_cents,
        )
        self.facts["month: agrees with our price"] = self.month.total_cents == pricing.amount_cents(
            self.ladder, 300
        )
        self.facts["month: notes"] = dict(self.month.metadata)[verification.HASH]
        self.refused_when_final(self.month.id)

    def refused_when_final(self, invoice_id: str) -> None:
        """See what is refused of an invoice that is final and paid."""
        later = self.time.now() + DAY
        refused: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("finalize again", lambda: self.stripe.finalize_invoice(invoice_id)),
            ("finalize later", lambda: self.stripe.finalize_later(invoice_id, at=later)),
            ("hold", lambda: self.stripe.hold_draft(invoice_id)),
            ("void what is paid", lambda: self.stripe.void_invoice(invoice_id)),
        )
        for what, call in refused:
            self.observed.refusal(f"{what}, of an invoice that is final", call)
        noted = self.stripe.note_on_invoice(invoice_id, {"bencher_later": "yes"})
        self.facts["a final invoice takes notes"] = noted.metadata["bencher_later"]

    def credit(self) -> None:
        """Give something back of what is paid, twice with one key."""
        notes = [
            self.stripe.credit(
                self.month.id,
                amount_cents=5000,
                memo="Counted anew",
                paid=True,
                idempotency_key=f"credit-{self.month.id}",
                notes={"bencher_correction": "1"},
            )
            for _ in range(2)
        ]
        self.facts["credit: once"] = len({note.id for note in notes})
        self.facts["credit: listed"] = [
            (note.amount_cents, note.status, dict(note.metadata))
            for note in self.stripe.credit_notes_of(self.month.id)
        ]
        self.observed.refusal(
            "credit more than was paid",
            lambda: self.stripe.credit(
                self.month.id,
                amount_cents=50000,
                memo="Too much",
                paid=True,
                idempotency_key=f"credit-too-much-{self.month.id}",
                notes={},
            ),
        )

    def quiet_month(self) -> None:
        """Report nothing for a month, and see what that costs."""
        starts_at, ends_at = self.period(self.billed_plan)
        self.facts["quiet: follows the month"] = starts_at == self.month.lines[0].ends_at
        self.go(ends_at + FINAL_BY)
        bill = self.latest(self.billed_plan)
        self.facts["quiet: invoice"] = (bill.status, self.quantity(bill))
        fee = pricing.amount_cents(self.ladder, 0)
        self.observed.switches["flat_fee_at_zero"] = {fee: True, 0: False}.get(
            bill.total_cents, bill.total_cents
        )
        self.facts["quiet: drawn from the credit"] = (
            bill.total_cents - bill.due_cents if bill.total_cents else 0
        )
