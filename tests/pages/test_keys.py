"""The page of a person's own API keys."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy import keys
from bencher.tenancy.models import User, UserKey
from tests.factories import make_user_key
from tests.pages.reading import soup, words

Browsers = Callable[[User], Client]
KEYS = "/account/keys/"
DAYS_30 = str(30 * 24 * 3600)


@pytest.fixture
def browser(alice: User, browser_of: Browsers) -> Client:
    """Return Alice's browser."""
    return browser_of(alice)


def make(browser: Client, name: str = "laptop", ttl: str = "") -> str:
    """Make a key on the page and return its text."""
    secret = soup(browser.post(KEYS, {"name": name, "ttl": ttl})).select_one(".secret")
    assert secret is not None
    return words(secret)


class TestKey:
    def test_is_shown_in_the_answer_and_never_again(self, browser: Client) -> None:
        made = browser.post(KEYS, {"name": "laptop", "ttl": ""})
        secret = soup(made).select_one(".secret")
        assert secret is not None
        text = words(secret)

        later = browser.get(KEYS)

        assert "no-store" in made["Cache-Control"]
        assert made.content.decode().count(text) == 1
        assert text not in later.content.decode()
        assert text not in str(browser.session.items())
        assert text[:17] + "…" in words(later)

    def test_opens_the_api_and_its_use_is_noted(
        self, browser: Client, alice: User, now: datetime
    ) -> None:
        text = make(browser)
        headers = {"authorization": f"Bearer {text}"}

        assert browser.get(f"/v0/users/{alice.slug}", headers=headers).status_code == 200

        used = UserKey.objects.get().last_used_at
        assert used is not None
        assert now <= used < now + timedelta(minutes=5)
        assert "Last used 18 November 2026" not in words(browser.get(KEYS))
        assert "18 November 2026, 12:0" in words(browser.get(KEYS))

    def test_expires_when_that_was_chosen(self, browser: Client, now: datetime) -> None:
        make(browser, ttl=DAYS_30)

        expires = UserKey.objects.get().expires_at

        assert expires is not None
        assert now < expires - timedelta(days=30) < now + timedelta(minutes=5)
        assert "18 December 2026" in words(browser.get(KEYS))

    @pytest.mark.parametrize(
        ("name", "ttl", "why"),
        [
            (" ", "", "Enter a name that says where the key will be used."),
            ("é" * 33, "", "This name has 66 bytes, and 64 is the most."),
            ("laptop", "12", "Select a valid choice."),
        ],
    )
    def test_is_refused_in_words(self, browser: Client, name: str, ttl: str, why: str) -> None:
        response = browser.post(KEYS, {"name": name, "ttl": ttl})

        assert response.status_code == 422
        assert why in words(response)
        assert not UserKey.objects.exists()

    def test_cannot_be_made_with_a_key(self, alice: User) -> None:
        client = Client(headers={"authorization": f"Bearer {make_user_key(alice)}"})

        response = client.post(KEYS, {"name": "another", "ttl": ""})

        assert response.status_code == 302
        assert response["Location"].startswith("/sign-in/")
        assert UserKey.objects.count() == 1


class TestRevocation:
    def test_says_what_it_means_and_happens_on_the_second_page(
        self, browser: Client, alice: User
    ) -> None:
        text = make(browser)
        key = UserKey.objects.get()
        address = f"{KEYS}{key.uuid}/revoke/"

        assert "CI jobs with it fail" in words(browser.get(address))
        assert UserKey.objects.get().revoked_at is None
        response = browser.post(address, follow=True)

        assert "is revoked: it opens nothing any more" in words(response)
        assert "You have no key." in words(response)
        headers = {"authorization": f"Bearer {text}"}
        assert Client().get(f"/v0/users/{alice.slug}", headers=headers).status_code == 401

    def test_is_not_for_keys_of_others(
        self, browser: Client, charlie: User, browser_of: Browsers
    ) -> None:
        make(browser)
        address = f"{KEYS}{UserKey.objects.get().uuid}/revoke/"

        assert browser_of(charlie).get(address).status_code == 404
        assert browser_of(charlie).post(address).status_code == 404
        assert UserKey.objects.get().revoked_at is None


class TestLastUse:
    def test_is_noted_once_an_hour(self, alice: User, now: datetime) -> None:
        text = make_user_key(alice)

        def used(at: datetime) -> datetime | None:
            keys.find(UserKey, text, now=at, related=())
            return UserKey.objects.get().last_used_at

        assert used(now) == now
        assert used(now + timedelta(minutes=59)) == now
        assert used(now + timedelta(minutes=60)) == now + timedelta(minutes=60)

    def test_of_a_revoked_key_is_not_noted(self, alice: User, now: datetime) -> None:
        text = make_user_key(alice)
        keys.revoke(UserKey.objects.get(), now=now)

        assert keys.find(UserKey, text, now=now, related=()) is None
        assert UserKey.objects.get().last_used_at is None


class TestQueries:
    def test_do_not_grow_with_the_keys(
        self, browser: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            make_user_key(alice)

        with django_assert_num_queries(4):  # session, user, keys, clock
            browser.get(KEYS)
