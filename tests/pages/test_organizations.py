"""The list of organizations."""

from collections.abc import Callable

from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Organization, User
from tests.factories import make_organization
from tests.pages.reading import soup, words

Browsers = Callable[[User], Client]


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
