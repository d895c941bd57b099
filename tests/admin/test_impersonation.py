"""Staff see the site as one of its people does: with a reason, to look only, and never as staff."""

import time

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import NoReverseMatch, reverse

from bencher import roles
from bencher.tenancy import impersonating, second_factor
from bencher.tenancy.models import Organization, User, UserKey
from tests import factories
from tests.admin import acting
from tests.pages.reading import soup, words
from tests.pages.test_every_page import check_no_inline_code
from tests.staffing import desk_of, make_staff

pytestmark = pytest.mark.django_db

USERS = "/admin/tenancy/user/"
STOP = "/staff/stop/"


@pytest.fixture
def alice() -> User:
    """Return the leader of Acme."""
    return factories.make_user("alice")


@pytest.fixture
def acme(alice: User) -> Organization:
    """Return Alice's organization."""
    return factories.make_organization("Acme", leader=alice)


@pytest.fixture
def bill() -> User:
    """Return somebody of billing."""
    return make_staff("bill", role=roles.BILLING)


@pytest.fixture
def seen(bill: User, acme: Organization, alice: User) -> Client:
    """Return the browser of billing, which sees the site as Alice does."""
    client = desk_of(bill)
    see_as(client, alice)
    return client


def see_as(client: Client, user: User) -> None:
    """Begin to see the site as somebody does."""
    shown = acting.show(client, user, "impersonate")
    assert shown.effects == [
        f"You see the site as {user.email} does, and can change nothing until you stop."
    ]
    answer = client.post(
        USERS,
        {
            "action": "impersonate",
            "_selected_action": user.pk,
            "step": "act",
            "reason": "ticket 7",
            "shown": str(shown.page.select_one("input[name=shown]")["value"]),  # type: ignore[index]
        },
    )
    assert answer["Location"] == "/organizations/"


class TestBeginning:
    def test_shows_what_alice_sees_below_a_banner(self, seen: Client, acme: Organization) -> None:
        page = soup(seen.get(f"/organizations/{acme.slug}/settings/"))

        banner = words(page.select_one(".impersonated"))
        assert banner.startswith("You see the site as alice@example.com does.")
        assert page.select_one(f".impersonated form[action='{STOP}'][method=post]")
        assert not page.select_one(".sign-out button")
        check_no_inline_code(page)

    def test_leaves_a_row_with_the_reason(self, seen: Client, bill: User, alice: User) -> None:
        asked, row = LogEntry.objects.order_by("pk")

        assert asked.user == bill
        assert (row.user, row.object_id) == (bill, str(alice.pk))
        assert row.change_message.startswith("See the site as they do")
        assert row.change_message.endswith("Reason: ticket 7")

    def test_is_no_sign_in_of_alice(self, seen: Client, alice: User) -> None:
        alice.refresh_from_db()

        assert alice.last_login is None

    def test_needs_a_reason(self, bill: User, alice: User) -> None:
        desk = desk_of(bill)
        asked = {"action": "impersonate", "_selected_action": alice.pk, "step": "act", "reason": ""}

        assert "Say why" in words(desk.post(USERS, asked))
        assert desk.session["_auth_user_id"] == str(bill.pk)

    def test_needs_a_confirmation(
        self, bill: User, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = desk_of(bill)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + second_factor.LASTING_SECONDS + 1)

        answer = desk.post(USERS, {"action": "impersonate", "_selected_action": alice.pk})

        assert answer["Location"].startswith("/account/confirm/")

    @pytest.mark.parametrize("who", ["staff", "superuser", "off"])
    def test_is_never_as_staff_nor_as_nobody(self, bill: User, alice: User, who: str) -> None:
        field = {"staff": "is_staff", "superuser": "is_superuser", "off": "is_active"}[who]
        User.objects.filter(pk=alice.pk).update(**{field: who != "off"})
        desk = desk_of(bill)

        shown = acting.show(desk, alice, "impersonate")
        acting.confirm(desk, alice, "impersonate", shown="", reason="so")

        assert shown.refused
        assert not shown.can_act
        assert desk.session["_auth_user_id"] == str(bill.pk)

    def test_is_not_for_viewers(self, alice: User) -> None:
        viewer = make_staff("vera", role=roles.VIEWER)
        desk = desk_of(viewer)

        desk.post(
            USERS,
            {"action": "impersonate", "_selected_action": alice.pk, "step": "act", "reason": "so"},
        )

        assert desk.session["_auth_user_id"] == str(viewer.pk)

    def test_is_of_one_at_a_time(self, bill: User, alice: User) -> None:
        other = factories.make_user("bob")
        asked = {"action": "impersonate", "_selected_action": [alice.pk, other.pk]}

        answer = desk_of(bill).post(USERS, asked, follow=True)

        assert "Choose one" in words(answer)

    def test_has_no_address_that_asks_for_no_reason(self) -> None:
        with pytest.raises(NoReverseMatch):
            reverse("hijack:acquire")


