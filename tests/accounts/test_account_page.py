"""The page of one's own account."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import User
from tests.pages.reading import soup, words

pytestmark = pytest.mark.django_db


class TestAccountPage:
    def test_needs_a_sign_in(self, client: Client) -> None:
        assert client.get("/account/")["Location"] == "/sign-in/?next=/account/"

    def test_says_how_one_signs_in(self, alices: Client) -> None:
        text = words(alices.get("/account/"))

        assert "E-mail address alice@example.com" in text
        assert "Password Set" in text
        assert "Second factor Off your password alone opens this account" in text

    def test_says_what_waits_and_what_protects(self, alice: User, alices: Client) -> None:
        EmailAddress.objects.create(user=alice, email="alice@new.example")
        for kind in (Authenticator.Type.TOTP, *[Authenticator.Type.WEBAUTHN] * 2):
            Authenticator.objects.create(user=alice, type=kind, data={})

        text = words(alices.get("/account/"))

        assert "to become alice@new.example once verified" in text
        assert "On, with an authenticator app and 2 passkeys" in text

    def test_changes_the_name(self, alice: User, alices: Client) -> None:
        response = alices.post("/account/", {"name": "Alice <b>Liddell</b>"}, follow=True)

        assert "Your name was changed." in words(response)
        alice.refresh_from_db()
        assert (alice.name, alice.slug) == ("Alice <b>Liddell</b>", "alice")
        assert soup(response).find("b") is None

    def test_refuses_an_empty_name(self, alice: User, alices: Client) -> None:
        response = alices.post("/account/", {"name": ""})

        assert "Your name : This field is required." in words(response)
        alice.refresh_from_db()
        assert alice.name == "Alice"

    def test_is_linked_from_every_page(self, alices: Client) -> None:
        link = soup(alices.get("/organizations/")).find("a", href="/account/")

        assert link is not None
        assert words(link) == "Your account: alice@example.com"

    def test_takes_four_queries(
        self, alices: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(4):
            alices.get("/account/")


class TestSignedOut:
    def test_can_sign_in_and_up_from_every_page(self, client: Client) -> None:
        page = soup(client.get("/nothing/"))

        links = {str(link["href"]) for link in page.select("header a")}
        assert links == {"/", "/sign-in/", "/sign-up/"}
