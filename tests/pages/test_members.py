"""The people of an organization: read by all of them, changed by leaders, left by anybody."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Membership, Organization, Role, User
from tests.factories import make_member, make_user
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
MEMBERS = "/organizations/acme/members/"


@pytest.fixture
def browser(alice: User, bob: User, browser_of: Browsers) -> Client:
    """Return the browser of the leader of Acme, to which Bob belongs too."""
    return browser_of(alice)


def put_role(browser: Client, user: User, role: str) -> str:
    """Give a member a role and return the page that follows."""
    name = f"{user.uuid}-role"
    return words(browser.post(f"{MEMBERS}{user.uuid}/role/", {name: role}, follow=True))


def role_of(user: User) -> str | None:
    """Return the role of a user in Acme."""
    membership = Membership.objects.filter(user=user, organization__slug="acme").first()
    return membership.role if membership else None


class TestList:
    def test_has_everybody_with_role(self, browser: Client) -> None:
        page = browser.get(MEMBERS)

        assert [row[:2] for row in rows(page, "members")[1:]] == [
            ["Alice you", "alice@example.com"],
            ["Bob", "bob@example.com"],
        ]
        chosen = [option["value"] for option in soup(page).select("td option[selected]")]
        assert chosen == ["leader", "member"]

    def test_lets_members_read_and_leave_and_nothing_else(
        self, bob: User, acme: Organization, browser_of: Browsers
    ) -> None:
        page = browser_of(bob).get(MEMBERS)

        assert [row[2] for row in rows(page, "members")[1:]] == ["Leader", "Member"]
        assert soup(page).select("main form") == []
        assert [words(link) for link in soup(page).select("td a")] == ["Leave"]
        assert "Invite" not in words(page)

    def test_queries_do_not_grow_with_members(
        self,
        browser: Client,
        acme: Organization,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(5):
            make_member(make_user(f"m{number}"), acme)

        # session, user, organization, role, clock, members, invitations
        with django_assert_num_queries(7):
            browser.get(MEMBERS)


class TestRole:
    def test_is_changed_by_a_leader(self, browser: Client, bob: User) -> None:
        assert "bob@example.com is a leader now." in put_role(browser, bob, "leader")
        assert role_of(bob) == Role.LEADER

    def test_of_the_last_leader_stays(self, browser: Client, alice: User) -> None:
        assert "This is the last leader of acme" in put_role(browser, alice, "member")
        assert role_of(alice) == Role.LEADER

    def test_that_does_not_exist_changes_nothing(self, browser: Client, bob: User) -> None:
        put_role(browser, bob, "owner")

        assert role_of(bob) == Role.MEMBER

    def test_is_not_changed_by_members_or_strangers(
        self, bob: User, alice: User, charlie: User, browser_of: Browsers
    ) -> None:
        address = f"{MEMBERS}{bob.uuid}/role/"
        form = {f"{bob.uuid}-role": "leader"}

        assert browser_of(bob).post(address, form).status_code == 403
        assert browser_of(charlie).post(address, form).status_code == 404
        assert role_of(bob) == Role.MEMBER

    def test_of_somebody_of_another_organization_is_not_found(
        self, browser: Client, charlie: User
    ) -> None:
        assert browser.post(f"{MEMBERS}{charlie.uuid}/role/").status_code == 404
        assert browser.post(f"{MEMBERS}{charlie.uuid}/remove/").status_code == 404


class TestRemoval:
    def test_says_what_it_means_and_happens_on_the_second_page(
        self, browser: Client, bob: User
    ) -> None:
        address = f"{MEMBERS}{bob.uuid}/remove/"

        page = words(browser.get(address))
        assert "bob@example.com loses access to Acme at once" in page
        assert "Project keys go on working, whoever made them" in page
        assert role_of(bob) == Role.MEMBER
        assert "bob@example.com is removed." in words(browser.post(address, follow=True))
        assert role_of(bob) is None

    def test_of_oneself_is_open_to_members(
        self, acme: Organization, bob: User, browser_of: Browsers
    ) -> None:
        browser = browser_of(bob)
        address = f"{MEMBERS}{bob.uuid}/remove/"

        assert "You lose access to Acme at once" in words(browser.get(address))
        response = browser.post(address, follow=True)

        assert response.redirect_chain == [("/organizations/", 302)]
        assert "You have left Acme." in words(response)
        assert browser.get(MEMBERS).status_code == 404

    def test_of_others_is_not(
        self, acme: Organization, alice: User, bob: User, browser_of: Browsers
    ) -> None:
        response = browser_of(bob).post(f"{MEMBERS}{alice.uuid}/remove/")

        assert response.status_code == 403
        assert "Only leaders of Acme remove others." in words(response)
        assert role_of(alice) == Role.LEADER

    def test_of_the_last_leader_is_refused(self, browser: Client, alice: User) -> None:
        response = browser.post(f"{MEMBERS}{alice.uuid}/remove/", follow=True)

        assert "make somebody else a leader first" in words(response)
        assert role_of(alice) == Role.LEADER
