"""Staff add users, change them and their passwords, and say who belongs where."""

import time
from urllib.parse import quote

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.mail import EmailMessage
from django.test import Client

from bencher import roles
from bencher.models import Change
from bencher.tenancy import second_factor
from bencher.tenancy.models import Membership, Role, User
from tests import factories
from tests.admin.rows import NOW, make_world
from tests.pages.reading import soup, words
from tests.staffing import desk_of, make_staff

SECRET = "a long enough secret"
WHY = {"reason": "ticket 7"}


class TestUsers:
    def test_are_added_with_a_password(self, desk: Client) -> None:
        form = {
            "email": "Dora@Example.com",
            "name": "Dora",
            "usable_password": "true",
            "password1": SECRET,
            "password2": SECRET,
            "reason": "joined",
        }

        assert desk.post("/admin/tenancy/user/add/", form).status_code == 302

        dora = User.objects.get(email="dora@example.com")
        assert dora.check_password(SECRET)
        assert (dora.slug, dora.created_at.date()) == ("dora", NOW.date())
        assert Client().login(username="dora@example.com", password=SECRET)

    def test_are_not_added_twice_in_another_case(self, desk: Client) -> None:
        factories.make_user("dora")
        form = {
            "email": "DORA@example.com",
            "name": "Dora",
            "usable_password": "true",
            "password1": SECRET,
            "password2": SECRET,
            "reason": "joined",
        }

        response = desk.post("/admin/tenancy/user/add/", form)

        assert response.status_code == 200
        assert "already exists" in words(response)

    def test_are_changed_without_touching_the_password(self, desk: Client) -> None:
        dora = factories.make_user("dora")
        form = {"email": "Dora2@example.com", "name": "Dora Two", "is_active": "on", **WHY}

        response = desk.post(f"/admin/tenancy/user/{dora.pk}/change/", form)

        assert response.status_code == 302
        dora.refresh_from_db()
        assert (dora.email, dora.name) == ("dora2@example.com", "Dora Two")
        assert dora.check_password(factories.PASSWORD)

    def test_get_a_new_password(self, desk: Client) -> None:
        dora = factories.make_user("dora")
        form = {"usable_password": "true", "password1": SECRET, "password2": SECRET}

        desk.post(f"/admin/tenancy/user/{dora.pk}/password/", form)

        dora.refresh_from_db()
        assert dora.check_password(SECRET)

    def test_never_show_a_password(self, desk: Client) -> None:
        dora = factories.make_user("dora")

        page = desk.get(f"/admin/tenancy/user/{dora.pk}/change/").content.decode()

        assert dora.password.rpartition("$")[2] not in page

    def test_are_not_deleted(self, desk: Client) -> None:
        dora = factories.make_user("dora")

        page = desk.post(f"/admin/tenancy/user/{dora.pk}/delete/", {"post": "yes"})
        desk.post(
            "/admin/tenancy/user/",
            {"action": "delete_selected", "_selected_action": dora.pk, "post": "yes"},
        )

        assert page.status_code == 403
        assert User.objects.filter(pk=dora.pk).exists()


class TestSuperusers:
    """Whoever changes people could make themselves more than they are."""

    @pytest.fixture
    def clerk(self, db: None) -> User:
        """Return a member of staff with every right that can be given one by one."""
        clerk = make_staff("clara", role=roles.BILLING)
        clerk.user_permissions.set(
            Permission.objects.filter(content_type__app_label__in=["tenancy", "auth"])
        )
        return clerk

    def test_alone_change_people(self, clerk: User) -> None:
        desk, dora = desk_of(clerk), factories.make_user("dora")
        acme = factories.make_organization("Acme", leader=dora)
        posts: list[tuple[str, dict[str, object]]] = [
            (f"user/{clerk.pk}/change/", {"email": clerk.email, "name": "C", "is_superuser": "on"}),
            (f"user/{dora.pk}/password/", {"password1": SECRET, "password2": SECRET}),
            ("user/add/", {"email": "e@example.com", "name": "E", "password1": SECRET}),
            ("membership/add/", {"user": clerk.pk, "organization": acme.pk, "role": "leader"}),
            (f"membership/{Membership.objects.get().pk}/delete/", {"post": "yes"}),
        ]
        group = Group.objects.get(name=roles.VIEWER)

        for page, form in posts:
            assert desk.post(f"/admin/tenancy/{page}", form).status_code == 403, page
        for page in (f"{group.pk}/change/", "add/", f"{group.pk}/delete/"):
            assert desk.post(f"/admin/auth/group/{page}", {"post": "yes"}).status_code == 403, page
        for model in ("tenancy/membership", "tenancy/user", "auth/group"):
            desk.post(
                f"/admin/{model}/",
                {"action": "delete_selected", "_selected_action": "1", "post": "yes"},
            )

        clerk.refresh_from_db()
        assert not clerk.is_superuser
        assert [one.user for one in Membership.objects.all()] == [dora]
        assert User.objects.count() == 2
        assert Group.objects.filter(pk=group.pk).exists()

    @pytest.mark.parametrize("page", ["add/", "{pk}/change/", "{pk}/password/"])
    def test_show_that_it_is_them_before_they_do(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch, page: str
    ) -> None:
        dora = factories.make_user("dora")
        address = f"/admin/tenancy/user/{page.format(pk=dora.pk)}"
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + second_factor.LASTING_SECONDS + 1)
        form = {
            "email": "x@example.com",
            "name": "X",
            "usable_password": "true",
            "password1": SECRET,
            "password2": SECRET,
            "reason": "joined",
        }

        answer = desk.post(address, form)

        assert answer["Location"] == f"/account/confirm/?next={quote(address, safe='')}"
        assert SECRET not in str(dict(desk.session))
        assert not User.objects.filter(email="x@example.com").exists()
        dora.refresh_from_db()
        assert dora.check_password(factories.PASSWORD)
        again = desk.post(answer["Location"], {"password": factories.PASSWORD})
        assert again["Location"] == address
        assert "Nothing was saved yet" in words(desk.get(address))
        assert desk.post(address, form).status_code == 302

    def test_take_memberships_one_by_one(self, desk: Client) -> None:
        factories.make_organization("Acme", leader=factories.make_user("alice"))

        page = soup(desk.get("/admin/tenancy/membership/"))

        assert not page.select("option[value=delete_selected]")


