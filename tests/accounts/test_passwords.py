"""Forgotten, changed and first passwords."""

from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from bencher.tenancy.models import User
from tests.accounts.conftest import Links
from tests.factories import PASSWORD
from tests.pages.reading import words

pytestmark = pytest.mark.django_db

NEW = "another good secret"
BOTH = {"password1": NEW, "password2": NEW}
RESET = "/account/password/reset/"
SENT = "/account/password/reset/sent/"


def opened(client: Client, link: str) -> str:
    """Follow a mailed link and return the address of the form that it leads to."""
    response = client.get(link, follow=True)
    address, _ = response.redirect_chain[-1]
    assert "Set the password" in words(response)
    return str(address)


class TestReset:
    def test_by_the_mailed_link(
        self, alice: User, client: Client, link: Links, mailoutbox: list[EmailMessage]
    ) -> None:
        assert client.post(RESET, {"email": "Alice@Example.com"})["Location"] == SENT
        mail = mailoutbox[-1]
        assert (mail.to, mail.subject) == ([alice.email], "Choose a new password")

        form = opened(client, link())
        done = client.post(form, BOTH, follow=True)

        assert "Your password was changed" in words(done)
        alice.refresh_from_db()
        assert alice.check_password(NEW)
        assert client.get("/organizations/").status_code == 302, "signs nobody in"
        assert [mail.subject for mail in mailoutbox[1:]] == ["Your password was changed"]

    def test_the_form_has_no_secret_in_its_address(
        self, alice: User, client: Client, link: Links
    ) -> None:
        client.post(RESET, {"email": alice.email})

        assert opened(client, link()).endswith("-set-password/")

    def test_the_link_works_once(self, alice: User, client: Client, link: Links) -> None:
        client.post(RESET, {"email": alice.email})
        mailed = link()
        client.post(opened(client, mailed), BOTH)

        assert "This link is not valid any more" in words(Client().get(mailed))

    def test_signs_out_everywhere(self, alice: User, alices: Client, link: Links) -> None:
        client = Client()
        client.post(RESET, {"email": alice.email})
        client.post(opened(client, link()), BOTH)

        assert alices.get("/organizations/").status_code == 302

    def test_lets_in_whoever_had_too_many_attempts(
        self, alice: User, client: Client, link: Links
    ) -> None:
        for _ in range(5):
            client.post("/sign-in/", {"login": alice.email, "password": "wrong"})
        client.post(RESET, {"email": alice.email})
        client.post(opened(client, link()), BOTH)

        response = client.post("/sign-in/", {"login": alice.email, "password": NEW})

        assert response["Location"] == "/organizations/"

    def test_does_not_tell_whether_an_address_has_an_account(
        self, alice: User, mailoutbox: list[EmailMessage]
    ) -> None:
        known = Client().post(RESET, {"email": alice.email}, follow=True)
        unknown = Client().post(RESET, {"email": "nobody@example.com"}, follow=True)

        assert known.redirect_chain == unknown.redirect_chain
        assert words(known) == words(unknown)
        told = mailoutbox[-1]
        assert (told.to, told.subject) == (
            ["nobody@example.com"],
            "There is no account with this address",
        )

    def test_wants_a_good_password_twice(self, alice: User, client: Client, link: Links) -> None:
        client.post(RESET, {"email": alice.email})
        form = opened(client, link())

        weak = client.post(form, {"password1": "short", "password2": "short"})
        different = client.post(form, BOTH | {"password2": "not the same secret"})

        assert "must contain at least 12 characters" in words(weak)
        assert "You must type the same password each time." in words(different)
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)


class TestChange:
    def test_keeps_this_browser_signed_in_and_no_other(
        self, alice: User, alices: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        other = Client()
        other.post("/sign-in/", {"login": alice.email, "password": PASSWORD})

        done = alices.post("/account/password/", BOTH | {"oldpassword": PASSWORD})

        assert done["Location"] == "/account/"
        assert "Your password was changed." in words(alices.get("/account/"))
        assert other.get("/account/").status_code == 302
        assert [mail.subject for mail in mailoutbox] == ["Your password was changed"]

    def test_mails_when_and_from_where(
        self, alices: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        alices.post(
            "/account/password/",
            BOTH | {"oldpassword": PASSWORD},
            headers={"user-agent": "Netscape & Sons"},
        )

        (mail,) = mailoutbox
        assert "\nFrom: 127.0.0.1, Netscape & Sons\n" in str(mail.body)
        assert " UTC\n" in str(mail.body)
        assert "http://testserver/account/password/reset/" in str(mail.body)

    def test_wants_the_current_one(self, alice: User, alices: Client) -> None:
        response = alices.post("/account/password/", BOTH | {"oldpassword": "wrong"})

        assert "This is not your current password." in words(response)
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)


class TestFirst:
    def test_is_chosen_by_whoever_has_none(self, alice: User, client: Client) -> None:
        alice.set_unusable_password()
        alice.save()
        client.force_login(alice)

        first: Any = client.get("/account/password/")
        assert first["Location"] == "/account/password/first/"
        assert client.post(first["Location"], BOTH)["Location"] == "/account/"

        alice.refresh_from_db()
        assert alice.check_password(NEW)
