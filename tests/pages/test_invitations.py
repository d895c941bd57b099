"""Inviting by e-mail, and what becomes of an invitation: once, in time, by the right person."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError, transaction
from django.test import Client

from bencher.tenancy import invitations
from bencher.tenancy.models import Invitation, Membership, Organization, Role, User
from tests.factories import PASSWORD, make_user
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
MEMBERS = "/organizations/acme/members/"
INVITE = "/organizations/acme/invitations/"


@pytest.fixture
def browser(alice: User, acme: Organization, browser_of: Browsers) -> Client:
    """Return the browser of Acme's leader."""
    return browser_of(alice)


@pytest.fixture
def dave(db: None) -> User:
    """Return somebody who belongs to no organization."""
    return make_user("dave")


def invite(browser: Client, email: str = "dave@example.com", role: str = "member") -> Any:
    """Invite somebody; returns the page that follows."""
    return browser.post(INVITE, {"email": email, "role": role}, follow=True)


def mailed() -> str:
    """Return the address of the link in the latest e-mail."""
    link = re.search(
        rf"{re.escape(settings.BASE_URL)}(/invitations/\S+)", str(mail.outbox[-1].body)
    )
    assert link is not None
    return link[1]


def sent_before(**before: float) -> None:
    """Let the invitation have been made and sent before."""
    ago = timedelta(**before)
    for one in Invitation.objects.all():
        Invitation.objects.filter(pk=one.pk).update(
            created_at=one.created_at - ago,
            sent_at=one.sent_at - ago if one.sent_at else None,
            expires_at=one.expires_at - ago,
        )


