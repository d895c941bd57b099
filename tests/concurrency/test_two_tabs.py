"""An act of staff that two of them confirm at the same moment, each having seen what it does."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Model
from django.test import Client

from bencher import clock, db, reasoned_action
from billing import subscribing, tasks
from billing.models import (
    BillingPeriod,
    Cancellation,
    Correction,
    Freeze,
    MeterEvent,
    Plan,
    Statement,
)
from series.models import Project
from tests.admin import acting
from tests.billing.conftest import report
from tests.billing.life.conftest import at_stripe, give_card
from tests.concurrency.stepping import PATIENCE_SECONDS, at_once, begin, done
from tests.factories import make_organization, make_user
from tests.pages import accounts
from tests.staffing import desk_of
from tests.stripe_sandbox import Sandbox

DAY = timedelta(days=1)
Confirm = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let acts enqueue nothing."""
    monkeypatch.setattr(tasks.send_meter_events, "delay", lambda: None)


@pytest.fixture
def tabs(committed_db: str) -> list[Client]:
    """Return the browsers of two members of staff."""
    return [desk_of(make_user(name, is_staff=True)) for name in ("root", "toor")]


@pytest.fixture
def confirm(tabs: list[Client], monkeypatch: pytest.MonkeyPatch) -> Confirm:
    """Return a function that shows an act in both and then confirms it in both at once.

    Both have found that it is still as it was shown before either does it.
    """
    both_may, act_ = threading.Barrier(2), reasoned_action._act

    def together(*arguments: Any) -> bool:
        both_may.wait(PATIENCE_SECONDS)
        return act_(*arguments)

    monkeypatch.setattr(reasoned_action, "_act", together)

    def both(row: Model, act: str, *each: dict[str, object]) -> list[str]:
        values = each or ({}, {})
        digests = []
        for tab, its in zip(tabs, values, strict=True):
            found = acting.show(tab, row, act, **its).page.select_one("input[name=shown]")
            assert found is not None
            digests.append(str(found["value"]))

        def press(tab: Client, digest: str, its: dict[str, object]) -> Callable[[], str]:
            return lambda: acting.confirm(tab, row, act, shown=digest, reason="so", **its)

        return at_once([press(*three) for three in zip(tabs, digests, values, strict=True)])

    return both


def one_of(said: list[str], done: str, otherwise: str) -> None:
    """Check that one was told that it is done, and the other why not."""
    assert sorted((done in one, otherwise in one) for one in said) == [(False, True), (True, False)]


def test_a_plan_that_is_locked_is_said_to_be(
    tabs: list[Client], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "WAIT_SECONDS", 0.1)

    with transaction.atomic():
        Plan.objects.select_for_update().get(pk=plan.pk)
        said = done(begin(lambda: acting.act(tabs[0], plan, "post_now")))

    assert "Something else is at work on it just now. It was not done" in said
    assert not MeterEvent.objects.exists()
    assert "not finished: Something else" in LogEntry.objects.latest("pk").change_message


def test_one_freeze_begins(confirm: Confirm, plan: Plan) -> None:
    said = confirm(plan, "freeze")

    assert Freeze.objects.count() == 1
    one_of(said, "othing more is sent to Stripe", "Billing is frozen since")


def test_one_correction_is_proposed(confirm: Confirm, plan: Plan) -> None:
    now = clock.now()
    statement = accounts.make_statement(
        plan,
        starts_at=now - 90 * DAY,
        ends_at=now - 60 * DAY,
        series=3,
        amount_cents=10000,
    )

    said = confirm(statement, "propose", {"series": 300}, {"series": 400})

    assert Correction.objects.count() == 1
    one_of(said, "are given back once a second person applies it.", "is not decided yet")


def test_a_period_is_closed_once(confirm: Confirm, plan: Plan, project: Project) -> None:
    report(project, 3, ago=timedelta(minutes=1))
    BillingPeriod.objects.update(ends_at=clock.now())

    said = confirm(plan.periods.get(), "close_now")

    assert Statement.objects.get().series == 3
    assert MeterEvent.objects.filter(reason="close").count() == 1
    assert all("closed with 3 series" in one for one in said)


def test_a_plan_is_canceled_once(confirm: Confirm, plan: Plan) -> None:
    said = confirm(plan, "cancel_now")

    assert len(set(said)) == 1
    cancellation = Cancellation.objects.get()
    assert plan.periods.get().ends_at == cancellation.ends_at


def test_an_event_is_sent_again_once(confirm: Confirm, plan: Plan) -> None:
    event = accounts.make_event(plan.periods.get(), 3, at=clock.now())
    MeterEvent.objects.update(rejected_at=clock.now(), attempts=1)

    said = confirm(event, "send_again")

    one_of(said, "will be sent again", "It has changed since it was looked at")
    event.refresh_from_db()
    assert (event.state, event.resends) == (MeterEvent.State.WAITING, 1)


def test_a_trial_is_extended_once(shop: Sandbox, confirm: Confirm) -> None:
    alice = make_user("alice")
    acme = make_organization("Acme", leader=alice)
    give_card(acme, alice)
    plan = subscribing.subscribe(acme, leader=alice, now=clock.now())
    assert plan.trial_ends_at is not None

    confirm(plan, "extend_trial", {"days": 10}, {"days": 10})

    until = plan.trial_ends_at + 10 * DAY
    assert at_stripe(shop, plan.stripe_subscription_id)["trial_end"] == int(until.timestamp())
    assert Plan.objects.get(pk=plan.pk).trial_ends_at == until
