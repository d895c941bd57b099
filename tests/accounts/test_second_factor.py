"""An authenticator app and recovery codes beside the password, and who was asked for them."""

import base64
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.mail import EmailMessage
from django.db import transaction
from django.test import Client, RequestFactory

from bencher.tenancy import second_factor
from bencher.tenancy.models import User
from tests import factories
from tests.accounts import totp
from tests.accounts.conftest import confirm
from tests.pages.reading import soup, words

pytestmark = pytest.mark.django_db

HERE = "/account/second-factor/"
STEP = f"{HERE}authenticate/"
AT = 1_793_000_010


class Watch:
    """What the clocks of the app, of the server and of its cache show."""

    def __init__(self) -> None:
        self.now = float(AT)

    def time(self) -> float:
        """Return the Unix time."""
        return self.now

    def date(self) -> datetime:
        """Return it as the cache reads it."""
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Set the time by which codes are made and checked."""
    watch = Watch()
    monkeypatch.setattr(time, "time", watch.time)
    monkeypatch.setattr("django.core.cache.backends.db.tz_now", watch.date)
    return watch


@pytest.fixture(autouse=True)
def _committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do at once what is done after a commit: within a test there is none."""
    monkeypatch.setattr(transaction, "on_commit", lambda do, **_: do())


@pytest.fixture
def secret(alices: Client, watch: Watch) -> str:
    """Let Alice set up an app, and return the secret that it has."""
    confirm(alices)
    page = soup(alices.get(f"{HERE}totp/activate/"))
    shown = words(page.select_one(".secret"))
    response = alices.post(f"{HERE}totp/activate/", {"code": totp.code(shown, at=AT)})
    assert response["Location"] == f"{HERE}recovery-codes/"
    watch.now += 60
    return shown


@pytest.fixture
def codes(alices: Client, secret: str) -> list[str]:
    """Return Alice's recovery codes."""
    page = soup(alices.get(f"{HERE}recovery-codes/"))
    return [words(code) for code in page.select(".recovery-codes code")]


def with_password(user: User) -> Client:
    """Return a browser in which the password was entered and nothing else."""
    client = Client()
    form = {"login": user.email, "password": factories.PASSWORD, "next": "/account/"}
    assert client.post("/sign-in/", form)["Location"] == STEP
    return client