class TestReasons:
    """Why people, memberships and roles were changed is kept with what was changed."""

    @pytest.fixture
    def bob(self, db: None) -> User:
        """Return somebody beside the leader of Acme."""
        bob = factories.make_user("bob")
        acme = factories.make_organization("Acme", leader=factories.make_user("alice"))
        factories.make_member(bob, acme)
        return bob

    def pages(self, bob: User) -> dict[str, tuple[str, dict[str, object]]]:
        """Return by the table that is changed where, and what is posted there."""
        of_bob = Membership.objects.get(user=bob).pk
        viewers = Group.objects.get(name=roles.VIEWER)
        staff: dict[str, object] = {
            "email": bob.email,
            "name": "Bob",
            "is_staff": "on",
            "is_active": "on",
        }
        return {
            "tenancy_user": (f"tenancy/user/{bob.pk}/change/", staff),
            "tenancy_user_groups": (
                f"tenancy/user/{bob.pk}/change/",
                {**staff, "groups": viewers.pk},
            ),
            "tenancy_membership": (f"tenancy/membership/{of_bob}/change/", {"role": "leader"}),
            "auth_group": ("auth/group/add/", {"name": "auditors"}),
            "auth_group_permissions": (f"auth/group/{viewers.pk}/change/", {"name": roles.VIEWER}),
        }

    def test_are_kept(self, desk: Client, staff: User, bob: User) -> None:
        for table, (page, form) in self.pages(bob).items():
            answer = desk.post(f"/admin/{page}", {**form, **WHY})

            assert answer.status_code == 302, (table, words(answer))
            change = Change.objects.filter(relation=table).latest("id")
            assert (change.user, change.why) == (staff, "ticket 7"), table

    def test_are_needed(self, desk: Client, bob: User) -> None:
        for table, (page, form) in self.pages(bob).items():
            changes = Change.objects.count()

            answer = desk.post(f"/admin/{page}", {**form, "reason": " "})

            assert "Say why" in words(answer), table
            assert Change.objects.count() == changes, table

    def test_are_needed_and_kept_where_something_is_deleted(self, desk: Client, bob: User) -> None:
        page = f"/admin/tenancy/membership/{Membership.objects.get(user=bob).pk}/delete/"
        assert soup(desk.get(page)).select_one("form input[name=reason][required]")

        said = words(desk.post(page, {"post": "yes"}, follow=True))

        assert "Say why" in said
        assert Membership.objects.filter(user=bob).exists()
        desk.post(page, {"post": "yes", **WHY})
        assert not Membership.objects.filter(user=bob).exists()
        change = Change.objects.filter(relation="tenancy_membership").latest("id")
        assert (change.kind, change.why) == ("delete", "ticket 7")

    def test_are_no_change_themselves(self, desk: Client, bob: User) -> None:
        page, form = self.pages(bob)["tenancy_membership"]

        desk.post(f"/admin/{page}", {**form, **WHY})

        assert LogEntry.objects.latest("pk").get_change_message() == "Changed Role."

    def test_are_not_asked_of_who_only_looks(self, bob: User) -> None:
        viewer = desk_of(make_staff("vera", role=roles.VIEWER))

        for page, _ in self.pages(bob).values():
            if page.endswith("/change/"):
                assert not soup(viewer.get(f"/admin/{page}")).select("[name=reason]")


