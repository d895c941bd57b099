"""The invoices of a year equal our statements, and a year of failures ends in the same invoices."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.core import mail
from hypothesis import settings as hypothesis_settings

from billing.models import Notice, Plan, Status
from tests.stripe_sandbox import Sandbox
from tests.year import wire_oracle
from tests.year.living import DAY, Billed, Life

pytestmark = pytest.mark.slow

# The trial of thirty days ends on the second of March.
START = datetime(2027, 1, 31, 10, 0, tzinfo=UTC)
# Series reported in each paid month until the plan is canceled in the last of them.
MONTHS = (200, 300, 420, 0, 510, 120, 260, 90)
FAILING_CARD_IN = 5

PAID = "paid"
ACME = [
    # Stripe charges no usage of a trial.
    Billed(0, 0, PAID),
    Billed(200, 10000, PAID),
    Billed(300, 15000, PAID),
    Billed(420, 20000, PAID),
    Billed(0, 10000, PAID),
    Billed(510, 20400, PAID),
    Billed(120, 10000, PAID),
    Billed(260, 15000, PAID),
    Billed(90, 10000, PAID),
    # Come back, without a second trial.
    Billed(150, 10000, PAID),
]
GLOBEX = [Billed(0, 0, PAID), *[Billed(0, 10000, PAID)] * 9]


@dataclass(frozen=True)
class Undocumented:
    """How Stripe may behave without saying so; none of it may matter to a bill."""

    last_by: str = "timestamp"
    ties: str = "last"
    aggregation_lag_seconds: int = 0
    drafts_refreshed: str = "live"
    final_invoice: str = "draft"

    def __str__(self) -> str:
        return "-".join(str(value) for value in asdict(self).values())


WORST = Undocumented("receipt", "first", 1200, "finalization", "draft")
EVERY = [
    Undocumented(*values)
    for values in product(
        ("timestamp", "receipt"),
        ("last", "first"),
        (0, 600, 1200),
        ("live", "finalization"),
        ("draft", "immediate"),
    )
]


def _is_full() -> bool:
    return hypothesis_settings.get_current_profile_name() == "full"


@pytest.fixture
def life(committed_db: str, sandbox: Sandbox, settings: Any) -> Iterator[Life]:
    """Return two customers at the beginning of their year."""
    settings.PRO_TRIAL_DAYS = 30
    settings.BILLING_CLOSE_DELAY = timedelta(minutes=10)
    life = Life(sandbox, start=START)
    yield life
    life.close()


def switch(sandbox: Sandbox, behavior: Undocumented) -> None:
    for name, value in asdict(behavior).items():
        setattr(sandbox.switches, name, value)


def live_a_year(life: Life, *, failing: float) -> None:
    """Live from the first checkout to the month after the return."""
    acme, globex = life.acme, life.globex
    assert life.subscribe(acme)
    assert life.subscribe(globex)
    if failing:
        life.fail(failing)
    life.report(acme, 40)
    life.report(globex, 5)
    life.live_to_the_end_of_the_period(acme)
    for number, series in enumerate(MONTHS):
        live_a_month(life, series, number=number)
    life.live_for(10 * DAY)
    assert not Plan.objects.filter(organization=acme.organization, ended_at=None).exists()
    assert not life.subscribe(acme)
    life.report(acme, 150)
    life.live_to_the_end_of_the_period(acme)
    life.live_for(DAY)


def live_a_month(life: Life, series: int, *, number: int) -> None:
    acme = life.acme
    life.live_for(4 * DAY)
    if series:
        life.report(acme, series // 2)
    life.live_for(9 * DAY)
    if number % 2 and number < len(MONTHS) - 1:
        # Too late for every post but the closing one. After a cancellation that may be too late
        # for the invoice too, see below.
        life.live_to_the_last_minute_of_the_period(acme)
    if series:
        life.report(acme, series)
    if number == FAILING_CARD_IN:
        life.use_card(acme, "pm_card_chargeCustomerFail")
    if number == len(MONTHS) - 1:
        life.cancel_at_period_end(acme)
    life.live_to_the_end_of_the_period(acme)
    if number == FAILING_CARD_IN:
        recover(life)


def recover(life: Life) -> None:
    """See the failed payment, and pay with a new card four days later."""
    acme = life.acme
    life.live_for(DAY)
    plan = Plan.objects.get(organization=acme.organization, ended_at=None)
    assert plan.status == Status.PAST_DUE
    life.live_for(DAY)
    life.use_card(acme, "pm_card_visa")
    life.pay_what_is_open(acme)
    life.live_for(DAY)
    plan.refresh_from_db()
    assert plan.status == Status.ACTIVE


def check_by_the_wire(life: Life) -> None:
    """Check every charge against what was posted for it, by the recorded traffic alone."""
    for tenant, least in ((life.acme, len(ACME)), (life.globex, len(GLOBEX))):
        answers = [tenant.api.get(f"{tenant.path}/statements?per_page=100").json()]
        trials = {
            int(datetime.fromisoformat(found["start_time"]).timestamp())
            for answer in answers
            for found in answer["statements"]
            if found["covered_by_trial"]
        }
        charges = wire_oracle.charged(
            life.sandbox.requests,
            customer=tenant.organization.billing_customer.stripe_customer_id,
            trials=trials,
        )
        assert len(charges) >= least
        assert [charge for charge in charges if not charge.agrees] == []


def check_notices(life: Life) -> None:
    """Check that leaders were told of each event of the year once, by e-mail."""
    told = Counter(
        Notice.objects.filter(organization=life.acme.organization).values_list("kind", flat=True)
    )
    assert told == {
        Notice.Kind.TRIAL_ENDING: 1,
        Notice.Kind.STATEMENT_READY: len(ACME),
        # 420, 255 and then 510, and 260; of 300 the statement tells, minutes later.
        Notice.Kind.TIER_CROSSED: 4,
        Notice.Kind.PAYMENT_FAILED: 1,
    }
    assert not Notice.objects.filter(sent_at=None).exists()
    assert len(mail.outbox) == Notice.objects.count()


class TestYear:
    def test_is_invoiced_as_stated(self, life: Life) -> None:
        live_a_year(life, failing=0)

        assert life.billed(life.acme) == ACME
        assert life.billed(life.globex)[: len(GLOBEX)] == GLOBEX
        assert life.differing() == []
        check_by_the_wire(life)
        check_notices(life)

    @pytest.mark.parametrize("behavior", EVERY if _is_full() else [WORST], ids=str)
    def test_ends_the_same_where_every_call_fails_at_times(
        self, life: Life, behavior: Undocumented
    ) -> None:
        switch(life.sandbox, behavior)

        live_a_year(life, failing=0.3)

        assert life.billed(life.acme) == ACME
        assert life.billed(life.globex)[: len(GLOBEX)] == GLOBEX
        assert life.differing() == []
        assert wire_oracle.failures(life.sandbox.requests) > 0.15
        check_by_the_wire(life)

    def test_where_a_final_invoice_is_immediate_reconciling_says_what_it_misses(
        self, life: Life
    ) -> None:
        """A final invoice that Stripe never drafts can't wait for the last minutes."""
        life.sandbox.switches.final_invoice = "immediate"
        assert life.subscribe(life.globex)
        life.live_to_the_end_of_the_period(life.globex)
        life.report(life.globex, 5)
        life.live_for(DAY)
        life.cancel_at_period_end(life.globex)
        life.live_to_the_last_minute_of_the_period(life.globex)
        life.report(life.globex, 260)

        life.live_for(DAY)

        (sentence,) = {found for found in life.differing() if "charges" in found}
        assert "charges $100.00, the statement $150.00" in sentence

    def test_where_the_flat_fee_is_not_charged_at_zero_reconciling_says_so(
        self, life: Life
    ) -> None:
        life.sandbox.switches.flat_fee_at_zero = False
        assert life.subscribe(life.globex)
        life.report(life.globex, 5)
        life.live_for(65 * DAY)

        (sentence,) = {found for found in life.differing() if "charges" in found}
        assert "charges $0.00, the statement $100.00" in sentence