class TestInviting:
    def test_mails_a_link_and_lists_the_invitation(self, browser: Client) -> None:
        page = invite(browser, "Dave@Example.com", "leader")

        assert "The invitation is on its way to dave@example.com." in words(page)
        assert rows(page, "invited")[1][:4] == [
            "dave@example.com",
            "Leader",
            "18 November 2026",
            "25 November 2026",
        ]
        (message,) = mail.outbox
        assert message.to == ["dave@example.com"]
        assert message.subject == "Join Acme on Bencher"
        assert "Alice invites you to join Acme on Bencher as a leader." in str(message.body)
        assert isinstance(message, EmailMultiAlternatives)
        assert mailed() in str(message.alternatives[0][0])

    def test_keeps_only_the_hash_of_the_link(self, browser: Client) -> None:
        page = invite(browser)

        token = mailed().split("/")[2]
        assert token not in page.content.decode()
        assert token.encode() not in bytes(Invitation.objects.get().token_hash)

    @pytest.mark.parametrize(
        ("email", "why"),
        [
            ("", "Enter the address of the person to invite."),
            ("dave", "This is no e-mail address."),
            ("BOB@example.com", "bob@example.com belongs to acme already"),
        ],
    )
    def test_is_refused_in_words(self, browser: Client, bob: User, email: str, why: str) -> None:
        assert why in words(invite(browser, email))
        assert mail.outbox == []
        assert not Invitation.objects.exists()

    def test_of_an_address_that_is_invited_is_refused(self, browser: Client) -> None:
        invite(browser)
        sent_before(hours=1)

        page = invite(browser, role="leader")

        assert "dave@example.com has an invitation already." in words(page)
        assert Invitation.objects.get().role == Role.MEMBER

    def test_the_database_refuses_a_second_open_one(
        self, browser: Client, acme: Organization, alice: User, now: datetime
    ) -> None:
        invite(browser)

        with pytest.raises(IntegrityError, match="one_open_invitation"), transaction.atomic():
            Invitation.objects.create(
                organization=acme,
                email="dave@example.com",
                role="member",
                token_hash=b"x",
                created_at=now,
                expires_at=now + timedelta(days=1),
            )

    def test_a_name_of_several_lines_breaks_no_header(
        self, browser: Client, acme: Organization
    ) -> None:
        Organization.objects.filter(pk=acme.pk).update(name="Acme\r\nBcc: all@example.com")

        invite(browser)

        assert mail.outbox[0].subject == "Join Acme Bcc: all@example.com on Bencher"

    def test_says_when_no_mail_server_takes_it(
        self, browser: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> int:
            raise ConnectionRefusedError(111, "refused")

        monkeypatch.setattr(EmailBackend, "send_messages", refuse)

        page = invite(browser)

        assert "The mail server did not take the invitation" in words(page)
        assert rows(page, "invited")[1][2] == "Not sent"

    def test_goes_to_nobody_without_a_minute_between(self, browser: Client, now: datetime) -> None:
        invite(browser)
        one = Invitation.objects.get()
        browser.post(f"{INVITE}{one.uuid}/revoke/")

        page = invite(browser)

        assert "was written to less than a minute ago" in words(page)
        assert len(mail.outbox) == 1

    def test_stops_at_a_hundred_open_ones(
        self, browser: Client, acme: Organization, now: datetime
    ) -> None:
        Invitation.objects.bulk_create(
            Invitation(
                organization=acme,
                email=f"m{number}@example.com",
                role="member",
                token_hash=bytes([number]),
                created_at=now,
                expires_at=now + timedelta(days=1),
            )
            for number in range(100)
        )

        assert "100 invitations are open" in words(invite(browser))
        assert mail.outbox == []


class TestSendingAgain:
    def test_makes_a_new_link_and_kills_the_old_one(
        self, browser: Client, dave: User, browser_of: Browsers
    ) -> None:
        invite(browser)
        old = mailed()
        sent_before(days=8)

        assert rows(browser.get(MEMBERS), "invited")[1][3] == "Expired"
        browser.post(f"{INVITE}{Invitation.objects.get().uuid}/resend/")

        assert browser_of(dave).get(old).status_code == 404
        assert browser_of(dave).get(mailed()).status_code == 200
        assert mailed() != old
        assert rows(browser.get(MEMBERS), "invited")[1][3] != "Expired"

    def test_waits_a_minute(self, browser: Client) -> None:
        invite(browser)

        page = browser.post(f"{INVITE}{Invitation.objects.get().uuid}/resend/", follow=True)

        assert "less than a minute ago" in words(page)
        assert len(mail.outbox) == 1


class TestAccepting:
    def test_makes_the_invited_person_a_member(
        self, browser: Client, dave: User, browser_of: Browsers, acme: Organization
    ) -> None:
        invite(browser, role="leader")
        page = browser_of(dave).get(mailed())

        assert "Alice invites dave@example.com to join Acme as a leader." in words(page)
        assert not Membership.objects.filter(user=dave).exists()
        joined = browser_of(dave).post(mailed(), follow=True)

        assert joined.redirect_chain == [("/organizations/acme/", 302)]
        assert "You belong to Acme now, as a leader." in words(joined)
        assert Membership.objects.get(user=dave).role == Role.LEADER
        assert "Nobody is invited at the moment." in words(browser.get(MEMBERS))

    def test_leads_through_the_sign_in(self, browser: Client, dave: User) -> None:
        invite(browser)
        visitor = Client()

        sign_in = soup(visitor.get(mailed())).select_one("main .button")
        assert sign_in is not None
        response = visitor.post(
            "/sign-in/",
            {
                "login": dave.email,
                "password": PASSWORD,
                "next": str(sign_in["href"]).partition("next=")[2],
            },
            follow=True,
        )

        assert response.redirect_chain == [(mailed(), 302)]
        assert "Join Acme" in words(response)

    def test_leads_through_the_sign_up_without_another_mail(self, browser: Client) -> None:
        invite(browser)
        link = mailed()
        visitor = Client()
        sign_up = soup(visitor.get(link)).select_one("main a[href*=sign-up]")
        assert sign_up is not None
        page = soup(visitor.get(str(sign_up["href"])))
        form = {str(tag["name"]): str(tag.get("value", "")) for tag in page.select("main [name]")}
        form |= {"email": "dave@example.com", "name": "Dave", "password1": PASSWORD}

        response = visitor.post("/sign-up/", form, follow=True)

        assert response.redirect_chain[-1] == (link, 302)
        assert len(mail.outbox) == 1
        assert "You belong to Acme now, as a member." in words(visitor.post(link, follow=True))

    def test_proves_no_other_address_to_the_sign_up(self, browser: Client) -> None:
        invite(browser)
        visitor = Client()
        visitor.get(mailed())

        visitor.post(
            "/sign-up/", {"email": "eve@example.com", "name": "Eve", "password1": PASSWORD}
        )

        assert mail.outbox[-1].to == ["eve@example.com"]
        assert "_auth_user_id" not in visitor.session

    def test_needs_a_signed_in_person(self, browser: Client, dave: User) -> None:
        invite(browser)

        response = Client().post(mailed())

        assert response.status_code == 200
        assert "Sign in with that address to accept it" in words(response)
        assert Invitation.objects.get().accepted_at is None

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_refused_to_another_address(
        self, browser: Client, charlie: User, browser_of: Browsers, method: str
    ) -> None:
        invite(browser)

        response = getattr(browser_of(charlie), method)(mailed())

        assert response.status_code == 403
        assert "sent to dave@example.com, and you are signed in as charlie@example.com" in words(
            response
        )
        assert not Membership.objects.filter(user=charlie, organization__slug="acme").exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_too_late_once_expired(
        self, browser: Client, dave: User, browser_of: Browsers, method: str
    ) -> None:
        invite(browser)
        sent_before(days=7)

        response = getattr(browser_of(dave), method)(mailed())

        assert response.status_code == 410
        assert "This invitation has expired. Ask a leader of Acme" in words(response)
        assert not Membership.objects.filter(user=dave).exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_too_late_once_revoked(
        self, browser: Client, dave: User, browser_of: Browsers, method: str
    ) -> None:
        invite(browser)
        page = browser.post(f"{INVITE}{Invitation.objects.get().uuid}/revoke/", follow=True)
        assert "is revoked; its link is dead" in words(page)

        response = getattr(browser_of(dave), method)(mailed())

        assert response.status_code == 410
        assert "This invitation was taken back." in words(response)
        assert not Membership.objects.filter(user=dave).exists()

    def test_is_impossible_once_the_organization_is_gone(
        self, browser: Client, dave: User, browser_of: Browsers, acme: Organization, now: datetime
    ) -> None:
        invite(browser)
        Organization.objects.filter(pk=acme.pk).update(deleted_at=now)

        response = browser_of(dave).post(mailed())

        assert response.status_code == 410
        assert "Acme does not exist any more." in words(response)

    def test_twice_by_the_same_person_changes_nothing(
        self, browser: Client, dave: User, browser_of: Browsers
    ) -> None:
        invite(browser)
        browser_of(dave).post(mailed())

        again = browser_of(dave).post(mailed(), follow=True)

        assert again.redirect_chain == [("/organizations/acme/", 302)]
        assert Membership.objects.filter(user=dave).count() == 1

    def test_does_not_bring_back_who_was_removed(
        self, browser: Client, dave: User, browser_of: Browsers
    ) -> None:
        invite(browser)
        browser_of(dave).post(mailed())
        Membership.objects.filter(user=dave).delete()

        response = browser_of(dave).post(mailed())

        assert response.status_code == 410
        assert "it can be used only once" in words(response)
        assert not Membership.objects.filter(user=dave).exists()

    def test_leaves_the_role_of_who_became_a_member_meanwhile(
        self, browser: Client, dave: User, browser_of: Browsers, acme: Organization, now: datetime
    ) -> None:
        invite(browser)
        Membership.objects.create(user=dave, organization=acme, role="leader", created_at=now)

        response = browser_of(dave).post(mailed(), follow=True)

        assert "You belong to Acme now, as a leader." in words(response)
        assert Invitation.objects.get().accepted_by == dave

    def test_of_a_link_of_nobody_is_not_found(self, dave: User, browser_of: Browsers) -> None:
        assert browser_of(dave).get("/invitations/nothing/").status_code == 404
        assert browser_of(dave).get("/invitations/%ED%A0%80/").status_code == 404


class TestRevoking:
    def test_is_too_late_once_accepted(
        self, browser: Client, dave: User, browser_of: Browsers
    ) -> None:
        invite(browser)
        browser_of(dave).post(mailed())
        one = Invitation.objects.get()

        page = browser.post(f"{INVITE}{one.uuid}/revoke/", follow=True)

        assert "has accepted the invitation: remove the member instead" in words(page)
        assert invitations.find(mailed().split("/")[2]) == one

    @pytest.mark.parametrize("what", ["resend", "revoke"])
    def test_and_sending_again_are_for_leaders_of_the_organization(
        self, browser: Client, bob: User, charlie: User, browser_of: Browsers, what: str
    ) -> None:
        invite(browser)
        address = f"{INVITE}{Invitation.objects.get().uuid}/{what}/"
        abroad = address.replace("acme", "globex")

        assert browser_of(bob).post(address).status_code == 403
        assert browser_of(charlie).post(address).status_code == 404
        assert browser_of(charlie).post(abroad).status_code == 404
        assert len(mail.outbox) == 1
        assert Invitation.objects.get().revoked_at is None
