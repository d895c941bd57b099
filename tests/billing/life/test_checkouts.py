"""Users who never come back from checkout, and those who click in two places at once."""

from datetime import timedelta

import pytest

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import checkouts, trials
from billing.models import Checkout, Plan
from tests.billing.life.conftest import MINUTE, Travel, open_checkout, pay
from tests.factories import make_organization
from tests.stripe_sandbox import Sandbox


def test_one_who_never_comes_back_has_a_plan_within_a_minute(
    shop: Sandbox, acme: Organization, alice: User
) -> None:
    checkouts.start(acme, user=alice, now=clock.now())
    pay(shop, open_checkout().stripe_session_id)

    assert checkouts.follow(now=clock.now()) == 0
    assert checkouts.follow(now=clock.now() + MINUTE) == 1
    assert Plan.objects.get().status == "trialing"
    assert Checkout.objects.get().state == Checkout.State.COMPLETED


def test_an_open_one_is_looked_at_less_and_less_and_closed_once_it_expired(
    shop: Sandbox, acme: Organization, alice: User, travel: Travel
) -> None:
    began = clock.now()
    checkouts.start(acme, user=alice, now=began)
    looks = []

    while Checkout.objects.get().state == Checkout.State.OPEN:
        due = open_checkout().look_after
        assert due is not None
        looks.append(due - began)
        travel(due)
        checkouts.follow(now=clock.now())

    assert looks[0] == MINUTE
    assert timedelta(hours=24) < looks[-1] < timedelta(hours=26)
    assert len(looks) < 80, "not once a minute for a day"
    assert Checkout.objects.get().state == Checkout.State.EXPIRED
    assert checkouts.due(now=clock.now() + timedelta(days=9)) == []


def test_two_trials_at_once_are_one(
    shop: Sandbox, acme: Organization, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    globex = make_organization("Globex", leader=alice)
    checkouts.start(acme, user=alice, now=clock.now())
    # Looked at a moment before the other one was stored.
    real, seen = trials.days, [30]
    monkeypatch.setattr(
        trials, "days", lambda *given, **more: seen.pop() if seen else real(*given, **more)
    )

    checkouts.start(globex, user=alice, now=clock.now())

    assert list(Checkout.objects.order_by("pk").values_list("with_trial", flat=True)) == [
        True,
        False,
    ]
    states = [session["status"] for session in shop.objects("checkout.session")]
    assert states == ["open", "expired", "open"], "the one with a second trial can't be completed"
