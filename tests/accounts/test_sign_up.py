"""Making an account and verifying its address."""

import re
import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage
from django.test import Client

from bencher.tenancy import members, organizations
from bencher.tenancy.account_forms import SignUpForm
from bencher.tenancy.models import Role, User
from tests import factories
from tests.accounts.conftest import Links
from tests.pages.reading import soup, words

pytestmark = pytest.mark.django_db

BOB = {"name": "Bob Builder", "email": "Bob@Example.com", "password1": factories.PASSWORD}
CREDENTIALS = {"login": "bob@example.com", "password": factories.PASSWORD}
SENT = "/account/email/sent/"


class TestSignUp:
    def test_makes_an_account_that_waits_for_its_address(self, client: Client) -> None:
        response = client.post("/sign-up/", BOB)

        assert response["Location"] == SENT
        bob = User.objects.get()
        assert (bob.email, bob.name, bob.slug) == ("bob@example.com", "Bob Builder", "bob-builder")
        assert bob.check_password(factories.PASSWORD)
        address = EmailAddress.objects.get()
        assert (address.user, address.email) == (bob, bob.email)
        assert (address.primary, address.verified) == (True, False)
        assert client.get("/organizations/").status_code == 302

    def test_mails_a_link_to_this_site_whatever_the_request_says(
        self, client: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        client.post("/sign-up/", BOB, headers={"host": "testserver:8443"})

        (mail,) = mailoutbox
        assert mail.to == ["bob@example.com"]
        assert mail.subject == "Verify your e-mail address"
        assert str(mail.body).startswith("Hello Bob Builder,\n")
        addresses = re.findall(r"https?://[^/\s]+", str(mail.body))
        assert set(addresses) == {"http://testserver"}

    def test_the_link_verifies_and_signs_in_the_browser_that_signed_up(
        self, client: Client, link: Links
    ) -> None:
        client.post("/sign-up/", BOB)

        page = client.get(link())
        assert "This makes bob@example.com the address that Bob Builder signs in with." in words(
            page
        )
        assert not EmailAddress.objects.get().verified, "looking is not verifying"
        assert client.post(link())["Location"] == "/organizations/"

        assert EmailAddress.objects.get().verified
        assert client.get("/organizations/").status_code == 200

    def test_goes_on_to_where_one_wanted_to_be(self, client: Client, link: Links) -> None:
        client.post("/sign-up/", BOB | {"next": "/account/"})

        assert client.post(link())["Location"] == "/account/"

    def test_never_leads_to_another_site(self, client: Client, link: Links) -> None:
        client.post("/sign-up/", BOB | {"next": "https://evil.example/"})

        assert client.post(link())["Location"] == "/organizations/"

    def test_the_link_signs_in_no_other_browser(self, client: Client, link: Links) -> None:
        client.post("/sign-up/", BOB)
        other = Client()

        assert other.post(link())["Location"] == "/sign-in/"

        assert other.get("/organizations/").status_code == 302
        assert other.post("/sign-in/", CREDENTIALS)["Location"] == "/organizations/"

    def test_the_link_works_once(self, client: Client, link: Links) -> None:
        client.post("/sign-up/", BOB)
        client.post(link())
        Client().post("/sign-out/")

        assert "This link is not valid any more" in words(Client().get(link()))
        assert Client().post(link()).status_code == 404

    def test_the_link_works_for_three_days(
        self, client: Client, link: Links, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.post("/sign-up/", BOB)
        made = time.time()

        monkeypatch.setattr(time, "time", lambda: made + 3 * 86400 - 60)
        assert "This makes bob@example.com" in words(client.get(link()))
        monkeypatch.setattr(time, "time", lambda: made + 3 * 86400 + 60)
        assert "This link is not valid any more" in words(client.get(link()))

    def test_without_the_link_nobody_gets_in(
        self, client: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        client.post("/sign-up/", BOB)

        assert Client().post("/sign-in/", CREDENTIALS)["Location"] == SENT
        assert client.get("/account/").status_code == 302
        assert len(mailoutbox) == 1, "a second link within three minutes"

    def test_names_what_is_wrong_at_its_field(self, client: Client) -> None:
        response = client.post("/sign-up/", BOB | {"name": " ", "password1": "password1234"})

        page = soup(response)
        for name, problem in (
            ("name", "This field is required."),
            ("password1", "This password is too common."),
        ):
            field: Any = page.find("input", attrs={"name": name})
            assert field["aria-invalid"] == "true"
            told = [words(page.find(id=one)) for one in field["aria-describedby"].split()]
            assert problem in told
        summary: Any = page.find(class_="error-summary")
        assert summary["tabindex"] == "-1"
        assert {link["href"] for link in summary.find_all("a")} == {"#id_name", "#id_password1"}
        assert not User.objects.exists()

    def test_sends_on_who_is_signed_in(self, alices: Client) -> None:
        assert alices.get("/sign-up/")["Location"] == "/organizations/"

    def test_shows_terms_where_there_are_any(self, client: Client, settings: Any) -> None:
        assert "terms of use" not in words(client.get("/sign-up/"))

        settings.TERMS_URL = "https://bencher.example/terms"

        link: Any = soup(client.get("/sign-up/")).find("a", href=settings.TERMS_URL)
        assert words(link) == "terms of use"

    def test_says_where_mails_are_in_a_local_run(self, client: Client, settings: Any) -> None:
        assert "mails are printed" not in words(client.get(SENT))

        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

        assert "mails are printed where the web server runs" in words(client.get(SENT))

    def test_says_when_the_mail_could_not_be_sent(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise ConnectionRefusedError

        monkeypatch.setattr(EmailMessage, "send", refuse)

        response = client.post("/sign-up/", BOB, follow=True)

        assert "The mail could not be sent just now." in words(response)


class TestAddressThatHasAnAccount:
    def test_is_answered_as_a_new_one(self, alice: User, mailoutbox: list[EmailMessage]) -> None:
        new = Client().post("/sign-up/", BOB, follow=True)
        known = Client().post("/sign-up/", BOB | {"email": alice.email}, follow=True)

        assert new.redirect_chain == known.redirect_chain == [(SENT, 302)]
        assert words(known) == words(new).replace("bob@example.com", alice.email)
        assert User.objects.count() == 2
        assert [mail.to for mail in mailoutbox] == [["bob@example.com"], [alice.email]]

    def test_is_told_by_mail_how_to_get_in(
        self, alice: User, client: Client, mailoutbox: list[EmailMessage], link: Links
    ) -> None:
        client.post("/sign-up/", BOB | {"email": alice.email})

        assert mailoutbox[-1].subject == "You have an account already"
        assert link() == "/account/password/reset/"
        alice.refresh_from_db()
        assert alice.name == "Alice"

    def test_also_where_it_was_made_a_moment_ago(
        self, alice: User, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As when the button is pressed twice: both requests find the address free.
        monkeypatch.setattr(SignUpForm, "validate_unique_email", lambda _, value: value)

        response = client.post("/sign-up/", BOB | {"email": alice.email})

        assert response["Location"] == SENT
        assert User.objects.count() == 1


class TestAddedByALeader:
    def test_gets_in_by_a_mailed_link_alone(
        self, alice: User, client: Client, mailoutbox: list[EmailMessage], link: Links
    ) -> None:
        acme = organizations.found(name="Acme", leader=alice, now=factories.NOV)
        bob = members.add(
            acme, email="bob@example.com", name=None, role=Role.MEMBER, now=factories.NOV
        ).user
        client.post("/sign-up/", BOB)
        assert mailoutbox[-1].subject == "You have an account already"
        client.post("/account/password/reset/", {"email": bob.email})

        form = client.get(link(), follow=True)
        new = {"password1": "another good secret", "password2": "another good secret"}
        client.post(form.redirect_chain[-1][0], new)

        signed_in = Client()
        answer = signed_in.post(
            "/sign-in/", {"login": bob.email, "password": "another good secret"}
        )
        assert answer["Location"] == "/organizations/"
        assert "Acme" in words(signed_in.get("/organizations/"))
