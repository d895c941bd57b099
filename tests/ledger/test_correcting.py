"""Correcting statements: two people, a credit note downwards, no charge upwards, once."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction

from bencher import clock
from bencher.tenancy.models import User
from billing import correcting, gateway
from billing.models import Correction, CorrectionDecision, Settlement, Statement
from tests.billing.conftest import report
from tests.factories import make_user
from tests.ledger.conftest import Customer
from tests.stripe_sandbox import Fault

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def statement(customer: Customer) -> Statement:
    """Return the statement of a paid month with 254 series, $150.00, whose invoice is paid."""
    report(customer.project, 254)
    period = customer.running
    customer.end_period()
    found = Statement.objects.get(period=period)
    assert (found.series, found.amount_cents) == (254, 15000)
    assert Settlement.objects.get(statement=found).agrees
    return found


@pytest.fixture
def first(db: None) -> User:
    """Return a member of staff."""
    return make_user("staff-one", is_staff=True)


@pytest.fixture
def second(db: None) -> User:
    """Return another one."""
    return make_user("staff-two", is_staff=True)


def propose(statement: Statement, series: int, by: User) -> Correction:
    return correcting.propose(
        statement, series=series, why="Four were counted twice.", by=by, now=clock.now()
    )


def apply(correction: Correction, by: User) -> CorrectionDecision:
    return correcting.apply(correction, by=by, now=clock.now())


def crash_once_it_is_given_back(
    correction: Correction, by: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let whoever applies a correction crash between Stripe's answer and the decision."""
    with monkeypatch.context() as patch:
        patch.setattr(correcting, "_decide", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            apply(correction, by)


class TestDownwards:
    def test_gives_the_difference_back_on_the_invoice(
        self, customer: Customer, statement: Statement, first: User, second: User
    ) -> None:
        decision = apply(propose(statement, 250, first), second)

        (note,) = customer.sandbox.objects("credit_note")
        assert note["id"] == decision.stripe_credit_note_id
        assert note["amount"] == 5000
        assert note["invoice"] == Settlement.objects.get(statement=statement).stripe_invoice_id
        statement.refresh_from_db()
        assert statement.series == 254

    def test_is_given_back_once_whatever_crashes(
        self,
        customer: Customer,
        statement: Statement,
        first: User,
        second: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        correction = propose(statement, 250, first)
        crash_once_it_is_given_back(correction, second, monkeypatch)
        # Two days later Stripe has forgotten the idempotency key.
        customer.go_to(clock.now() + timedelta(days=2))

        first_time, again = apply(correction, second), apply(correction, second)

        assert first_time == again
        assert len(customer.sandbox.objects("credit_note")) == 1

    def test_is_not_declined_once_stripe_gave_it_back(
        self,
        customer: Customer,
        statement: Statement,
        first: User,
        second: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        correction = propose(statement, 250, first)
        crash_once_it_is_given_back(correction, second, monkeypatch)
        (note,) = customer.sandbox.objects("credit_note")

        with pytest.raises(correcting.CorrectionError, match=f"credit note {note['id']}"):
            correcting.decline(correction, by=first, now=clock.now())

        assert apply(correction, second).stripe_credit_note_id == note["id"]

    def test_is_not_declined_while_stripe_can_not_be_asked(
        self, customer: Customer, statement: Statement, first: User
    ) -> None:
        correction = propose(statement, 250, first)
        customer.sandbox.faults.next("GET /v1/credit_notes", Fault.UNAVAILABLE, count=None)

        with pytest.raises(gateway.TemporaryError):
            correcting.decline(correction, by=first, now=clock.now())

        assert not CorrectionDecision.objects.exists()

    def test_gives_nothing_back_of_an_invoice_that_differs(
        self, customer: Customer, statement: Statement, first: User, second: User
    ) -> None:
        Settlement.objects.create(
            statement=statement,
            stripe_invoice_id="in_less",
            series=250,
            amount_cents=10000,
            agrees=False,
            difference="The invoice charges $100.00, the statement $150.00.",
            settled_at=clock.now(),
        )
        correction = propose(statement, 250, first)

        with pytest.raises(correcting.CorrectionError, match=r"in_less charges \$100\.00"):
            apply(correction, second)

        assert not customer.sandbox.objects("credit_note")
        assert not CorrectionDecision.objects.exists()

    def test_builds_on_the_one_before(
        self, customer: Customer, statement: Statement, first: User, second: User
    ) -> None:
        apply(propose(statement, 253, first), second)
        assert correcting.current(statement) == (253, 15000)
        # Within the band nothing is given back.
        assert not customer.sandbox.objects("credit_note")

        found = correcting.effect(statement, series=200)
        assert (found.before_series, found.credit_cents) == (253, 5000)

    def test_waits_for_a_final_invoice(self, customer: Customer, first: User, second: User) -> None:
        report(customer.project, 254)
        period = customer.running
        customer.go_to(period.ends_at + timedelta(minutes=11))
        correction = propose(Statement.objects.get(period=period), 1, first)

        with pytest.raises(correcting.CorrectionError, match="not final yet"):
            apply(correction, second)

        customer.go_to(period.ends_at + 3 * HOUR)
        assert apply(correction, second).stripe_credit_note_id


class TestUpwards:
    def test_is_recorded_and_never_charged(
        self, customer: Customer, statement: Statement, first: User, second: User
    ) -> None:
        before = len(customer.sandbox.requests)

        decision = apply(propose(statement, 900, first), second)

        assert decision.stripe_credit_note_id == ""
        assert correcting.current(statement) == (900, 36000)
        assert len(customer.sandbox.requests) == before


class TestDecision:
    def test_needs_a_second_person(self, statement: Statement, first: User) -> None:
        correction = propose(statement, 250, first)

        with pytest.raises(correcting.CorrectionError, match="second person"):
            apply(correction, first)
        with pytest.raises(IntegrityError, match="second person"), transaction.atomic():
            CorrectionDecision.objects.create(
                correction=correction, applied=True, decided_by=first, decided_at=clock.now()
            )

    def test_is_made_once(
        self, customer: Customer, statement: Statement, first: User, second: User
    ) -> None:
        correction = propose(statement, 250, first)
        correcting.decline(correction, by=first, now=clock.now())

        with pytest.raises(correcting.CorrectionError, match="declined already"):
            apply(correction, second)
        assert not customer.sandbox.objects("credit_note")
        assert correcting.current(statement) == (254, 15000)

    @pytest.mark.parametrize("series", [-1, correcting.MOST_SERIES + 1])
    def test_is_about_a_count(self, statement: Statement, first: User, series: int) -> None:
        with pytest.raises(correcting.CorrectionError, match="A count is a number from 0"):
            propose(statement, series, first)

    def test_comes_before_the_next_proposal(self, statement: Statement, first: User) -> None:
        propose(statement, 250, first)

        with pytest.raises(correcting.CorrectionError, match="not decided yet"):
            propose(statement, 249, first)

    def test_stripe_failing_leaves_it_undecided(
        self,
        statement: Statement,
        first: User,
        second: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        correction = propose(statement, 250, first)

        def down(*_: Any, **__: Any) -> Any:
            raise gateway.TemporaryError("no answer", {"status": None})

        with monkeypatch.context() as patch:
            patch.setattr(gateway.Gateway, "credit", down)
            with pytest.raises(gateway.TemporaryError):
                apply(correction, second)

        assert not CorrectionDecision.objects.exists()
        assert apply(correction, second).applied

    @pytest.mark.parametrize(("series", "why"), [(254, "It is so."), (250, "  ")])
    def test_needs_a_difference_and_a_reason(
        self, statement: Statement, first: User, series: int, why: str
    ) -> None:
        with pytest.raises(correcting.CorrectionError):
            correcting.propose(statement, series=series, why=why, by=first, now=clock.now())

    @pytest.mark.parametrize("table", ["billing_correction", "billing_correctiondecision"])
    @pytest.mark.parametrize(
        "attack", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {} = {}"]
    )
    def test_is_final(
        self, statement: Statement, first: User, second: User, table: str, attack: str
    ) -> None:
        apply(propose(statement, 250, first), second)
        column = "series" if table == "billing_correction" else "applied"

        with connection.cursor() as cursor:
            # What waits for the commit would refuse a TRUNCATE before the trigger does.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with pytest.raises(IntegrityError, match="final"), transaction.atomic():
                cursor.execute(attack.format(table, column, column))


class TestCommand:
    def run(self, *arguments: str) -> str:
        output = StringIO()
        call_command("correct_statement", *arguments, stdout=output)
        return output.getvalue()

    def test_proposes_and_applies(
        self, customer: Customer, statement: Statement, first: User, second: User
    ) -> None:
        propose = ("propose", str(statement.uuid), "--series=250", "--why=twice")
        by = f"--by={first.email}"
        shown = self.run(*propose, by, "--dry-run")
        assert "254 series, $150.00 -> 250 series, $100.00; given back: $50.00" in shown
        assert not Correction.objects.exists()

        uuid = self.run(*propose, by).rsplit("proposed: ")[1].strip()
        assert "$50.00" in self.run("apply", uuid, f"--by={second.email}", "--dry-run")
        assert not CorrectionDecision.objects.exists()
        assert "applied, credit note" in self.run("apply", uuid, f"--by={second.email}")

    def test_says_what_is_wrong(self, statement: Statement, first: User) -> None:
        uuid, by = str(statement.uuid), f"--by={first.email}"
        for arguments, says in [
            (("propose", uuid, "--series=1", "--why=x", "--by=nobody@example.com"), "of staff"),
            (("propose", uuid, "--series=-1", "--why=x", by), "0 or more"),
            (("propose", uuid, "--series=254", "--why=x", by), "already"),
            (("propose", str(first.uuid), "--series=1", "--why=x", by), "no statement"),
            (("apply", uuid, by), "no correction"),
        ]:
            with pytest.raises(CommandError, match=says):
                self.run(*arguments)
