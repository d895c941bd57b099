"""What holds for every page of an account: accessible, under the strict policy, one stylesheet."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from bencher.tenancy.account_adapter import SecondFactorAdapter
from bencher.tenancy.models import User
from tests.accounts.conftest import confirm
from tests.factories import PASSWORD
from tests.pages.reading import soup
from tests.pages.test_every_page import (
    check_document,
    check_forms_and_tables,
    check_no_inline_code,
    check_references,
)

pytestmark = pytest.mark.django_db

HERE = "/account/second-factor/"
SIGNED_OUT = [
    "/sign-in/",
    "/sign-up/",
    "/account/off/",
    "/account/email/sent/",
    "/account/email/verify/nothing/",
    "/account/password/reset/",
    "/account/password/reset/sent/",
    "/account/password/reset/done/",
    "/account/password/reset/1-nothing/",
]
SIGNED_IN = [
    "/account/",
    "/account/confirm/",
    "/account/email/",
    "/account/password/",
    HERE,
    f"{HERE}totp/activate/",
    f"{HERE}webauthn/",
    f"{HERE}webauthn/add/",
]
PROTECTED = [
    HERE,
    f"{HERE}reauthenticate/",
    f"{HERE}totp/deactivate/",
    f"{HERE}recovery-codes/",
    f"{HERE}recovery-codes/generate/",
    f"{HERE}webauthn/",
    f"{HERE}webauthn/keys/{{passkey}}/edit/",
    f"{HERE}webauthn/keys/{{passkey}}/remove/",
]
FAILED = [
    ("/sign-in/", {"login": "x"}),
    ("/sign-up/", {"email": "x", "password1": "x"}),
    ("/account/password/reset/", {"email": "x"}),
]


def protect(user: User) -> Authenticator:
    """Give a user an app, recovery codes and a passkey, and return that."""
    seal = SecondFactorAdapter().encrypt("JBSWY3DPEHPK3PXP")
    Authenticator.objects.create(user=user, type="totp", data={"secret": seal})
    Authenticator.objects.create(
        user=user, type="recovery_codes", data={"seed": seal, "used_mask": 0}
    )
    passkey: Authenticator = Authenticator.objects.create(
        user=user,
        type="webauthn",
        data={"name": "<i>Laptop", "credential": {"clientExtensionResults": {}}},
    )
    return passkey


def check(page: Any) -> None:
    """Check a page."""
    assert page.status_code == 200
    document = soup(page)
    check_document(document)
    check_references(document)
    check_forms_and_tables(document)
    check_no_inline_code(document)
    assert "unsafe" not in page["Content-Security-Policy"]
    assert [str(sheet["href"]) for sheet in document.select("link[rel=stylesheet]")] == [
        "/static/site.css"
    ]
    assert document.find("i") is None
    assert len(page.content) < 100_000
    # allauth's words never show through.
    assert document.select_one("[placeholder]") is None


@pytest.mark.parametrize("address", SIGNED_OUT)
def test_to_everybody(address: str, client: Client) -> None:
    check(client.get(address))


@pytest.mark.parametrize(("address", "form"), FAILED, ids=[address for address, _ in FAILED])
def test_with_mistakes(address: str, form: dict[str, str], client: Client) -> None:
    page = client.post(address, form)

    check(page)
    assert soup(page).select_one(".error-summary[tabindex='-1']")


@pytest.mark.parametrize("address", SIGNED_IN)
def test_to_whoever_is_signed_in(address: str, alices: Client) -> None:
    confirm(alices)

    check(alices.get(address))


@pytest.mark.parametrize("address", PROTECTED)
def test_to_whoever_has_a_second_factor(address: str, alice: User, alices: Client) -> None:
    confirm(alices)
    passkey = protect(alice)

    check(alices.get(address.format(passkey=passkey.pk)))


def test_the_second_step(alice: User, client: Client) -> None:
    protect(alice).delete()

    check(client.post("/sign-in/", {"login": alice.email, "password": PASSWORD}, follow=True))
