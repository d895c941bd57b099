"""What staff may do: shown first, changing nothing, and then done just as it was shown."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client

from bencher import clock
from bencher.models import Change
from bencher.tenancy.models import User
from billing import correcting, drift, freezing, posting, reconcile, verification
from billing.models import (
    BillingPeriod,
    Correction,
    Drift,
    Freeze,
    MeterEvent,
    Plan,
    Status,
    WebhookReceipt,
)
from tests.admin import acting
from tests.billing.life.conftest import DAY, MINUTE, World, at_stripe, send
from tests.factories import make_user
from tests.pages.reading import soup
from tests.stripe_sandbox import Fault, Sandbox

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Case:
    """An act on a row, what it does in words, and how that is seen."""

    action: str
    row: Callable[[World], Model]
    effect: str
    is_seen: Callable[[World], bool]
    values: dict[str, Any] = field(default_factory=dict)


def _held(world: World) -> MeterEvent:
    event = world.post()
    MeterEvent.objects.update(held_at=clock.now())
    return event


def _rejected(world: World) -> MeterEvent:
    event = world.post()
    MeterEvent.objects.update(rejected_at=clock.now(), attempts=1)
    return event


def _frozen(world: World) -> Plan:
    world.post()
    freezing.freeze(world.plan.organization, by=world.root, reason="a question", now=clock.now())
    return world.plan


def _wrong_value(world: World) -> Plan:
    event = world.post()
    MeterEvent.objects.filter(pk=event.pk).update(value=4)
    return world.plan


def _past_due_at_stripe(world: World) -> WebhookReceipt:
    at_stripe(world.shop, world.plan.stripe_subscription_id)["status"] = "past_due"
    return WebhookReceipt.objects.create(
        event_id="evt_1",
        type="customer.subscription.updated",
        object_id=world.plan.stripe_subscription_id,
        subject_id=world.plan.stripe_subscription_id,
        received_at=clock.now() - DAY,
        handled_at=clock.now() - DAY,
    )


def _corrected_wrongly(world: World) -> BillingPeriod:
    correction = world.propose(series=300)
    correcting.apply(correction, by=make_user("second", is_staff=True), now=clock.now())
    return world.period


CASES = [
    Case(
        "post_now",
        lambda world: world.plan,
        "3 active series are stored to be sent; stored last was nothing.",
        lambda _: MeterEvent.objects.get().value == 3,
    ),
    Case(
        "compare",
        _wrong_value,
        "1 period compared. {period}: The value stored last is 4, the reports say 3.",
        lambda _: Drift.objects.get().reason == Drift.Reason.OUTBOX,
    ),
    Case(
        "freeze",
        lambda world: world.post() and world.plan,
        "Nothing more is sent to Stripe; to be sent: 1 event.",
        lambda _: Freeze.objects.get(ended_at=None).reason == "it was agreed",
    ),
    Case(
        "go_on",
        _frozen,
        "Billing goes on; to be sent: 1 event.",
        lambda _: Freeze.objects.get().ended_why == "it was agreed",
    ),
    Case(
        "hold",
        lambda world: world.post(),
        "It is held back until somebody lets it go.",
        lambda _: MeterEvent.objects.get().state == MeterEvent.State.HELD,
    ),
    Case(
        "let_go",
        _held,
        "It will be sent.",
        lambda _: MeterEvent.objects.get().state == MeterEvent.State.WAITING,
    ),
    Case(
        "send_again",
        _rejected,
        "It will be sent again.",
        lambda _: MeterEvent.objects.get().state == MeterEvent.State.WAITING,
    ),
    Case(
        "handle_again",
        _past_due_at_stripe,
        "The plan becomes past_due; it was active.",
        lambda world: Plan.objects.get().status == Status.PAST_DUE,
    ),
    Case(
        "recount",
        lambda world: world.period,
        "The reports say 3 series, the ledger 3: nothing changes.",
        lambda _: True,
    ),
    Case(
        "recount",
        lambda world: world.close().period,
        "The reports say 3 series, the statement 3: nothing changes.",
        lambda _: not Correction.objects.exists(),
    ),
    Case(
        "recount",
        _corrected_wrongly,
        "The reports say 3 series, the statement 300. A correction to 3 is proposed.",
        lambda _: Correction.objects.get(decision=None).series == 3,
    ),
    Case(
        "close_now",
        lambda world: world.end(),
        "Closed with 3 series, $100.00.",
        lambda world: world.period.statement.series == 3,
    ),
    Case(
        "propose",
        lambda world: world.close(),
        "3 to 300 series, $100.00 to $150.00; $0.00 are given back once a second person"
        " applies it.",
        lambda _: Correction.objects.get().amount_cents == 15000,
        {"series": 300},
    ),
    Case(
        "apply",
        lambda world: world.propose(series=300, by=make_user("first", is_staff=True)),
        "Applied; $0.00 are given back.",
        lambda _: Correction.objects.get().decision.applied,
    ),
    Case(
        "decline",
        lambda world: world.propose(series=300),
        "Declined; the statement stays as it is.",
        lambda _: not Correction.objects.get().decision.applied,
    ),
]


def everything(world: World) -> tuple[Any, Any]:
    """Return all rows of ours and all objects at Stripe."""
    rows = {
        model._meta.label: sorted(map(str, model._default_manager.values_list()))
        for model in apps.get_models()
        if model._meta.app_label in ("billing", "series", "tenancy", "admin")
    }
    return rows, deepcopy(world.shop.state.tables)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.action)
class TestEveryAct:
    def test_is_done_as_it_was_shown(self, desk: Client, world: World, case: Case) -> None:
        row = case.row(world)
        before = everything(world)

        shown = acting.show(desk, row, case.action, **case.values)

        assert everything(world) == before
        assert shown.effects == [acting.plain(case.effect.format(period=world.period))]

        said = acting.act(desk, row, case.action, **case.values)

        effect = shown.effects[0]
        assert said.casefold().endswith(effect.casefold())
        assert case.is_seen(world)
        asked, done = LogEntry.objects.order_by("pk")
        assert asked.change_message.endswith(", asked. Reason: it was agreed")
        assert effect.casefold() in acting.plain(done.change_message).casefold()
        assert done.change_message.endswith("Reason: it was agreed")
        for entry in (asked, done):
            assert (entry.user, entry.object_id) == (world.root, str(row.pk))

    def test_needs_a_reason(self, desk: Client, world: World, case: Case) -> None:
        row = case.row(world)
        before = everything(world)
        shown = acting.show(desk, row, case.action, **case.values)
        digest = shown.page.select_one("input[name=shown]")
        assert digest is not None

        data = {"step": "act", "shown": digest["value"], "reason": "", **case.values}
        answer = desk.post(
            acting.address(row), {"action": case.action, "_selected_action": [row.pk], **data}
        )

        assert "Say why" in answer.content.decode()
        assert everything(world) == before

    def test_is_not_for_who_may_only_view(
        self, desk: Client, world: World, root: User, case: Case
    ) -> None:
        row = case.row(world)
        User.objects.filter(pk=root.pk).update(is_superuser=False)
        root.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        before = everything(world)
        data = {"action": case.action, "_selected_action": [row.pk], "step": "act"}

        page = desk.get(acting.address(row))
        desk.post(acting.address(row), {**data, "reason": "I may", **case.values})

        assert page.status_code == 200
        assert soup(page).select("select[name=action]") == []
        assert everything(world) == before


class TestPostNow:
    def test_shows_nothing_in_the_last_minute_where_it_would_store_nothing(
        self, desk: Client, world: World
    ) -> None:
        world.travel(world.period.ends_at - MINUTE)

        shown = acting.show(desk, world.plan, "post_now")

        assert shown.effects[0].startswith("There is nothing to post")
        assert not shown.can_act
        assert posting.preview([world.plan.pk]) == []


class TestWhatChangedSince:
    def test_is_shown_again_instead_of_done(self, desk: Client, world: World) -> None:
        statement = world.close()
        digest = acting.show(desk, statement, "propose", series=300).page.select_one(
            "input[name=shown]"
        )
        assert digest is not None

        said = desk.post(
            acting.address(statement),
            {
                "action": "propose",
                "_selected_action": [statement.pk],
                "step": "act",
                "series": 400,
                "reason": "miscounted",
                "shown": digest["value"],
            },
        ).content.decode()

        assert "Nothing was done; look again." in said
        assert "3 to 400 series" in said
        assert not Correction.objects.exists()


class TestRecord:
    """What is kept of an act that was not simply done."""

    def test_says_that_it_was_asked_where_it_was_refused(
        self, desk: Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise freezing.FreezeError("Somebody else was quicker.")

        monkeypatch.setattr(freezing, "freeze", refuse)

        said = acting.act(desk, world.plan, "freeze")

        assert said.endswith("Somebody else was quicker.")
        assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
            "Freeze billing of the organization, asked. Reason: it was agreed",
            "Freeze billing of the organization, not finished: Somebody else was quicker.",
        ]

    def test_says_that_it_was_asked_where_it_broke_off(
        self, desk: Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_off(*_: object, **__: object) -> None:
            raise SystemError("killed")

        monkeypatch.setattr(freezing, "freeze", break_off)

        with pytest.raises(SystemError):
            acting.act(desk, world.plan, "freeze")

        assert ", asked. Reason: it was agreed" in LogEntry.objects.get().change_message

    def test_is_in_the_audit_with_the_reason(self, desk: Client, world: World) -> None:
        acting.act(desk, world.plan, "freeze")

        audited = Change.objects.filter(relation="django_admin_log").order_by("id")
        entries = LogEntry.objects.order_by("pk")
        assert [change.row for change in audited] == [str(entry.pk) for entry in entries]
        for change in audited:
            assert (change.user, change.why) == (world.root, "it was agreed")
            assert change.organization_id == world.plan.organization_id


class TestExtendTrial:
    def test_is_done_as_it_was_shown_here_and_at_stripe(
        self, desk: Client, shop: Sandbox, trial: Plan
    ) -> None:
        before = trial.trial_ends_at
        assert before is not None

        shown = acting.show(desk, trial, "extend_trial", days=10)
        assert Plan.objects.get().trial_ends_at == before
        said = acting.act(desk, trial, "extend_trial", days=10)

        until = before + 10 * DAY
        assert said.casefold().endswith(shown.effects[0].casefold())
        assert Plan.objects.get().trial_ends_at == until
        assert BillingPeriod.objects.get().ends_at == until
        subscription = at_stripe(shop, trial.stripe_subscription_id)
        assert subscription["trial_end"] == int(until.timestamp())
        trial.organization.refresh_from_db()
        assert trial.organization.private_until == until + DAY

    def test_is_refused_where_there_is_none(self, desk: Client, plan: Plan) -> None:
        shown = acting.show(desk, plan, "extend_trial", days=10)

        assert shown.effects == ["The plan is not in a trial; it is active."]
        assert not shown.can_act

    @pytest.mark.parametrize("days", [0, -1, 1000, "", "soon"])
    def test_takes_days_only(self, desk: Client, trial: Plan, days: object) -> None:
        shown = acting.show(desk, trial, "extend_trial", days=days)

        assert shown.page.select_one("#id_days_error")
        assert not shown.can_act


class TestHolding:
    def test_a_held_event_is_not_sent_until_it_is_let_go(self, desk: Client, world: World) -> None:
        event = world.post()
        acting.act(desk, event, "hold")
        send()
        assert MeterEvent.objects.get().sent_at is None

        acting.act(desk, event, "let_go")
        send()
        assert MeterEvent.objects.get().sent_at is not None

    def test_reconciling_says_so(self, world: World) -> None:
        _held(world)

        (checked,) = reconcile.run(now=clock.now(), organization=world.plan.organization)

        assert checked.differences == [
            drift.Difference(
                Drift.Reason.NOT_DELIVERED, "The event of 3 series is held back by staff."
            )
        ]

    def test_what_was_sent_can_not_be_held(self, desk: Client, world: World) -> None:
        event = world.post()
        send()

        shown = acting.show(desk, event, "hold")

        assert shown.effects == ["Only what waits can be held back; it is sent."]
        assert not shown.can_act

    def test_a_rejected_event_is_billed_once_it_is_sent_again(
        self, desk: Client, world: World
    ) -> None:
        event = _rejected(world)

        acting.act(desk, event, "send_again")
        send()

        event.refresh_from_db()
        assert event.state is MeterEvent.State.SENT
        assert drift_of(world) == []

    def test_a_rejected_event_is_not_sent_again_after_a_newer_one(
        self, desk: Client, world: World
    ) -> None:
        event = _rejected(world)
        world.travel(clock.now() + MINUTE)
        world.post()

        shown = acting.show(desk, event, "send_again")

        assert shown.effects == ["A newer value of its period is stored, 3: the last one counts."]


def drift_of(world: World) -> list[drift.Difference]:
    """Return what differs, Stripe's meter included, once it had time to sum up."""
    world.travel(clock.now() + HOUR)
    (checked,) = reconcile.run(now=clock.now(), organization=world.plan.organization)
    assert checked.stripe is not None
    assert checked.stripe.summary == 3
    return checked.differences


