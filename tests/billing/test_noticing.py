"""What leaders are told: found by timer, once per event and period."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from bencher import clock
from bencher.tenancy.models import User
from billing import budgets, noticing
from billing.models import BillingPeriod, Budget, Notice, Plan, Status
from tests.factories import make_organization, make_period, make_plan, make_user
from tests.pages import accounts

pytestmark = pytest.mark.django_db

MONTH = timedelta(days=30)
DAY = timedelta(days=1)


@pytest.fixture
def now(db: None) -> datetime:
    """Return the present instant."""
    return clock.now()


@pytest.fixture
def plan(db: None) -> Plan:
    """Return Acme's plan."""
    return make_plan(make_organization("Acme", leader=make_user("alice")))


@pytest.fixture
def period(plan: Plan, now: datetime) -> BillingPeriod:
    """Return the plan's paid period, which is half over."""
    return make_period(plan, starts_at=now - MONTH / 2, ends_at=now + MONTH / 2)


def told() -> list[tuple[str, str]]:
    """Return the kinds of all notices and what they are about, in order."""
    return list(Notice.objects.order_by("pk").values_list("kind", "about"))


class TestTrialEnding:
    def trial(self, plan: Plan, now: datetime, *, left: timedelta, **values: Any) -> None:
        ends_at = now + left
        Plan.objects.filter(pk=plan.pk).update(
            **{"status": Status.TRIALING, "trial_ends_at": ends_at, **values}
        )
        make_period(plan, starts_at=now - MONTH, ends_at=ends_at, kind=BillingPeriod.Kind.TRIAL)

    def test_is_told_once_three_days_before(self, plan: Plan, now: datetime) -> None:
        self.trial(plan, now, left=timedelta(days=3))

        assert noticing.find(now=now - timedelta(seconds=1)) == 0
        assert noticing.find(now=now) == 1
        assert noticing.find(now=now + DAY) == 0
        assert Notice.objects.get().kind == Notice.Kind.TRIAL_ENDING

    def test_is_not_told_of_one_that_was_canceled(self, plan: Plan, now: datetime) -> None:
        self.trial(plan, now, left=DAY, cancel_at_period_end=True)

        assert noticing.find(now=now) == 0

    def test_is_told_again_of_one_that_was_extended(self, plan: Plan, now: datetime) -> None:
        self.trial(plan, now, left=DAY)
        noticing.find(now=now)
        later = now + timedelta(days=10)
        Plan.objects.update(trial_ends_at=later)
        BillingPeriod.objects.update(ends_at=later)

        assert noticing.find(now=now) == 0
        assert noticing.find(now=later - DAY) == 1


class TestTierCrossed:
    def test_is_told_of_the_highest_band_that_was_reached(
        self, period: BillingPeriod, now: datetime
    ) -> None:
        accounts.make_event(period, 250, at=now - 3 * DAY)
        assert noticing.find(now=now) == 0

        accounts.make_event(period, 376, at=now - 2 * DAY)
        assert noticing.find(now=now) == 1
        assert told() == [("tier-crossed", "band 3")]

    def test_is_not_told_of_a_fall_or_of_coming_back(
        self, period: BillingPeriod, now: datetime
    ) -> None:
        accounts.make_event(period, 376, at=now - 3 * DAY)
        noticing.find(now=now)
        for days, value in ((2, 300), (1, 400)):
            accounts.make_event(period, value, at=now - days * DAY)
            assert noticing.find(now=now) == 0

        accounts.make_event(period, 501, at=now)
        assert noticing.find(now=now) == 1

    def test_is_not_told_of_a_period_that_has_ended(
        self, period: BillingPeriod, now: datetime
    ) -> None:
        accounts.make_event(period, 376, at=now)

        assert noticing.find(now=period.ends_at) == 0
        assert noticing.find(now=period.ends_at - timedelta(seconds=1)) == 1


