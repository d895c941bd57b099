"""Alice has an account with a verified address; mails are kept, and links taken from them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from bencher.tenancy.models import User
from tests import factories

Links = Callable[[], str]


@pytest.fixture
def alice(db: None) -> User:
    """Return somebody who signs in with factories.PASSWORD."""
    return factories.make_user("alice")


@pytest.fixture
def alices(alice: User) -> Client:
    """Return Alice's browser, signed in through the page."""
    client = Client()
    response = client.post("/sign-in/", {"login": alice.email, "password": factories.PASSWORD})
    assert response["Location"] == "/organizations/"
    return client


@pytest.fixture
def link(mailoutbox: list[EmailMessage]) -> Links:
    """Return a function that gives the path of the only link to an account in the last mail."""

    def last() -> str:
        (found,) = re.findall(r"http://testserver(/account/\S+)", str(mailoutbox[-1].body))
        return str(found)

    return last


def confirm(client: Client) -> None:
    """Confirm with the password that it is Alice, as she is asked before what is sensitive."""
    response: Any = client.post("/account/confirm/", {"password": factories.PASSWORD})
    assert response.status_code == 302
