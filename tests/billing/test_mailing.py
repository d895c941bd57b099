"""Sending notices: to every leader, once, in text and HTML, and again where it failed."""

import re
import smtplib
from datetime import datetime
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection

from bencher import clock
from bencher.tenancy.models import Membership, Organization, Role
from billing import mailing
from billing.models import BillingPeriod, Notice
from tests.factories import DEC, NOV, make_member, make_organization, make_period, make_plan
from tests.factories import make_user as make_user_called

pytestmark = pytest.mark.django_db

AT = "2026-11-18T12:03:07+00:00"
FIGURES: dict[Notice.Kind, dict[str, Any]] = {
    Notice.Kind.TRIAL_ENDING: {"ends_at": "2026-12-01T00:00:00+00:00"},
    Notice.Kind.TIER_CROSSED: {"band": 1, "series": 300, "counted_at": AT},
    Notice.Kind.BUDGET_REACHED: {
        "unit": "amount",
        "limit": 20000,
        "threshold": 75,
        "used": 15000,
        "series": 300,
        "counted_at": AT,
    },
    Notice.Kind.PAYMENT_FAILED: {"status": "unpaid", "private_until": AT},
    Notice.Kind.STATEMENT_READY: {
        "statement": "8e03978e-40d5-43e8-bc93-6894a57f9324",
        "series": 300,
        "amount_cents": 15000,
        "currency": "usd",
        "kind": "paid",
        "sha256": "ab" * 32,
    },
}
# What must stand in each e-mail, subject and text.
SAYS = {
    Notice.Kind.TRIAL_ENDING: ["1 December 2026, 00:00:00 UTC", "cancel"],
    Notice.Kind.TIER_CROSSED: ["300 active series", "251–375", "$150.00"],
    Notice.Kind.BUDGET_REACHED: ["75%", "$150.00", "$200.00", "Nothing is cut off"],
    Notice.Kind.PAYMENT_FAILED: ["18 November 2026, 12:03:07 UTC"],
    Notice.Kind.STATEMENT_READY: ["ab" * 32, "$150.00", "8e03978e-40d5-43e8-bc93-6894a57f9324"],
}


@pytest.fixture
def now(db: None) -> datetime:
    """Return the present instant."""
    return clock.now()


@pytest.fixture
def acme(db: None) -> Organization:
    """Return Acme, led by Alice and Carol; Bob is a member."""
    acme = make_organization("Acme & <b>Sons", leader=make_user_called("alice"))
    make_member(make_user_called("bob"), acme)
    Membership.objects.filter(pk=make_member(make_user_called("carol"), acme).pk).update(
        role=Role.LEADER
    )
    return acme


@pytest.fixture
def period(acme: Organization) -> BillingPeriod:
    """Return Acme's November."""
    return make_period(make_plan(acme), starts_at=NOV, ends_at=DEC)


def notice(period: BillingPeriod, kind: Notice.Kind, about: str = "it") -> Notice:
    """Return a notice that waits."""
    return Notice.objects.create(
        organization=period.organization,
        period=period,
        kind=kind,
        about=about,
        figures=FIGURES[kind],
        noticed_at=NOV,
    )


def let_the_wait_pass() -> None:
    """Make what was claimed due again."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_notice SET next_attempt_at = statement_timestamp()")


class TestSend:
    def test_writes_to_every_leader_once(self, period: BillingPeriod, now: datetime) -> None:
        sent = notice(period, Notice.Kind.TIER_CROSSED)

        assert mailing.send_due(now=now) == mailing.Mailed(sent=1)
        assert mailing.send_due(now=now) == mailing.Mailed()

        assert [message.to for message in mail.outbox] == [
            ["alice@example.com", "carol@example.com"]
        ]
        sent.refresh_from_db()
        assert sent.sent_at == now
        assert len(sent.recipients) == 2

    @pytest.mark.parametrize("kind", Notice.Kind)
    def test_says_what_happened_in_text_and_html(
        self, period: BillingPeriod, now: datetime, kind: Notice.Kind
    ) -> None:
        notice(period, kind)

        mailing.send_due(now=now)

        message = mail.outbox[0]
        assert isinstance(message, EmailMultiAlternatives)
        html = str(message.alternatives[0][0])
        for part in (f"{message.subject}\n{message.body}", html):
            assert "/organizations/acme-b-sons/billing/" in part
            for words in SAYS[kind]:
                assert words in part
        assert message.subject.startswith("Acme & <b>Sons: ")
        assert "Acme & <b>Sons" in message.body
        assert "<b>Sons" not in html
        # Nothing is loaded when it is read, so nobody learns that it was.
        assert not re.search(r"<(img|link|script|iframe)|url\(", html)

    def test_one_that_fails_stops_no_other_and_is_tried_again(
        self, period: BillingPeriod, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = notice(period, Notice.Kind.TIER_CROSSED)
        second = notice(period, Notice.Kind.PAYMENT_FAILED)
        send = EmailMultiAlternatives.send

        def refuse_first(message: EmailMultiAlternatives, *args: Any, **kwargs: Any) -> int:
            if str(first.uuid) in message.extra_headers["Message-ID"]:
                raise smtplib.SMTPServerDisconnected("gone")
            return send(message, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(EmailMultiAlternatives, "send", refuse_first)
            assert mailing.send_due(now=now) == mailing.Mailed(sent=1, failed=1)
            assert mailing.send_due(now=now) == mailing.Mailed()
        first.refresh_from_db()
        assert (first.sent_at, first.failure, first.attempts) == (None, "gone", 1)

        let_the_wait_pass()
        assert mailing.send_due(now=now) == mailing.Mailed(sent=1)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.sent_at, first.failure) == (now, "")
        assert second.attempts == 1

    def test_gives_up_where_people_see_it(
        self, period: BillingPeriod, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost = notice(period, Notice.Kind.TIER_CROSSED)

        def refuse(*_: Any, **__: Any) -> int:
            raise ConnectionRefusedError("no mail server")

        monkeypatch.setattr(EmailMultiAlternatives, "send", refuse)
        for _ in range(mailing.ATTEMPTS + 1):
            mailing.send_due(now=now)
            let_the_wait_pass()

        lost.refresh_from_db()
        assert (lost.attempts, lost.given_up_at) == (mailing.ATTEMPTS, now)

    def test_a_crash_after_sending_sends_the_same_message(
        self, period: BillingPeriod, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notice(period, Notice.Kind.TIER_CROSSED)
        send = EmailMultiAlternatives.send

        def die_after_sending(message: EmailMultiAlternatives, *args: Any, **kwargs: Any) -> int:
            send(message, *args, **kwargs)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(EmailMultiAlternatives, "send", die_after_sending)
            with pytest.raises(KeyboardInterrupt):
                mailing.send_due(now=now)
        let_the_wait_pass()
        mailing.send_due(now=now)

        first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
        assert first == second

    def test_without_a_leader_it_is_said_so(self, period: BillingPeriod, now: datetime) -> None:
        Membership.objects.all().delete()
        unread = notice(period, Notice.Kind.TIER_CROSSED)

        assert mailing.send_due(now=now) == mailing.Mailed(failed=1)
        unread.refresh_from_db()
        assert "no leader" in unread.failure
