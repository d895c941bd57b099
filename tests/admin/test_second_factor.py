"""Staff get in with a second factor only, and confirm who they are before what moves money."""

import base64
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from bencher import local_code
from bencher.tenancy import second_factor
from bencher.tenancy.models import User
from billing.models import Freeze, MeterEvent, Plan
from tests import factories
from tests.accounts import totp
from tests.admin import acting
from tests.admin.rows import NOW, make_world
from tests.admin.test_roles import staff_addresses
from tests.pages.reading import soup, words
from tests.pages.test_every_page import check_no_inline_code
from tests.staffing import desk_of

pytestmark = pytest.mark.django_db

SECRET = base64.b32encode(b"12345678901234567890").decode()
PLANS = "/admin/billing/plan/"


@pytest.fixture
def without(staff: User) -> Client:
    """Return the browser of staff who signed in by password, there being nothing else."""
    return signed_in(staff)


def signed_in(user: User) -> Client:
    """Return a browser after the page that asks for the password."""
    client = Client()
    client.post("/sign-in/", {"login": user.email, "password": factories.PASSWORD})
    return client


def enroll(user: User) -> None:
    """Give a user an app."""
    TOTP.activate(user, SECRET)


class TestWithout:
    def test_nothing_is_shown_but_how_to_get_one(self, without: Client) -> None:
        make_world(1, now=NOW)
        pages = [*staff_addresses(), "/admin/login/", "/admin/jsi18n/", "/admin/password_change/"]

        for page in pages:
            answer = without.get(page)
            assert answer.status_code == 403, page
            assert b"need a second factor" in answer.content, page
            assert b"Org 1" not in answer.content, page

    def test_nothing_is_done(self, without: Client) -> None:
        make_world(1, now=NOW)
        Freeze.objects.all().delete()
        row = Plan.objects.get()

        answer = without.post(
            PLANS, {"action": "freeze", "_selected_action": row.pk, "step": "act", "reason": "so"}
        )

        assert answer.status_code == 403
        assert not Freeze.objects.exists()

    def test_the_page_leads_to_an_app_and_to_passkeys(self, without: Client) -> None:
        page = soup(without.get(PLANS))

        links = [link["href"] for link in page.select("main a")]
        assert links == [reverse("mfa_activate_totp"), reverse("mfa_add_webauthn")]
        check_no_inline_code(page)

    def test_metrics_are_not_shown_either(self, without: Client) -> None:
        assert without.get("/metrics").status_code == 401

    def test_others_are_still_told_that_they_are_no_staff(self) -> None:
        charlies = signed_in(factories.make_user("charlie"))

        assert charlies.get(PLANS)["Location"].startswith("/admin/login/")
        assert charlies.get("/admin/login/").status_code == 403


class TestWithOne:
    def test_staff_get_in_by_code(self, staff: User) -> None:
        enroll(staff)
        client = signed_in(staff)
        assert client.get("/admin/").status_code == 302

        client.post(
            "/account/second-factor/authenticate/", {"code": totp.code(SECRET, at=time.time())}
        )

        assert client.get("/admin/").status_code == 200

    def test_whoever_enrolls_now_shows_it_once(self, staff: User, without: Client) -> None:
        enroll(staff)

        page = soup(without.get(f"{PLANS}?level__exact=pro"))
        (way,) = (str(link["href"]) for link in page.select("main a"))
        assert way.startswith("/account/second-factor/reauthenticate/?next=/admin/billing/plan/")
        answer = without.post(way, {"code": totp.code(SECRET, at=time.time())})

        assert answer["Location"] == f"{PLANS}?level__exact=pro"
        assert without.get(PLANS).status_code == 200

    def test_a_password_is_none(self, staff: User, without: Client) -> None:
        enroll(staff)

        without.post("/account/confirm/", {"password": factories.PASSWORD})

        assert without.get(PLANS).status_code == 403

    def test_one_that_was_taken_away_lets_nobody_in(self, staff: User, desk: Client) -> None:
        assert desk.get(PLANS).status_code == 200

        Authenticator.objects.filter(user=staff).delete()

        assert desk.get(PLANS).status_code == 403

    def test_the_password_is_changed_where_everybody_changes_it(self, desk: Client) -> None:
        assert desk.get("/admin/password_change/")["Location"] == "/account/password/"


class TestMoney:
    @pytest.fixture
    def later(self, desk: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
        """Return the browser of staff after eleven minutes."""
        make_world(1, now=NOW)
        Freeze.objects.all().delete()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + second_factor.LASTING_SECONDS + 60)
        return desk

    def test_is_moved_only_by_who_confirms_and_then_goes_on(self, later: Client) -> None:
        plan = Plan.objects.get()
        asked = {"action": "freeze", "_selected_action": str(plan.pk), "from_page": "1"}

        answer = later.post(PLANS, asked)

        assert answer["Location"] == f"/account/confirm/?next={PLANS.replace('/', '%2F')}"
        went_on = later.post(answer["Location"], {"password": factories.PASSWORD})
        assert "Freeze billing of the organization" in words(went_on)
        assert acting.act(later, plan, "freeze")
        assert Freeze.objects.count() == 1

    def test_is_not_moved_without(self, later: Client) -> None:
        plan = Plan.objects.get()
        shown = {"step": "act", "reason": "so", "shown": ""}

        later.post(PLANS, {"action": "freeze", "_selected_action": str(plan.pk), **shown})

        assert not Freeze.objects.exists()

    def test_what_moves_none_needs_no_confirming(self, later: Client) -> None:
        acting.act(later, MeterEvent.objects.get(), "hold")

        assert MeterEvent.objects.get().held_at

    def test_a_confirmation_lasts_ten_minutes(
        self, staff: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = desk_of(staff)
        make_world(1, now=NOW)
        Freeze.objects.all().delete()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 9 * 60)

        assert acting.show(desk, Plan.objects.get(), "freeze").can_act


class TestLocalRun:
    def test_the_code_lets_its_staff_in(self, capsys: pytest.CaptureFixture[str]) -> None:
        sam = factories.make_user("staff", is_staff=True)
        for _ in range(2):
            local_code.enroll(sam)
        client = signed_in(sam)

        call_command("staff_code")
        code = capsys.readouterr().out.strip()
        client.post("/account/second-factor/authenticate/", {"code": code})

        assert sam.email == local_code.STAFF
        assert client.get("/admin/").status_code == 200

    def test_there_is_none_elsewhere(self, settings: Any) -> None:
        local_code.enroll(factories.make_user("staff", is_staff=True))
        settings.STRIPE_IS_SANDBOX = False

        with pytest.raises(CommandError, match="local run"):
            call_command("staff_code")

    def test_it_says_where_to_begin(self) -> None:
        with pytest.raises(CommandError, match="Begin with `make run`"):
            call_command("staff_code")