class TestLooking:
    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    @pytest.mark.parametrize(
        "address",
        [
            "/organizations/new/",
            "/organizations/acme/settings/",
            "/organizations/acme/billing/plan/",
            "/account/keys/",
            "/account/",
            "/account/confirm/",
            "/account/password/",
            "/account/second-factor/totp/activate/",
            "/sign-out/",
            "/v0/organizations",
            "/nowhere/",
        ],
    )
    def test_changes_nothing(self, seen: Client, method: str, address: str) -> None:
        answer = getattr(seen, method)(address, {"name": "Other", "password": factories.PASSWORD})

        assert answer.status_code == 403
        assert "Nothing was changed" in words(answer)
        assert [row.name for row in Organization.objects.all()] == ["Acme"]
        assert not UserKey.objects.exists()

    def test_shows_nothing_of_staff(self, seen: Client) -> None:
        assert seen.get("/admin/").status_code == 302
        assert seen.get("/metrics").status_code == 401

    def test_shows_no_recovery_codes(self, seen: Client, alice: User) -> None:
        desk_of(alice)

        answer = seen.get("/account/second-factor/recovery-codes/")

        assert answer.status_code in {302, 404}

    @pytest.mark.parametrize("change", ["password", "right", "off", "staff", "seen off"])
    def test_ends_where_it_could_not_begin_any_more(
        self, seen: Client, bill: User, alice: User, change: str
    ) -> None:
        if change == "password":
            bill.set_password("another good secret")
            bill.save()
        elif change == "right":
            bill.groups.clear()
        elif change == "off":
            User.objects.filter(pk=bill.pk).update(is_active=False)
        elif change == "seen off":
            User.objects.filter(pk=alice.pk).update(is_active=False)
        else:
            User.objects.filter(pk=alice.pk).update(is_staff=True)

        assert seen.get("/organizations/")["Location"] == "/sign-in/"
        assert "_auth_user_id" not in seen.session

    def test_ends_after_an_hour(self, seen: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + impersonating.LONGEST_SECONDS - 60)
        assert seen.get("/organizations/").status_code == 200

        monkeypatch.setattr(time, "time", lambda: now + impersonating.LONGEST_SECONDS + 60)
        assert seen.get("/organizations/")["Location"] == "/sign-in/"
        assert "_auth_user_id" not in seen.session


class TestStopping:
    def test_returns_to_the_staffs_pages(self, seen: Client, bill: User) -> None:
        answer = seen.post(STOP)

        assert answer["Location"] == USERS
        assert seen.session["_auth_user_id"] == str(bill.pk)
        assert seen.get(USERS).status_code == 200
        assert LogEntry.objects.latest("pk").change_message.endswith("stopped.")
        assert not soup(seen.get("/organizations/")).select_one(".impersonated")

    def test_what_was_confirmed_is_as_old_as_it_was(
        self, seen: Client, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + second_factor.LASTING_SECONDS + 1)

        seen.post(STOP)

        answer = seen.post(USERS, {"action": "impersonate", "_selected_action": alice.pk})
        assert answer["Location"].startswith("/account/confirm/")

    def test_is_for_who_has_begun(self, bill: User) -> None:
        assert desk_of(bill).post(STOP).status_code == 403
        assert Client().post(STOP).status_code in {302, 403}

    def test_is_no_mere_link(self, seen: Client) -> None:
        assert seen.get(STOP).status_code == 405
