"""Signing in and out, and the list of organizations."""

from collections.abc import Callable

from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Organization, User
from tests.factories import PASSWORD, make_organization
from tests.pages.reading import soup, words

Browsers = Callable[[User], Client]


class TestSignIn:
    def test_leads_to_the_organizations(self, alice: User, client: Client) -> None:
        form = {"username": "Alice@Example.com", "password": PASSWORD}

        assert client.post("/sign-in/", form)["Location"] == "/organizations/"

    def test_goes_on_to_where_one_wanted_to_be(self, alice: User, client: Client) -> None:
        wanted = "/organizations/acme/billing/"
        form = {"username": alice.email, "password": PASSWORD, "next": wanted}

        assert client.post("/sign-in/", form)["Location"] == wanted

    def test_never_leads_to_another_site(self, alice: User, client: Client) -> None:
        form = {"username": alice.email, "password": PASSWORD, "next": "https://evil.example/"}

        assert client.post("/sign-in/", form)["Location"] == "/organizations/"

    def test_says_what_is_wrong_and_keeps_the_address(self, alice: User, client: Client) -> None:
        response = client.post("/sign-in/", {"username": alice.email, "password": "wrong"})

        page = soup(response)
        assert "No account has this e-mail address with this password" in words(response)
        assert page.find("input", attrs={"name": "username"})["value"] == alice.email  # type: ignore[index]
        assert page.find("input", attrs={"name": "password"}).get("value") is None  # type: ignore[union-attr]

    def test_names_the_fields_that_are_empty(self, client: Client) -> None:
        page = soup(client.post("/sign-in/", {}))

        for name in ("username", "password"):
            field = page.find("input", attrs={"name": name})
            assert field is not None
            described = page.find(id=str(field["aria-describedby"]))
            assert words(described) == "This field is required."

    def test_sends_on_who_is_signed_in(self, alice: User, browser_of: Browsers) -> None:
        assert browser_of(alice).get("/sign-in/")["Location"] == "/organizations/"


class TestSignOut:
    def test_ends_the_session(self, alice: User, browser_of: Browsers) -> None:
        browser = browser_of(alice)

        assert browser.post("/sign-out/")["Location"] == "/sign-in/"
        assert browser.get("/organizations/").status_code == 302

    def test_takes_no_link(self, alice: User, browser_of: Browsers) -> None:
        assert browser_of(alice).get("/sign-out/").status_code == 405


class TestOrganizations:
    def test_is_where_the_site_begins(self, client: Client) -> None:
        assert client.get("/")["Location"] == "/organizations/"

    def test_needs_a_sign_in(self, client: Client) -> None:
        assert client.get("/organizations/")["Location"] == "/sign-in/?next=/organizations/"

    def test_leaders_get_to_the_billing_page(
        self, acme: Organization, alice: User, browser_of: Browsers
    ) -> None:
        page = soup(browser_of(alice).get("/organizations/"))

        link = page.find("a", href="/organizations/acme/billing/")
        assert link is not None
        assert words(link) == "Plan and usage of Acme"

    def test_members_do_not(self, bob: User, browser_of: Browsers) -> None:
        response = browser_of(bob).get("/organizations/")

        assert "Acme You are a member. Plan and usage are for its leaders." in words(response)

    def test_strangers_see_their_own_only(
        self, acme: Organization, charlie: User, browser_of: Browsers
    ) -> None:
        text = words(browser_of(charlie).get("/organizations/"))

        assert "Globex" in text
        assert "Acme" not in text

    def test_leaves_out_deleted_ones(
        self, acme: Organization, alice: User, browser_of: Browsers
    ) -> None:
        Organization.objects.filter(pk=acme.pk).update(deleted_at=acme.created_at)

        assert "You belong to no organization yet." in words(
            browser_of(alice).get("/organizations/")
        )

    def test_takes_three_queries_for_any_number(
        self,
        alice: User,
        browser_of: Browsers,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(10):
            make_organization(f"Org {number}", leader=alice)
        browser = browser_of(alice)

        with django_assert_num_queries(3):
            browser.get("/organizations/")
