"""A correction that two people decide at the same moment."""

from datetime import timedelta

import pytest

from bencher import clock
from bencher.tenancy.models import User
from billing import correcting, gateway
from billing.models import Correction, CorrectionDecision, Plan
from tests.concurrency.stepping import Pause, begin, done
from tests.factories import make_user
from tests.pages import accounts


@pytest.fixture
def second(committed_db: str) -> User:
    """Return the one who applies."""
    return make_user("second", is_staff=True)


@pytest.fixture
def correction(plan: Plan) -> Correction:
    """Return a correction from $150.00 to $100.00."""
    now = clock.now()
    statement = accounts.make_statement(
        plan,
        starts_at=now - timedelta(days=90),
        ends_at=now - timedelta(days=60),
        series=254,
        amount_cents=15000,
    )
    first = make_user("first", is_staff=True)
    accounts.make_settlement(statement, difference="")
    return correcting.propose(statement, series=250, why="twice", by=first, now=now)


def test_is_not_declined_while_the_difference_is_given_back(
    correction: Correction, second: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = Pause()
    monkeypatch.setattr(correcting, "_given_back", lambda _: "")
    monkeypatch.setattr(correcting, "_credit", given_back.after(lambda _: "cn_1"))
    applying = begin(lambda: correcting.apply(correction, by=second, now=clock.now()))
    given_back.wait_until_reached()

    with pytest.raises(correcting.CorrectionError, match="just now"):
        correcting.decline(correction, by=correction.proposed_by, now=clock.now())
    given_back.let_go()

    assert done(applying).stripe_credit_note_id == "cn_1"
    with pytest.raises(correcting.CorrectionError, match="applied already"):
        correcting.decline(correction, by=correction.proposed_by, now=clock.now())
    assert CorrectionDecision.objects.get().applied


def test_is_free_for_others_once_an_attempt_has_failed(
    correction: Correction, second: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a session that goes on, as those of a web process do."""

    def down(_: Correction) -> str:
        raise gateway.TemporaryError("no answer", {"status": None})

    with monkeypatch.context() as patch:
        patch.setattr(correcting, "_credit", down)
        with pytest.raises(gateway.TemporaryError):
            correcting.apply(correction, by=second, now=clock.now())
    monkeypatch.setattr(correcting, "_credit", lambda _: "cn_1")

    applied = done(begin(lambda: correcting.apply(correction, by=second, now=clock.now())))

    assert applied.stripe_credit_note_id == "cn_1"
