"""What staff do where something is in the way: frozen, too late, refused, Stripe not answering."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization
from billing import canceling, correcting, freezing, holding, settlement
from billing.models import (
    BillingPeriod,
    Cancellation,
    Correction,
    CorrectionDecision,
    MeterEvent,
    Plan,
    Settlement,
    WebhookReceipt,
)
from tests.admin import acting
from tests.billing.life.conftest import DAY, MINUTE, World, at_stripe, send
from tests.factories import make_user
from tests.pages import accounts
from tests.pages.reading import soup, words
from tests.staffing import desk_of
from tests.stripe_sandbox import Fault, Sandbox

HOUR = timedelta(hours=1)


def freeze(world: World) -> None:
    """Let billing stand still."""
    freezing.freeze(world.plan.organization, by=world.root, reason="asked", now=clock.now())


def settle(world: World) -> Settlement:
    """Close the first period, and let its invoice become final."""
    world.close()
    send()
    world.travel(clock.now() + 3 * HOUR)
    settlement.settle_due(now=clock.now())
    return Settlement.objects.get(statement__period=world.period)


def shown_digest(shown: acting.Shown) -> str:
    """Return what the page remembers to have shown."""
    found = shown.page.select_one("input[name=shown]")
    assert found is not None
    return str(found["value"])


class TestFrozen:
    @pytest.mark.parametrize(
        ("act", "state", "says"),
        [
            (
                "let_go",
                {"held_at": True},
                "It will be sent once billing, which is frozen, goes on.",
            ),
            (
                "send_again",
                {"rejected_at": True, "attempts": 1},
                "It will be sent again once billing, which is frozen, goes on.",
            ),
        ],
    )
    def test_nothing_is_promised_that_waits(
        self,
        desk: Client,
        world: World,
        act: str,
        state: dict[str, Any],
        says: str,
    ) -> None:
        event = world.post()
        changes = {name: clock.now() if value is True else value for name, value in state.items()}
        MeterEvent.objects.update(**changes)
        freeze(world)

        assert acting.show(desk, event, act).effects == [says]
        assert acting.act(desk, event, act).casefold().endswith(says.casefold())

        send()
        event.refresh_from_db()
        assert event.state is MeterEvent.State.WAITING

    def test_a_plan_ends_once_billing_goes_on(self, desk: Client, world: World) -> None:
        world.post()
        freeze(world)

        said = acting.act(desk, world.plan, "cancel_now")

        assert said.endswith("UTC on; it ends once billing, which is frozen, goes on.")
        assert Cancellation.objects.get().finished_at is None

    def test_usage_is_counted_and_stays(self, desk: Client, world: World) -> None:
        freeze(world)

        acting.act(desk, world.plan, "post_now")
        send()

        assert MeterEvent.objects.get().sent_at is None


class TestTakenMeanwhile:
    """The sender takes an event between the look at it and the change."""

    @pytest.mark.parametrize(
        "meanwhile", ["sent_at", "rejected_at", "superseded_at", "claimed_at", "held_at"]
    )
    def test_is_not_held_back(self, world: World, meanwhile: str) -> None:
        event = world.post()
        MeterEvent.objects.update(**{meanwhile: clock.now()})
        before = MeterEvent.objects.values().get()

        with pytest.raises(holding.NotPossibleError, match="has changed"):
            holding.hold(event, now=clock.now() + MINUTE)

        assert MeterEvent.objects.values().get() == before

    @pytest.mark.parametrize("meanwhile", ["sent_at", "rejected_at", "superseded_at"])
    def test_is_not_let_go(self, world: World, meanwhile: str) -> None:
        world.post()
        MeterEvent.objects.update(held_at=clock.now())
        event = MeterEvent.objects.get()
        MeterEvent.objects.update(**{meanwhile: clock.now()})
        before = MeterEvent.objects.values().get()

        with pytest.raises(holding.NotPossibleError, match="has changed"):
            holding.let_go(event)

        assert MeterEvent.objects.values().get() == before

    @pytest.mark.parametrize(
        "meanwhile", [{"rejected_at": None}, {"expired_at": True}, {"superseded_at": True}]
    )
    def test_is_not_sent_again(self, world: World, meanwhile: dict[str, Any]) -> None:
        world.post()
        MeterEvent.objects.update(rejected_at=clock.now(), attempts=1)
        event = MeterEvent.objects.get()
        MeterEvent.objects.update(
            **{name: value and clock.now() for name, value in meanwhile.items()}
        )
        before = MeterEvent.objects.values().get()

        with pytest.raises(holding.NotPossibleError, match="has changed"):
            holding.send_again(event, now=clock.now())

        assert MeterEvent.objects.values().get() == before


class TestSettled:
    def test_an_event_that_is_sent_again_changes_no_bill(
        self,
        desk: Client,
        world: World,
    ) -> None:
        settle(world)
        event = MeterEvent.objects.latest("timestamp")
        MeterEvent.objects.filter(pk=event.pk).update(sent_at=None, rejected_at=clock.now())
        assert world.period.state == BillingPeriod.State.SETTLED

        shown = acting.show(desk, event, "send_again")

        assert shown.effects == [
            "It will be sent again; its period is invoiced, so no bill changes by it."
        ]


class TestSeveral:
    @pytest.fixture
    def events(self, world: World) -> list[MeterEvent]:
        """Return three events, of which the second is sent."""
        now = clock.now()
        events = [accounts.make_event(world.period, n, at=now + n * MINUTE) for n in range(3)]
        MeterEvent.objects.filter(pk=events[1].pk).update(sent_at=now)
        return events

    def ask(self, desk: Client, events: list[MeterEvent], **more: Any) -> Any:
        data = {"action": "hold", "_selected_action": [event.pk for event in events], **more}
        return soup(desk.post(acting.address(events[0]), data, follow=True))

    def test_one_that_can_not_be_done_keeps_none_of_the_others(
        self,
        desk: Client,
        events: list[MeterEvent],
    ) -> None:
        page = self.ask(desk, events)
        cells = [words(cell) for cell in page.select(".effects td")]
        digest = page.select_one("input[name=shown]")["value"]

        said = self.ask(desk, events, step="act", shown=digest, reason="so")

        # The newest first.
        assert [cell.startswith("Can't be done") for cell in cells] == [False, True, False]
        held = MeterEvent.objects.filter(held_at__isnull=False)
        assert set(held.values_list("pk", flat=True)) == {events[0].pk, events[2].pk}
        assert len(said.select(".messagelist .error")) == 1
        assert len(said.select(".messagelist .success")) == 2
        entries = LogEntry.objects.filter(change_message__contains="it is held back until")
        assert set(entries.values_list("object_id", flat=True)) == {
            str(events[0].pk),
            str(events[2].pk),
        }

    def test_what_changed_since_is_shown_again_and_none_of_it_done(
        self,
        desk: Client,
        events: list[MeterEvent],
    ) -> None:
        page = self.ask(desk, events)
        digest = page.select_one("input[name=shown]")["value"]
        MeterEvent.objects.filter(pk=events[0].pk).update(sent_at=clock.now())

        said = self.ask(desk, events, step="act", shown=digest, reason="so")

        assert "Something has changed since" in words(said.select_one(".messagelist"))
        assert not MeterEvent.objects.filter(held_at__isnull=False).exists()

    def test_what_is_gone_from_the_list_is_said_to_be(
        self,
        desk: Client,
        events: list[MeterEvent],
    ) -> None:
        """A filter of the list leaves out what was sent meanwhile."""
        data = {"action": "hold", "_selected_action": [events[1].pk]}

        page = soup(desk.post(acting.address(events[1]) + "?outbox=goes-out", data, follow=True))

        assert "not in this list any more" in words(page.select_one(".messagelist"))

    def test_no_more_than_can_be_looked_at(
        self,
        desk: Client,
        world: World,
    ) -> None:
        at = clock.now()
        events = [
            accounts.make_event(world.period, n, at=at + timedelta(seconds=n)) for n in range(101)
        ]

        page = self.ask(desk, events, select_across="1")

        assert "100 rows at a time" in words(page.select_one(".messagelist"))
        assert not page.select(".effects")
        assert not self.ask(desk, events[:100]).select(".messagelist .error")


class TestCorrecting:
    @pytest.fixture
    def correction(self, world: World) -> Correction:
        """Return a correction from 3 series to 300 that root proposed: nothing to give back."""
        return world.propose(series=300)

    def test_can_not_be_applied_by_who_proposed_it_and_says_so_beforehand(
        self,
        desk: Client,
        correction: Correction,
    ) -> None:
        shown = acting.show(desk, correction, "apply")

        assert shown.effects == ["A second person applies a correction, not who proposed it."]
        assert not shown.can_act

    def test_is_not_applied_by_who_proposed_it_whatever_was_shown(
        self,
        desk: Client,
        correction: Correction,
    ) -> None:
        other = desk_of(make_user("second", is_staff=True))
        digest = shown_digest(acting.show(other, correction, "apply"))

        acting.confirm(desk, correction, "apply", shown=digest, reason="so")

        assert not CorrectionDecision.objects.exists()

    def test_is_not_proposed_twice(self, desk: Client, correction: Correction) -> None:
        for act, row in {
            "propose": correction.statement,
            "recount": correction.statement.period,
        }.items():
            shown = acting.show(desk, row, act, series=2)
            assert "is not decided yet" in shown.effects[0], act
            assert not shown.can_act

    @pytest.mark.parametrize("series", [-1, 2_147_483_648, 10**30, "", "3.5", "many"])
    def test_is_about_a_count(
        self,
        desk: Client,
        world: World,
        series: object,
    ) -> None:
        shown = acting.show(desk, world.close(), "propose", series=series)

        assert shown.page.select_one("#id_series_error")
        assert not shown.can_act

    def test_the_largest_is_told_and_stored(self, desk: Client, world: World) -> None:
        said = acting.act(desk, world.close(), "propose", series=correcting.MOST_SERIES)

        assert "3 to 2,147,483,647 series, $100.00 to $858,993,458.80" in said
        assert Correction.objects.get().series == correcting.MOST_SERIES

    def test_downwards_waits_for_its_invoice_and_says_so_beforehand(
        self,
        world: World,
    ) -> None:
        statement = world.close()
        up = correcting.propose(statement, series=300, why="so", by=world.root, now=clock.now())
        second = make_user("second", is_staff=True)
        correcting.apply(up, by=second, now=clock.now())
        down = correcting.propose(statement, series=3, why="so", by=world.root, now=clock.now())

        shown = acting.show(desk_of(second), down, "apply")

        assert shown.effects[0].startswith("The invoice of this statement is not final yet")
        assert not shown.can_act

    def test_a_credit_is_given_once_though_the_answer_is_lost(
        self,
        world: World,
    ) -> None:
        settled = settle(world)
        second = make_user("second", is_staff=True)
        other = desk_of(second)
        up = correcting.propose(
            settled.statement, series=300, why="so", by=world.root, now=clock.now()
        )
        correcting.apply(up, by=second, now=clock.now())
        down = correcting.propose(
            settled.statement, series=3, why="so", by=world.root, now=clock.now()
        )
        world.shop.faults.next("POST /v1/credit_notes", Fault.RESET_AFTER, count=None)
        digest = shown_digest(acting.show(other, down, "apply"))

        acting.confirm(other, down, "apply", shown=digest, reason="so")
        assert len(world.shop.objects("credit_note")) == 1
        assert not CorrectionDecision.objects.filter(correction=down).exists()
        refused = acting.show(other, down, "decline")
        said = acting.confirm(other, down, "apply", shown=digest, reason="so")

        (note,) = world.shop.objects("credit_note")
        assert f"credit note {note['id']}: apply it" in refused.effects[0]
        assert said.endswith("applied; $50.00 are given back.")
        assert CorrectionDecision.objects.get(correction=down).stripe_credit_note_id == note["id"]


class TestExtendingATrial:
    def until(self, shop: Sandbox, trial: Plan) -> int:
        """Return when it ends at Stripe."""
        return int(at_stripe(shop, trial.stripe_subscription_id)["trial_end"])

    @pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.UNAVAILABLE])
    def test_is_not_extended_twice_where_the_answer_is_lost(
        self,
        desk: Client,
        shop: Sandbox,
        trial: Plan,
        fault: Fault,
    ) -> None:
        assert trial.trial_ends_at is not None
        until = int((trial.trial_ends_at + 10 * DAY).timestamp())
        shop.faults.next("POST /v1/subscriptions/*", fault, count=None)
        digest = shown_digest(acting.show(desk, trial, "extend_trial", days=10))
        said = acting.confirm(desk, trial, "extend_trial", shown=digest, reason="so", days=10)
        assert "may be done there all the same: look again" in said
        assert "html" not in said
        shop.faults.clear()

        acting.confirm(desk, trial, "extend_trial", shown=digest, reason="so", days=10)

        assert self.until(shop, trial) == until
        assert int(Plan.objects.get().trial_ends_at.timestamp()) == until  # type: ignore[union-attr]

    def test_ends_within_what_stripe_takes(
        self,
        desk: Client,
        shop: Sandbox,
        trial: Plan,
    ) -> None:
        """Two years from now."""
        acting.act(desk, trial, "extend_trial", days=365)
        ends_at = Plan.objects.get().trial_ends_at
        assert ends_at is not None
        left = (clock.now() + 730 * DAY - ends_at).days

        refused = acting.show(desk, trial, "extend_trial", days=left + 1)

        assert refused.effects[0].startswith("Stripe lets a trial end two years from now")
        assert not refused.can_act
        assert acting.show(desk, trial, "extend_trial", days=left).can_act

    def test_what_was_shown_before_another_extension_is_not_done(
        self,
        desk: Client,
        shop: Sandbox,
        trial: Plan,
    ) -> None:
        digest = shown_digest(acting.show(desk, trial, "extend_trial", days=10))
        acting.act(desk, trial, "extend_trial", days=10)
        until = self.until(shop, trial)

        said = acting.confirm(desk, trial, "extend_trial", shown=digest, reason="so", days=10)

        assert "Something has changed since" in said
        assert self.until(shop, trial) == until


class TestComparing:
    def test_says_what_differs_here_though_stripe_does_not_answer(
        self,
        desk: Client,
        world: World,
    ) -> None:
        event = world.post()
        MeterEvent.objects.filter(pk=event.pk).update(value=4)
        world.shop.faults.next("GET /v1/*", Fault.UNAVAILABLE, count=None)

        shown = acting.show(desk, world.plan, "compare")

        assert shown.effects == [
            "1 period compared; Stripe could not be asked."
            f" {acting.plain(str(world.period))}: The value stored last is 4, the reports say 3."
        ]

    def test_says_how_the_plan_is_at_stripe(
        self,
        desk: Client,
        world: World,
    ) -> None:
        at_stripe(world.shop, world.plan.stripe_subscription_id)["status"] = "past_due"

        shown = acting.show(desk, world.plan, "compare")

        assert shown.effects == [
            "1 period compared. The status is active here and past_due at Stripe."
        ]


class TestHandlingAgain:
    def make(self, type_: str, about: str) -> WebhookReceipt:
        """Store a webhook that was handled."""
        return WebhookReceipt.objects.create(
            event_id="evt_1",
            type=type_,
            object_id=about or "txi_1",
            subject_id=about,
            received_at=clock.now(),
            handled_at=clock.now(),
        )

    @pytest.mark.parametrize(
        ("type_", "about"), [("customer.tax_id.created", ""), ("invoice.paid", "sub_none")]
    )
    def test_of_none_of_our_plans_changes_nothing(
        self,
        desk: Client,
        world: World,
        type_: str,
        about: str,
    ) -> None:
        receipt = self.make(type_, about)
        says = "Nothing changes: it is about none of our plans."

        assert acting.show(desk, receipt, "handle_again").effects == [says]
        assert acting.act(desk, receipt, "handle_again").casefold().endswith(says.casefold())

    def test_of_what_stripe_does_not_have_is_said_to_fail(
        self,
        desk: Client,
        world: World,
    ) -> None:
        receipt = self.make("customer.subscription.updated", "sub_none")

        said = acting.act(desk, receipt, "handle_again")

        assert "not applied: " in said
        assert "No such subscription" in said


@pytest.mark.parametrize(
    ("act", "change", "says"),
    [
        ("post_now", {"level": "enterprise"}, "There is nothing to post"),
        ("post_now", {"status": "paused"}, "There is nothing to post"),
        ("cancel_now", {"ended_at": True}, "The plan has ended already."),
        ("extend_trial", {"status": "past_due"}, "The plan is not in a trial; it is past due."),
        ("release", {"held_at": None}, "The plan is not held."),
        ("go_on", {}, "Billing is not frozen."),
    ],
)
def test_what_can_not_be_done_is_not_offered(
    desk: Client,
    world: World,
    act: str,
    change: dict[str, Any],
    says: str,
) -> None:
    changes = {name: clock.now() if value is True else value for name, value in change.items()}
    if changes:
        Plan.objects.update(**changes)

    shown = acting.show(desk, world.plan, act, days=1)

    assert shown.effects[0].startswith(says)
    assert not shown.can_act


def test_a_period_is_not_closed_before_an_older_one(
    desk: Client,
    world: World,
) -> None:
    first = world.end()
    world.travel(world.plan.periods.latest("starts_at").ends_at + 10 * MINUTE)
    second = BillingPeriod.objects.latest("starts_at")

    shown = acting.show(desk, second, "close_now")

    assert f"Period {second.pk} waits" in shown.effects[0]
    assert not shown.can_act
    assert acting.show(desk, first, "close_now").can_act


def _cancel(world: World) -> None:
    canceling.at_once(world.plan, by=world.root, reason="asked", now=clock.now())


def _delete(world: World) -> None:
    Plan.objects.update(ended_at=clock.now(), status="canceled")
    Organization.objects.update(deleted_at=clock.now())


STATES: dict[str, Callable[[World], object]] = {
    "as it is to be": lambda _: None,
    "frozen": freeze,
    "held": lambda _: Plan.objects.update(held_at=clock.now(), held_why="another price"),
    "paused": lambda _: Plan.objects.update(status="paused"),
    "of an older level": lambda _: Plan.objects.update(level="enterprise"),
    "being canceled": _cancel,
    "of a deleted organization": _delete,
    "ended, its period not closed": lambda world: world.end(),
    "at a Stripe that is down": lambda world: world.shop.faults.next(
        "* /v1/*", Fault.UNAVAILABLE, count=None
    ),
}
ACTS: dict[str, dict[str, object]] = {
    "post_now": {},
    "compare": {},
    "extend_trial": {"days": 5},
    "release": {},
    "freeze": {},
    "go_on": {},
    "cancel_now": {},
}


@pytest.mark.parametrize("state", STATES)
def test_whatever_is_shown_of_a_plan_comes_of_it(desk: Client, world: World, state: str) -> None:
    """Also that it can't be done, which is asked for in spite of what was shown."""
    STATES[state](world)

    for act, values in ACTS.items():
        shown = acting.show(desk, world.plan, act, **values)
        digest = shown_digest(shown)
        said = acting.confirm(desk, world.plan, act, shown=digest, reason="so", **values)

        (effect,) = shown.effects
        # The minute in which a plan ends goes on.
        effect = effect.rpartition(";")[2] if act == "cancel_now" else effect
        assert said.casefold().endswith(effect.casefold()), act
        done = LogEntry.objects.latest("pk").change_message
        assert (", not finished: " in done) == shown.refused, (act, done)
