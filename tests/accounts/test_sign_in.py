"""Signing in and out with a password."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import User
from tests.factories import PASSWORD
from tests.pages.reading import soup, words

pytestmark = pytest.mark.django_db


def enter(client: Client, login: str, password: str, **more: Any) -> Any:
    """Post the form of the page."""
    return client.post("/sign-in/", {"login": login, "password": password}, **more)


class TestSignIn:
    def test_leads_to_the_organizations(self, alice: User, client: Client) -> None:
        assert enter(client, "Alice@Example.com", PASSWORD)["Location"] == "/organizations/"

    def test_goes_on_to_where_one_wanted_to_be(self, alice: User, client: Client) -> None:
        wanted = "/organizations/acme/billing/"
        form = {"login": alice.email, "password": PASSWORD, "next": wanted}

        assert client.post("/sign-in/", form)["Location"] == wanted

    @pytest.mark.parametrize(
        "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"]
    )
    def test_never_leads_to_another_site(self, alice: User, client: Client, elsewhere: str) -> None:
        form = {"login": alice.email, "password": PASSWORD, "next": elsewhere}

        assert client.post("/sign-in/", form)["Location"] == "/organizations/"

    def test_says_what_is_wrong_and_keeps_the_address(self, alice: User, client: Client) -> None:
        response = enter(client, alice.email, "wrong")

        page = soup(response)
        assert "No account has this e-mail address with this password" in words(response)
        assert page.find("input", attrs={"name": "login"})["value"] == alice.email  # type: ignore[index]
        assert page.find("input", attrs={"name": "password"}).get("value") is None  # type: ignore[union-attr]

    def test_names_the_fields_that_are_empty(self, client: Client) -> None:
        page = soup(client.post("/sign-in/", {}))

        for name in ("login", "password"):
            field = page.find("input", attrs={"name": name})
            assert field is not None
            described = page.find(id=str(field["aria-describedby"]))
            assert words(described) == "This field is required."

    def test_is_asked_for_where_the_cookie_can_be_no_session(self, client: Client) -> None:
        client.cookies["session"] = "\0" * 32

        assert client.get("/organizations/")["Location"] == "/sign-in/?next=/organizations/"

    def test_tells_browsers_what_to_fill_in(self, client: Client) -> None:
        page = soup(client.get("/sign-in/"))

        fields = {str(field["name"]): field.get("autocomplete") for field in page.select("input")}
        assert fields["login"] == "username"
        assert fields["password"] == "current-password"

    def test_does_not_tell_whether_an_address_has_an_account(
        self, alice: User, client: Client
    ) -> None:
        wrong = enter(client, alice.email, "wrong")
        unknown = enter(client, "nobody@example.com", "wrong")

        assert wrong.status_code == unknown.status_code == 200
        assert words(wrong) == words(unknown)

    def test_sends_on_who_is_signed_in(self, alices: Client) -> None:
        assert alices.get("/sign-in/")["Location"] == "/organizations/"

    def test_is_refused_where_the_account_is_switched_off(
        self, alice: User, client: Client
    ) -> None:
        User.objects.update(is_active=False)

        response = client.post(
            "/sign-in/", {"login": alice.email, "password": PASSWORD}, follow=True
        )

        assert "This account is switched off" in words(response)
        assert client.get("/organizations/").status_code == 302

    def test_waits_for_a_verified_address(
        self, alice: User, client: Client, mailoutbox: list[Any]
    ) -> None:
        EmailAddress.objects.update(verified=False)

        assert enter(client, alice.email, PASSWORD)["Location"] == "/account/email/sent/"

        assert [mail.to for mail in mailoutbox] == [[alice.email]]
        assert client.get("/organizations/").status_code == 302

    def test_page_asks_the_database_for_nothing_else(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            client.get("/sign-in/")
        with django_assert_num_queries(0):
            client.get("/sign-up/")


class TestTooManyAttempts:
    def test_are_refused_even_with_the_password(self, alice: User, client: Client) -> None:
        for _ in range(5):
            enter(client, alice.email, "wrong")

        response = enter(client, alice.email, PASSWORD)

        assert response.status_code == 200
        assert "There were too many attempts to sign in." in words(response)

    def test_are_counted_for_each_account(self, alice: User, client: Client) -> None:
        for _ in range(5):
            enter(client, "somebody@example.com", "wrong")

        assert enter(client, alice.email, PASSWORD).status_code == 302

    def test_are_counted_without_redis_too(
        self, alice: User, client: Client, settings: Any
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

        for _ in range(5):
            enter(client, alice.email, "wrong")

        assert "too many attempts" in words(enter(client, alice.email, PASSWORD))
        assert enter(client, "bob@example.com", "wrong").status_code == 200

    def test_are_counted_for_each_network_address(
        self, alice: User, client: Client, settings: Any
    ) -> None:
        settings.TRUSTED_PROXIES = 1
        for number in range(10):
            enter(client, f"{number}@example.com", "wrong", headers={"x-forwarded-for": "10.0.0.1"})

        def answer(address: str) -> str:
            return words(enter(client, alice.email, "wrong", headers={"x-forwarded-for": address}))

        assert "too many attempts" in answer("10.0.0.1")
        assert "too many attempts" not in answer("10.0.0.2")

    def test_get_a_page_that_says_so(self, client: Client, settings: Any) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
        enter(client, "somebody@example.com", "wrong")

        response = enter(client, "somebody@example.com", "wrong")

        assert response.status_code == 429
        assert "That was too often Wait" not in words(response)
        assert "Wait a few minutes, then try again." in words(response)


class TestSignOut:
    def test_ends_the_session(self, alices: Client) -> None:
        assert alices.post("/sign-out/")["Location"] == "/sign-in/"
        assert alices.get("/organizations/").status_code == 302

    def test_takes_no_link(self, alices: Client) -> None:
        assert alices.get("/sign-out/").status_code == 405


class TestStaffsSite:
    def test_is_entered_through_the_same_page(self, client: Client) -> None:
        assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
        assert client.get("/admin/login/?next=/admin/")["Location"] == "/sign-in/?next=%2Fadmin%2F"

    def test_takes_no_password_of_its_own(self, client: Client) -> None:
        form = {"username": "alice@example.com", "password": PASSWORD}

        assert client.post("/admin/login/", form)["Location"].startswith("/sign-in/")