class TestAddresses:
    def test_that_staff_change_are_still_to_be_verified(
        self, desk: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        dora = factories.make_user("dora")
        form = {"email": "dora@new.example", "name": "Dora", "is_active": "on", **WHY}

        desk.post(f"/admin/tenancy/user/{dora.pk}/change/", form)

        (address,) = EmailAddress.objects.filter(user=dora)
        assert (address.email, address.primary, address.verified) == (
            "dora@new.example",
            True,
            False,
        )
        old, new = (
            Client().post("/sign-in/", {"login": login, "password": factories.PASSWORD})
            for login in ("dora@example.com", "dora@new.example")
        )
        assert old.status_code == 200
        assert new["Location"] == "/account/email/sent/"
        assert mailoutbox[-1].to == ["dora@new.example"]

    def test_stay_verified_where_something_else_is_changed(self, desk: Client) -> None:
        dora = factories.make_user("dora")
        form = {"email": dora.email, "name": "Dora Two", "is_active": "on", **WHY}

        desk.post(f"/admin/tenancy/user/{dora.pk}/change/", form)

        assert EmailAddress.objects.get(user=dora).verified

    def test_are_looked_at_only(self, desk: Client) -> None:
        dora = factories.make_user("dora")
        address = EmailAddress.objects.get(user=dora)

        assert desk.get("/admin/account/emailaddress/").status_code == 200
        page = desk.post(f"/admin/account/emailaddress/{address.pk}/change/", {})
        assert page.status_code == 403


class TestSecondFactors:
    def test_show_no_secret(self, desk: Client) -> None:
        factor = Authenticator.objects.create(
            user=factories.make_user("dora"), type="totp", data={"secret": "xyzzy"}
        )

        for page in ("", f"{factor.pk}/change/"):
            response = desk.get(f"/admin/mfa/authenticator/{page}")
            assert response.status_code == 200
            assert "xyzzy" not in response.content.decode()

    def test_are_taken_away_with_a_reason(
        self, desk: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        dora = factories.make_user("dora")
        for kind in ("totp", "recovery_codes"):
            Authenticator.objects.create(user=dora, type=kind, data={})
        asked = {"action": "remove_second_factor", "_selected_action": [dora.pk]}

        page = soup(desk.post("/admin/tenancy/user/", asked))
        assert "Be sure that it is the owner who asks" in words(page)
        assert Authenticator.objects.filter(user=dora).count() == 2
        shown = {
            str(field["name"]): str(field.get("value", ""))
            for field in page.select("#content form input[type=hidden]")
        }
        desk.post(
            "/admin/tenancy/user/", {**shown, **asked, "step": "act", "reason": "called back"}
        )

        assert not Authenticator.objects.filter(user=dora).exists()
        assert "Reason: called back" in LogEntry.objects.latest("pk").change_message
        (mail,) = mailoutbox
        assert (mail.to, mail.subject) == ([dora.email], "Your second factor was taken away")


class TestMemberships:
    def test_are_added(self, desk: Client) -> None:
        acme = factories.make_organization("Acme", leader=factories.make_user("alice"))
        bob = factories.make_user("bob")
        form = {"user": bob.pk, "organization": acme.pk, "role": "member", **WHY}

        assert desk.post("/admin/tenancy/membership/add/", form).status_code == 302

        assert Membership.objects.get(user=bob).role == Role.MEMBER

    def test_change_by_the_rules_of_members(self, desk: Client) -> None:
        alice, bob = factories.make_user("alice"), factories.make_user("bob")
        acme = factories.make_organization("Acme", leader=alice)
        globex = factories.make_organization("Globex", leader=bob)
        last = Membership.objects.get(user=alice)
        page = f"/admin/tenancy/membership/{last.pk}"

        answers = [
            desk.post(f"{page}/change/", {"role": "member", **WHY}, follow=True),
            desk.post(f"{page}/delete/", {"post": "yes", **WHY}, follow=True),
        ]

        for answer in answers:
            (said,) = soup(answer).select(".messagelist li")
            assert words(said).startswith("This is the last leader of acme")
        last.refresh_from_db()
        assert last.role == Role.LEADER
        second = factories.make_member(bob, acme)
        desk.post(
            f"/admin/tenancy/membership/{second.pk}/change/",
            {"role": "leader", "organization": globex.pk, "user": alice.pk, **WHY},
        )
        second.refresh_from_db()
        assert (second.user, second.organization, second.role) == (bob, acme, Role.LEADER)
        desk.post(f"{page}/delete/", {"post": "yes", **WHY})
        assert not Membership.objects.filter(pk=last.pk).exists()

    def test_find_people_as_one_types(self, desk: Client) -> None:
        factories.make_user("bob")

        found = desk.get(
            "/admin/autocomplete/",
            {
                "term": "bob@",
                "app_label": "tenancy",
                "model_name": "membership",
                "field_name": "user",
            },
        ).json()

        assert [row["text"] for row in found["results"]] == ["bob@example.com"]


class TestStatementLines:
    def test_are_reached_from_their_statement(self, desk: Client) -> None:
        statement = make_world(1, now=NOW).statements.get()
        make_world(2, now=NOW)

        page = soup(desk.get(f"/admin/billing/statement/{statement.pk}/change/"))
        link = page.find("a", string="The series of this statement, with their reports")
        assert link is not None
        lines = soup(desk.get(str(link["href"])))

        assert len(lines.select("#result_list tbody tr")) == 1