class TestOracle:
    @pytest.mark.parametrize(
        ("at", "expected"),
        [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
    )
    def test_agrees_with_the_examples_of_rfc_6238(self, at: int, expected: str) -> None:
        assert totp.code(base64.b32encode(b"12345678901234567890").decode(), at=at) == expected


class TestApp:
    def test_is_set_up_with_a_code_that_it_shows(
        self, alice: User, alices: Client, secret: str, mailoutbox: list[EmailMessage]
    ) -> None:
        assert second_factor.is_enrolled(alice)
        page = words(alices.get(HERE))
        assert "Authenticator app On" in page
        assert [mail.subject for mail in mailoutbox] == ["Your authenticator app is on"]

    def test_is_not_set_up_with_another_code(self, alice: User, alices: Client) -> None:
        confirm(alices)
        alices.get(f"{HERE}totp/activate/")

        response = alices.post(f"{HERE}totp/activate/", {"code": "000000"})

        assert "That code is not right" in words(response)
        assert not second_factor.is_enrolled(alice)

    def test_wants_to_know_first_that_it_is_you(self, alices: Client) -> None:
        for page in ("totp/activate/", "webauthn/add/", "recovery-codes/generate/"):
            answer: Any = alices.get(HERE + page)
            assert answer["Location"].startswith("/account/confirm/?next=")

    def test_shows_the_secret_also_as_a_picture_of_its_own(self, alices: Client) -> None:
        confirm(alices)
        page = soup(alices.get(f"{HERE}totp/activate/"))

        picture: Any = page.find("img")
        assert picture["alt"]
        assert picture["src"].startswith("data:image/svg+xml;base64,")

    def test_keeps_no_secret_that_can_be_read_from_the_database(
        self, secret: str, codes: list[str]
    ) -> None:
        stored = str(list(Authenticator.objects.values_list("data", flat=True)))

        assert secret not in stored
        assert not [code for code in codes if code in stored]

    def test_still_works_with_a_new_secret_key(
        self, alice: User, secret: str, watch: Watch, settings: Any
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another key, after the old one became known"

        client = with_password(alice)

        answer = client.post(STEP, {"code": totp.code(secret, at=watch.now)})
        assert answer["Location"] == "/account/"

    def test_does_not_stand_in_the_way_of_another_address(
        self, alice: User, alices: Client, secret: str, mailoutbox: list[EmailMessage]
    ) -> None:
        form = {"email": "alice@new.example", "action_add": ""}
        alices.post("/account/email/", form)
        (link,) = re.findall(r"http://testserver(\S+/verify/\S+)", str(mailoutbox[-1].body))
        assert alices.get(f"{HERE}webauthn/add/").status_code == 200, "nor does that for it"

        alices.post(link)

        alice.refresh_from_db()
        assert alice.email == "alice@new.example"
        assert second_factor.is_enrolled(alice)

    def test_is_turned_off(
        self, alice: User, alices: Client, secret: str, mailoutbox: list[EmailMessage]
    ) -> None:
        assert "your password alone opens your account" in words(
            alices.get(f"{HERE}totp/deactivate/")
        )

        alices.post(f"{HERE}totp/deactivate/")

        assert not Authenticator.objects.exists(), "nor are there recovery codes left"
        assert not second_factor.is_enrolled(alice)
        assert mailoutbox[-1].subject == "Your authenticator app is off"


class TestSecondStep:
    def test_lets_in_with_the_code_of_the_moment(
        self, alice: User, secret: str, watch: Watch
    ) -> None:
        client = with_password(alice)

        answer = client.post(STEP, {"code": totp.code(secret, at=watch.now)})

        assert answer["Location"] == "/account/", "where one wanted to be"
        assert client.get("/account/").status_code == 200

    @pytest.mark.parametrize(
        ("seconds", "status"), [(-60, 200), (-30, 302), (0, 302), (30, 302), (60, 200)]
    )
    def test_takes_the_codes_beside_it_and_no_others(
        self, alice: User, secret: str, watch: Watch, seconds: int, status: int
    ) -> None:
        client = with_password(alice)

        answer = client.post(STEP, {"code": totp.code(secret, at=watch.now + seconds)})

        assert answer.status_code == status

    @pytest.mark.parametrize("seconds", [0, 31, 59])
    def test_takes_no_code_twice(
        self, alice: User, secret: str, watch: Watch, seconds: int
    ) -> None:
        # The code of the next half minute, so that it is right all the time.
        code = totp.code(secret, at=watch.now + 30)
        assert with_password(alice).post(STEP, {"code": code}).status_code == 302
        watch.now += seconds

        answer = with_password(alice).post(STEP, {"code": f"{code[:3]} {code[3:]}"})

        assert answer.status_code == 200
        assert "it was used before" in words(answer)

    @pytest.mark.parametrize(
        "page", ["/organizations/", "/account/", HERE, "/admin/", f"{HERE}totp/deactivate/"]
    )
    def test_can_not_be_skipped(self, alice: User, secret: str, page: str) -> None:
        User.objects.update(is_staff=True, is_superuser=True)
        client = with_password(alice)

        assert client.get(page).status_code == 302
        assert "_auth_user_id" not in client.session
        assert client.post(f"{HERE}totp/deactivate/").status_code == 302
        assert second_factor.is_enrolled(alice)

    def test_can_not_be_skipped_by_confirming_or_by_a_new_password(
        self, alice: User, secret: str
    ) -> None:
        client = with_password(alice)

        client.post("/account/confirm/", {"password": factories.PASSWORD})
        client.post("/account/password/", {})

        assert client.get("/account/").status_code == 302

    def test_is_asked_for_after_a_password_reset_too(
        self, alice: User, secret: str, mailoutbox: list[EmailMessage]
    ) -> None:
        client = Client()
        client.post("/account/password/reset/", {"email": alice.email})
        (link,) = re.findall(r"http://testserver(\S+)", str(mailoutbox[-1].body))[:1]
        form = client.get(link, follow=True).redirect_chain[-1][0]
        new = "another good secret"
        client.post(form, {"password1": new, "password2": new})

        answer = client.post("/sign-in/", {"login": alice.email, "password": new})

        assert answer["Location"] == STEP

    def test_allows_five_attempts(self, alice: User, secret: str, watch: Watch) -> None:
        client = with_password(alice)
        for _ in range(5):
            client.post(STEP, {"code": "000000"})

        answer = client.post(STEP, {"code": totp.code(secret, at=watch.now)})

        assert "There were too many attempts to sign in." in words(answer)

    def test_holds_for_what_is_sensitive_for_five_minutes(
        self, alice: User, secret: str, watch: Watch
    ) -> None:
        client = with_password(alice)
        client.post(STEP, {"code": totp.code(secret, at=watch.now)})
        watch.now += 60
        client.post(f"{HERE}reauthenticate/", {"code": totp.code(secret, at=watch.now)})

        assert client.get(f"{HERE}recovery-codes/").status_code == 200
        watch.now += 299
        assert client.get(f"{HERE}recovery-codes/").status_code == 200
        watch.now += 2
        assert client.get(f"{HERE}recovery-codes/").status_code == 302

    def test_is_only_for_whoever_entered_the_password(self, client: Client) -> None:
        assert client.get(STEP)["Location"] == "/sign-in/"


class TestRecoveryCodes:
    def test_are_ten(self, codes: list[str]) -> None:
        assert len(set(codes)) == 10
        assert all(re.fullmatch(r"\d{8}", code) for code in codes)

    def test_let_in_once(self, alice: User, codes: list[str]) -> None:
        assert with_password(alice).post(STEP, {"code": codes[3]})["Location"] == "/account/"

        answer = with_password(alice).post(STEP, {"code": codes[3]})

        assert answer.status_code == 200
        assert with_password(alice).post(STEP, {"code": codes[4]}).status_code == 302

    def test_are_downloaded(self, alices: Client, codes: list[str]) -> None:
        response = alices.get(f"{HERE}recovery-codes/download/")

        assert response.content.decode().split() == codes
        assert "attachment" in response["Content-Disposition"]
        assert "no-store" in response["Cache-Control"]

    def test_end_when_new_ones_are_made(
        self,
        alice: User,
        alices: Client,
        codes: list[str],
        mailoutbox: list[EmailMessage],
    ) -> None:
        alices.post(f"{HERE}recovery-codes/generate/")

        assert with_password(alice).post(STEP, {"code": codes[0]}).status_code == 200
        assert mailoutbox[-1].subject == "You have new recovery codes"

    def test_are_shown_to_whoever_confirmed_only(self, alice: User, codes: list[str]) -> None:
        client = with_password(alice)
        client.post(STEP, {"code": codes[0]})

        answer: Any = client.get(f"{HERE}recovery-codes/")

        assert answer.status_code == 302
        assert "/confirm/" in answer["Location"] or "/reauthenticate/" in answer["Location"]


class TestPassedIn:
    """`second_factor` is what staff's pages ask."""

    def asked(self, client: Client) -> bool:
        """Return what is said of the session of a browser."""
        request = RequestFactory().get("/")
        request.session = client.session
        request.user = User.objects.get(pk=client.session["_auth_user_id"])
        return second_factor.passed_in(request)

    def test_is_false_with_the_password_alone(self, alices: Client) -> None:
        assert not self.asked(alices)

    def test_is_false_where_a_factor_was_only_set_up(self, alices: Client, secret: str) -> None:
        assert not self.asked(alices)

    def test_is_true_with_an_app_or_a_recovery_code(
        self, alice: User, secret: str, codes: list[str], watch: Watch
    ) -> None:
        for code in (totp.code(secret, at=watch.now), codes[0]):
            client = with_password(alice)
            client.post(STEP, {"code": code})
            assert self.asked(client)

    def test_is_true_once_confirmed_with_it(
        self, alices: Client, secret: str, watch: Watch
    ) -> None:
        alices.post(f"{HERE}reauthenticate/", {"code": totp.code(secret, at=watch.now)})

        assert self.asked(alices)

    def test_is_not_handed_on_to_another_user(
        self, alice: User, codes: list[str], db: None
    ) -> None:
        client = with_password(alice)
        client.post(STEP, {"code": codes[0]})
        client.force_login(factories.make_user("bob"))

        assert not self.asked(client)

    def test_is_enrolled_is_false_for_others(self, alice: User, secret: str) -> None:
        bob = factories.make_user("bob")

        assert not second_factor.is_enrolled(bob)
