"""Two years of bills whose months begin on the 28th to the 31st: no period drifts or is missed."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings as hypothesis_settings

from bencher import clock, time_travel
from billing import noticing, stripe_setup
from billing.models import BillingPeriod, Settlement
from series.models import Visibility
from tests.machine.world import Tenant, instant
from tests.stripe_sandbox import Sandbox
from tests.year.living import DAY, Life

pytestmark = pytest.mark.slow

MONTHS = 24
ANCHOR_DAYS = (28, 29, 30, 31)
# The first instant and the last whole second of a day, where a month's end is most easily taken
# for that of the next day. Both pairs of years hold a 29 February, early or late.
TIMES = {2027: time(0, 0, 0), 2028: time(23, 59, 59)}
# Few series are enough to pass from one band to the next.
LADDER: list[dict[str, Any]] = [
    {"up_to": 3, "flat_amount": 1000},
    {"up_to": 6, "flat_amount": 1500},
    {"up_to": None, "unit_amount": 250},
]
SWEEP_ON = 7


@dataclass(frozen=True)
class Month:
    """A month and what it is billed at, in seconds and cents."""

    starts_at: int
    ends_at: int
    series: int
    amount_cents: int


class Years(Life):
    """A life with a sweep a month and no steps that are only for what it does without.

    The other nights change no bill here. Nor do posts before a close, which are tested where the
    close may fail, or reminders of trials, of which there are none.
    """

    def __init__(self, sandbox: Sandbox, *, start: datetime, sweep_at: time) -> None:
        self._sweep_at = sweep_at
        super().__init__(sandbox, start=start)
        for module, lead in ((time_travel, "PRE_CLOSE_LEAD"), (noticing, "TRIAL_ENDS_WITHIN")):
            self._stack.enter_context(patch.object(module, lead, timedelta(0)))

    def _instants(self, own: Any) -> Any:
        every = super()._instants(own)

        def instants(*, after: datetime) -> Iterator[datetime]:
            for found in every(after=after):
                yield self._next_sweep(found) if found.time() == self._sweep_at else found

        return instants

    def _next_sweep(self, night: datetime) -> datetime:
        """Return the first night from one on that is a month's seventh."""
        while night.day != SWEEP_ON:
            night += DAY
        return night

    def subscribe_at(self, anchor: datetime, tenants: list[Tenant]) -> None:
        """Let organizations subscribe at exactly an instant, and pay by card."""
        self.live(anchor)
        for tenant in tenants:
            self.world.subscribe(tenant, trial_days=None, crash_at=0)
            self.use_card(tenant, "pm_card_visa")

    def invoiced(self, tenant: Tenant) -> list[Month]:
        """Return the months that Stripe charged and was paid for, oldest first."""
        (subscription,) = self.world.subscriptions(tenant)
        months = []
        for invoice in self.sandbox.objects("invoice"):
            parent = invoice["parent"]["subscription_details"]["subscription"]
            if parent == subscription["id"] and invoice["billing_reason"] == "subscription_cycle":
                assert invoice["status"] == "paid"
                (line,) = invoice["lines"]
                assert invoice["total"] == line["amount"]
                period = line["period"]
                months.append(
                    Month(period["start"], period["end"], line["quantity"], line["amount"])
                )
        return sorted(months, key=lambda month: month.starts_at)


@pytest.fixture(params=sorted(TIMES))
def years(
    request: pytest.FixtureRequest, committed_db: str, sandbox: Sandbox, settings: Any
) -> Iterator[Years]:
    """Return a world on the day before the first anchor of a year."""
    settings.BILLING_CLOSE_DELAY = timedelta(minutes=10)
    start = datetime(request.param, 1, ANCHOR_DAYS[0] - 1, 12, tzinfo=UTC)
    years = Years(sandbox, start=start, sweep_at=settings.BILLING_SWEEP_AT)
    # Stripe's clock stands still between steps, so that an anchor is exactly where it is meant.
    sandbox.clock.freeze()
    list(stripe_setup.run(tiers=LADDER))
    yield years
    years.close()


def organizations_per_anchor() -> int:
    """Return how many there are for each day of each pair of years: 8 or 200 in all."""
    full = hypothesis_settings.get_current_profile_name() == "full"
    return 25 if full else 1


def subscribed(years: Years) -> dict[datetime, list[Tenant]]:
    """Return the organizations by the anchor that their months have."""
    found: dict[datetime, list[Tenant]] = {}
    start = clock.now()
    for day in ANCHOR_DAYS:
        anchor = datetime.combine(start.replace(day=day), TIMES[start.year], tzinfo=UTC)
        found[anchor] = [
            years.world.found_tenant(f"org {day} {number}", [Visibility.PRIVATE])
            for number in range(organizations_per_anchor())
        ]
    years.world.tenants = [tenant for tenants in found.values() for tenant in tenants]
    for anchor, tenants in found.items():
        years.subscribe_at(anchor, tenants)
    return found


def boundary(anchor: datetime, months: int) -> datetime:
    """Return the anchor so many months later: in a shorter month that month's last day."""
    whole = anchor.month - 1 + months
    year, month = anchor.year + whole // 12, whole % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def live_two_years(years: Years, anchors: dict[datetime, list[Tenant]]) -> None:
    """Report in the middle of each month, and close to the end of some."""
    ordered = [tenant for tenants in anchors.values() for tenant in tenants]
    last = max(anchors)
    for month in range(MONTHS):
        years.live(boundary(last, month) + 14 * DAY)
        for number, tenant in enumerate(ordered):
            if series := (5 * month + 3 * number) % 9:
                years.report(tenant, series)
        if month % 6 == 0:
            # In the last half minute, when only the closing value can still carry it.
            years.live_to_the_last_minute_of_the_period(ordered[-1])
            years.report(ordered[-1], 9)
    # Past a sweep, so that the periods that have begun by then are posted to as well.
    years.live(boundary(last, MONTHS) + 11 * DAY)


def test_months_follow_each_other_and_are_invoiced_as_stated(years: Years) -> None:
    anchors = subscribed(years)

    live_two_years(years, anchors)

    for anchor, tenants in anchors.items():
        bounds = [int(boundary(anchor, month).timestamp()) for month in range(MONTHS + 1)]
        for tenant in tenants:
            check(years, tenant, bounds)
    assert years.differing() == []


def check(years: Years, tenant: Tenant, bounds: list[int]) -> None:
    """Check an organization's periods, statements and invoices of the two years."""
    closed = BillingPeriod.objects.filter(organization=tenant.organization, statement__isnull=False)
    statements = [
        Month(
            int(period.starts_at.timestamp()),
            int(period.ends_at.timestamp()),
            period.statement.series,
            period.statement.amount_cents,
        )
        for period in closed.select_related("statement").order_by("starts_at")
    ]
    every = BillingPeriod.objects.filter(organization=tenant.organization).order_by("starts_at")
    assert [int(period.starts_at.timestamp()) for period in every] == bounds
    assert [month.starts_at for month in statements] == bounds[:-1]
    assert [month.ends_at for month in statements] == bounds[1:]
    assert statements == years.invoiced(tenant)
    assert [month.series for month in statements] == [
        tenant.oracle.billed(instant(start), instant(end)) for start, end in pairwise(bounds)
    ]
    assert len({month.amount_cents for month in statements}) > 3
    settled = Settlement.objects.filter(statement__organization=tenant.organization)
    assert settled.count() == settled.filter(agrees=True).count() == MONTHS