class TestFreezing:
    def test_sends_nothing_and_counts_on(self, desk: Client, world: World) -> None:
        acting.act(desk, world.plan, "freeze")
        world.post()
        send()
        assert [event.state for event in MeterEvent.objects.all()] == [MeterEvent.State.WAITING]

        acting.act(desk, world.plan, "go_on")
        send()
        assert MeterEvent.objects.get().state is MeterEvent.State.SENT

    def test_is_not_begun_twice(self, desk: Client, world: World) -> None:
        _frozen(world)

        shown = acting.show(desk, world.plan, "freeze")

        assert "already" in shown.effects[0]
        assert not shown.can_act

    def test_keeps_invoices_drafts_until_billing_goes_on(self, desk: Client, world: World) -> None:
        _frozen(world)
        world.close()
        for _ in range(12):
            verification.run(now=clock.now())
            world.travel(clock.now() + timedelta(hours=6))
        (draft,) = self.cycle_invoices(world)
        assert draft["status"] == "draft"

        acting.act(desk, world.plan, "go_on")
        send()
        for _ in range(8):
            world.travel(clock.now() + HOUR)
            verification.run(now=clock.now())

        (invoice,) = self.cycle_invoices(world)
        assert invoice["status"] in ("open", "paid")
        assert invoice["total"] == 10000

    def cycle_invoices(self, world: World) -> list[dict[str, Any]]:
        return [
            invoice
            for invoice in world.shop.objects("invoice")
            if invoice["billing_reason"] == "subscription_cycle"
        ]


class TestWhereStripeDoesNotAnswer:
    def test_a_comparison_says_so(self, desk: Client, world: World) -> None:
        world.shop.faults.next("GET /v1/*", Fault.UNAVAILABLE, count=None)

        shown = acting.show(desk, world.plan, "compare")

        assert shown.effects == ["1 period compared; Stripe could not be asked."]
