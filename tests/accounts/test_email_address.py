"""Changing the address that one signs in with."""

import pytest
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage
from django.test import Client

from bencher.tenancy.models import User
from tests import factories
from tests.accounts.conftest import Links, confirm
from tests.factories import PASSWORD
from tests.pages.reading import words

pytestmark = pytest.mark.django_db

PAGE = "/account/email/"
CHANGE = {"email": "Alice@New.example", "action_add": ""}


class TestChange:
    def test_wants_to_know_first_that_it_is_you(
        self, alices: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        response = alices.post(PAGE, CHANGE)

        assert response["Location"].startswith("/account/confirm/?next=")
        assert not mailoutbox

    def test_happens_when_the_new_address_is_verified(
        self, alice: User, alices: Client, link: Links, mailoutbox: list[EmailMessage]
    ) -> None:
        confirm(alices)
        asked = alices.post(PAGE, CHANGE, follow=True)
        assert "You asked to change it to alice@new.example ." in words(asked)
        assert [mail.to for mail in mailoutbox] == [["alice@new.example"]]
        alice.refresh_from_db()
        assert alice.email == "alice@example.com"

        alices.post(link())

        alice.refresh_from_db()
        assert alice.email == "alice@new.example"
        (address,) = EmailAddress.objects.all()
        assert (address.email, address.primary, address.verified) == (alice.email, True, True)
        assert (mailoutbox[-1].to, mailoutbox[-1].subject) == (
            ["alice@example.com"],
            "Your e-mail address was changed",
        )
        for login, status in ((alice.email, 302), ("alice@example.com", 200)):
            answer = Client().post("/sign-in/", {"login": login, "password": PASSWORD})
            assert answer.status_code == status

    def test_is_taken_back(self, alice: User, alices: Client, link: Links) -> None:
        confirm(alices)
        alices.post(PAGE, CHANGE)
        mailed = link()

        alices.post(PAGE, {"email": "alice@new.example", "action_remove": ""})

        assert EmailAddress.objects.get().email == alice.email
        assert "This link is not valid any more" in words(alices.get(mailed))

    def test_does_not_tell_whether_an_address_has_an_account(self, alices: Client) -> None:
        factories.make_user("bob")
        confirm(alices)

        taken = alices.post(PAGE, {"email": "bob@example.com", "action_add": ""}, follow=True)
        alices.post(PAGE, {"email": "bob@example.com", "action_remove": ""}, follow=True)
        free = alices.post(PAGE, {"email": "zoe@example.com", "action_add": ""}, follow=True)

        assert words(taken) == words(free).replace("zoe@", "bob@")

    @pytest.mark.parametrize("verified", [True, False])
    def test_to_an_address_that_another_account_has_is_refused_at_its_link(
        self, alice: User, alices: Client, link: Links, verified: bool
    ) -> None:
        confirm(alices)
        alices.post(PAGE, {"email": "bob@example.com", "action_add": ""})
        mailed = link()
        bob = factories.make_user("bob")
        EmailAddress.objects.filter(user=bob).update(verified=verified)

        response = alices.post(mailed, follow=True)

        assert response.status_code == 200
        assert "another account" in words(response)
        alice.refresh_from_db()
        assert alice.email == "alice@example.com"

    def test_refuses_the_one_that_it_is(self, alices: Client) -> None:
        confirm(alices)

        response = alices.post(PAGE, {"email": "ALICE@example.com", "action_add": ""})

        assert "This is your address already." in words(response)