class TestBudgetReached:
    def put(self, plan: Plan, unit: Budget.Unit, limit: int, *thresholds: int) -> None:
        budgets.put(
            plan.organization,
            unit=unit,
            limit=limit,
            thresholds=thresholds,
            by=User.objects.get(),
            now=clock.now(),
        )

    @pytest.mark.parametrize(("value", "reached"), [(49, []), (50, [50]), (99, [90]), (100, [100])])
    def test_is_told_of_the_highest_threshold(
        self, plan: Plan, period: BillingPeriod, now: datetime, value: int, reached: list[int]
    ) -> None:
        self.put(plan, Budget.Unit.SERIES, 100, 50, 75, 90, 100)
        accounts.make_event(period, value, at=now)

        noticing.find(now=now)

        found = Notice.objects.filter(kind=Notice.Kind.BUDGET_REACHED)
        assert [notice.figures["threshold"] for notice in found] == reached

    def test_is_told_of_each_threshold_once_and_of_none_below(
        self, plan: Plan, period: BillingPeriod, now: datetime
    ) -> None:
        self.put(plan, Budget.Unit.SERIES, 100, 50, 75, 90, 100)
        steps = [(80, 75), (60, None), (92, 90), (85, None), (200, 100), (201, None)]

        for hours, (value, threshold) in enumerate(steps):
            accounts.make_event(period, value, at=now + timedelta(hours=hours))
            noticing.find(now=now)
            latest = Notice.objects.filter(noticed_at=now).order_by("-pk").first()
            if threshold is not None:
                assert latest is not None
                assert latest.figures["threshold"] == threshold
        assert Notice.objects.filter(kind=Notice.Kind.BUDGET_REACHED).count() == 3

    def test_of_money_uses_the_price_in_force(
        self, plan: Plan, period: BillingPeriod, now: datetime
    ) -> None:
        self.put(plan, Budget.Unit.AMOUNT, 20000, 75, 100)
        accounts.make_event(period, 250, at=now - DAY)
        assert noticing.find(now=now) == 0

        accounts.make_event(period, 251, at=now)
        noticing.find(now=now)

        figures = Notice.objects.get(kind=Notice.Kind.BUDGET_REACHED).figures
        assert (figures["threshold"], figures["used"]) == (75, 15000)

    def test_of_money_is_not_reached_in_a_trial(
        self, plan: Plan, period: BillingPeriod, now: datetime
    ) -> None:
        BillingPeriod.objects.update(kind=BillingPeriod.Kind.TRIAL)
        self.put(plan, Budget.Unit.AMOUNT, 100, 50)
        accounts.make_event(period, 200, at=now)

        assert noticing.find(now=now) == 0

    def test_of_a_new_limit_is_told_anew(
        self, plan: Plan, period: BillingPeriod, now: datetime
    ) -> None:
        accounts.make_event(period, 100, at=now)
        self.put(plan, Budget.Unit.SERIES, 100, 100)
        assert noticing.find(now=now) == 1

        self.put(plan, Budget.Unit.SERIES, 50, 100)
        assert noticing.find(now=now) == 1


class TestPaymentFailed:
    def test_is_told_for_each_change_for_the_worse(
        self, plan: Plan, period: BillingPeriod, now: datetime
    ) -> None:
        for days, status in enumerate([Status.PAST_DUE, Status.UNPAID]):
            Plan.objects.update(status=status, status_since=now + days * DAY)
            assert noticing.find(now=now + days * DAY) == 1
            assert noticing.find(now=now + days * DAY) == 0

        assert [about.split()[0] for _, about in told()] == ["past_due", "unpaid"]

    def test_is_told_without_a_period_too_and_once(self, plan: Plan, now: datetime) -> None:
        Plan.objects.update(status=Status.PAST_DUE, status_since=now)

        assert [noticing.find(now=now) for _ in range(2)] == [1, 0]

    def test_is_not_told_of_what_is_old(self, plan: Plan, now: datetime) -> None:
        Plan.objects.update(status=Status.PAST_DUE, status_since=now - noticing.NEWS)

        assert noticing.find(now=now) == 0


class TestStatementReady:
    def test_is_told_with_the_hash(self, plan: Plan) -> None:
        statement = accounts.make_october_statement(plan, series=7, amount_cents=10000)

        assert noticing.find(now=statement.closed_at + DAY) == 1
        notice = Notice.objects.get()
        assert notice.figures["sha256"] == statement.evidence_sha256
        assert notice.period == statement.period

    def test_is_not_told_of_what_is_old(self, plan: Plan) -> None:
        statement = accounts.make_october_statement(plan, series=7, amount_cents=10000)

        assert noticing.find(now=statement.closed_at + noticing.NEWS) == 0
