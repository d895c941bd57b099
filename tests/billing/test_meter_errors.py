"""Thin events about meters, over real HTTP from the sandbox to our own address."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from bencher import clock
from billing import gateway, meter_errors, outbox, posting, tasks
from billing.models import (
    BillingCustomer,
    MeterErrorReport,
    MeterErrorSample,
    MeterEvent,
    Plan,
)
from tests.billing.conftest import make_subscriber, report
from tests.sandbox.receiving import receiver
from tests.sandbox.shop import make_client
from tests.stripe_sandbox import Sandbox

pytestmark = pytest.mark.django_db

ADDRESS = "/stripe/meter-errors/"
Received = list[tuple[bytes, str]]


@pytest.fixture(autouse=True)
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take tasks in place of Redis; returns the reports whose handling was enqueued."""
    enqueued: list[int] = []
    monkeypatch.setattr(
        tasks.handle_meter_errors, "delay", lambda *, report_id: enqueued.append(report_id)
    )
    return enqueued


@contextmanager
def listening(settings: Any) -> Iterator[Received]:
    """Let Stripe send thin events to a server that keeps them, and know their secret."""
    with receiver(lambda _: 200) as (url, received):
        made = gateway.connect().create_event_destination(
            name="Meter errors",
            url=url,
            enabled_events=[
                "v1.billing.meter.error_report_triggered",
                "v1.billing.meter.no_meter_found",
            ],
            marks={},
            idempotency_key="destination",
        )
        settings.STRIPE_THIN_WEBHOOK_SECRET = made.secret
        yield received


def deliver(body: bytes, signature: str) -> int:
    """Bring what Stripe sent to our address; returns the status."""
    return (
        Client()
        .post(
            ADDRESS,
            body,
            content_type="application/json",
            headers={"stripe-signature": signature},
        )
        .status_code
    )


@pytest.fixture
def sent(shop: Sandbox, settings: Any) -> tuple[Plan, bytes, str]:
    """Return a plan whose customer is gone at Stripe, and what Stripe says of its event."""
    plan, project = make_subscriber("acme")
    with listening(settings) as received:
        report(project, 3)
        posting.store([plan.pk], reason=MeterEvent.Reason.MANUAL, even_if_unchanged=True)
        outbox.send(gateway.connect(), per_second=1000)
        later = clock.now() + timedelta(minutes=10)
        shop.advance(int(later.timestamp()))
        assert shop.courier.drain(5)
        ((body, signature),) = received
    return plan, body, signature


class TestReport:
    def test_is_noted_read_linked_and_told(
        self,
        sent: tuple[Plan, bytes, str],
        enqueued: list[int],
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        caplog.set_level(logging.ERROR)
        plan, body, signature = sent
        event = MeterEvent.objects.get()
        with django_capture_on_commit_callbacks(execute=True):
            assert deliver(body, signature) == 200
        noted = MeterErrorReport.objects.get()
        assert enqueued == [noted.pk]
        assert noted.handled_at is None

        tasks.handle_meter_errors(report_id=noted.pk)

        noted.refresh_from_db()
        assert noted.errors == 1
        assert noted.meter_id
        assert noted.starts_at is not None
        sample = MeterErrorSample.objects.get()
        assert (sample.event, sample.organization) == (event, plan.organization)
        assert sample.code == "meter_event_customer_not_found"
        assert ("billing.meter_errors", logging.ERROR, "Stripe could not use meter events") in (
            caplog.record_tuples
        )

    def test_twice_is_once(self, sent: tuple[Plan, bytes, str]) -> None:
        _, body, signature = sent
        for _ in range(2):
            assert deliver(body, signature) == 200
            meter_errors.handle_waiting(now=clock.now())
            meter_errors.handle(MeterErrorReport.objects.get(), now=clock.now())

        assert MeterErrorReport.objects.count() == 1
        assert MeterErrorSample.objects.count() == 1

    def test_whose_task_was_lost_is_handled_by_timer(self, sent: tuple[Plan, bytes, str]) -> None:
        _, body, signature = sent
        deliver(body, signature)

        tasks.sync_plans()

        assert MeterErrorReport.objects.get().handled_at is not None

    def test_waits_while_stripe_does_not_answer(
        self, sent: tuple[Plan, bytes, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, body, signature = sent
        deliver(body, signature)

        def down(*_: Any, **__: Any) -> Any:
            raise gateway.TemporaryError("no answer", {"status": None})

        with monkeypatch.context() as patch:
            patch.setattr(gateway.Gateway, "meter_error_report", down)
            tasks.handle_meter_errors(report_id=MeterErrorReport.objects.get().pk)
            assert meter_errors.handle_waiting(now=clock.now()) == 1
        assert MeterErrorReport.objects.get().handled_at is None

        meter_errors.handle_waiting(now=clock.now())
        assert MeterErrorReport.objects.get().errors == 1

    def test_that_is_gone_at_stripe_is_kept_with_the_reason(self, shop: Sandbox) -> None:
        gone = MeterErrorReport.objects.create(
            event_id="evt_test_gone",
            type="v1.billing.meter.no_meter_found",
            received_at=clock.now(),
        )

        meter_errors.handle_waiting(now=clock.now())

        gone.refresh_from_db()
        assert gone.handled_at is not None
        assert "evt_test_gone" in gone.failure

    def test_about_somebody_elses_event_has_no_organization(
        self, sent: tuple[Plan, bytes, str]
    ) -> None:
        _, body, signature = sent
        MeterEvent.objects.update(identifier="another")
        deliver(body, signature)
        meter_errors.handle_waiting(now=clock.now())

        sample = MeterErrorSample.objects.get()
        assert (sample.event, sample.organization) == (None, None)
        assert sample.identifier.startswith(BillingCustomer.objects.get().stripe_customer_id)


class TestAddress:
    def test_takes_two_secrets_while_one_takes_the_others_place(
        self, sent: tuple[Plan, bytes, str], settings: Any
    ) -> None:
        _, body, signature = sent
        settings.STRIPE_THIN_WEBHOOK_SECRET = f"whsec_new,{settings.STRIPE_THIN_WEBHOOK_SECRET}"

        assert deliver(body, signature) == 200

    def test_refuses_what_stripe_did_not_sign(
        self, sent: tuple[Plan, bytes, str], settings: Any
    ) -> None:
        _, body, signature = sent
        flipped = body.replace(b"v1.billing", b"v1.Billing", 1)
        # The secret's own signature, an hour old.
        old = signature.replace("t=", "t=1")
        for attempt in [
            (flipped, signature),
            (body, old),
            (body, ""),
            (body, "nonsense"),
            (b"", signature),
            (b"\xff", signature),
        ]:
            assert deliver(*attempt) == 400
        settings.STRIPE_THIN_WEBHOOK_SECRET = "whsec_other"
        assert deliver(body, signature) == 400
        assert not MeterErrorReport.objects.exists()

    def test_answers_what_is_not_for_us_with_200(self, shop: Sandbox, settings: Any) -> None:
        with listening(settings) as received:
            destination = gateway.connect().event_destinations()[0]
            make_client(shop).v2.core.event_destinations.ping(destination.id)
            assert shop.courier.drain(5)
            ((body, signature),) = received
        assert json.loads(body)["type"] == "v2.core.event_destination.ping"

        assert deliver(body, signature) == 200
        assert not MeterErrorReport.objects.exists()

    def test_does_not_exist_without_a_secret(self, settings: Any) -> None:
        settings.STRIPE_THIN_WEBHOOK_SECRET = ""

        assert deliver(b"{}", "t=1,v1=1") == 404
        assert Client().get(ADDRESS).status_code == 405
