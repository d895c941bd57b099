"""Apps, passkeys and mailed links in a real browser, which has an authenticator of its own."""

import re
import time

import pytest
from django.core.mail import EmailMessage

from bencher.tenancy.models import User
from tests import factories
from tests.accounts import totp
from tests.browser import looks
from tests.browser.conftest import Visit, one_at_a_time
from tests.browser.looks import Look
from tests.browser.pages import sign_up
from tests.browser.visitors import Visitor

pytestmark = one_at_a_time

SECRET = "four unusual words together"


def mailed(mailoutbox: list[EmailMessage], visitor: Visitor) -> str:
    """Return the link to an account in the last mail, at the address of the site."""
    (path,) = re.findall(r"http://[^/\s]+(/account/\S+)", str(mailoutbox[-1].body))
    return visitor.site + str(path)


def sign_in(visitor: Visitor, email: str, password: str) -> None:
    """Sign in with the password."""
    visitor.open("/sign-in/")
    visitor.fill("E-mail", email)
    visitor.fill("Password", password)
    visitor.press("Sign in", within="main form")


@pytest.mark.parametrize(
    ("look", "keyboard"),
    [
        pytest.param(looks.USUAL, False, id="mouse"),
        pytest.param(looks.PHONE_WITHOUT_SCRIPT, False, id="no-script"),
        pytest.param(looks.PHONE_AT_NIGHT, True, id="keyboard"),
    ],
)
def test_an_app_beside_the_password(look: Look, keyboard: bool, visit: Visit) -> None:
    zoe = visit(look, keyboard=keyboard)
    sign_up(zoe, name="Zoë", email="zoe@example.com")
    zoe.reads("zoe@example.com is verified")

    zoe.follow(re.compile("zoe@example.com"))
    zoe.follow("Add a second factor")
    zoe.follow("Set up an app")
    zoe.fill("Password", factories.PASSWORD)
    zoe.press("Go on")
    secret = zoe.text(".secret")
    zoe.fill("Code", totp.code(secret, at=time.time()))
    zoe.press("Turn it on")
    code = zoe.text(".recovery-codes code")
    zoe.press("Sign out")

    sign_in(zoe, "zoe@example.com", factories.PASSWORD)
    zoe.reads("Your account has a second factor")
    zoe.fill("Code", code)
    zoe.press("Sign in", within="main form")
    zoe.reads("Organizations")


def test_a_forgotten_password(visit: Visit, mailoutbox: list[EmailMessage], site: str) -> None:
    alice = factories.make_user("alice")
    visitor = visit(looks.PHONE_AT_NIGHT)
    visitor.open("/sign-in/")
    visitor.follow("Choose a new password")
    visitor.fill("E-mail", alice.email)
    visitor.press("Mail the link")
    visitor.open(mailed(mailoutbox, visitor))
    visitor.fill("New password", SECRET)
    visitor.fill("New password again", SECRET)
    visitor.press("Set the password")
    visitor.reads("Your password was changed")

    sign_in(visitor, alice.email, SECRET)

    visitor.reads("Organizations")


def test_a_passkey_in_place_of_the_password_and_beside_it(visit: Visit, site: str) -> None:
    alice = factories.make_user("alice")
    visitor = visit(looks.USUAL)
    # Passkeys belong to a name, and an IP address is none.
    visitor.site = visitor.inspector.site = site.replace("127.0.0.1", "localhost")
    protocol = visitor.page.context.new_cdp_session(visitor.page)
    protocol.send("WebAuthn.enable")
    protocol.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
            }
        },
    )
    sign_in(visitor, alice.email, factories.PASSWORD)
    visitor.open("/account/second-factor/webauthn/add/")
    visitor.fill("Password", factories.PASSWORD)
    visitor.press("Go on")
    visitor.fill("Name", "Work laptop")
    visitor.tick("Sign in with it alone")
    visitor.press("Add the passkey")
    visitor.reads("Recovery codes")
    visitor.open("/account/second-factor/webauthn/")
    visitor.reads("Work laptop")
    visitor.reads("signs in alone")

    visitor.press("Sign out")
    visitor.press("Sign in with a passkey")
    visitor.reads("Organizations")

    visitor.press("Sign out")
    sign_in(visitor, alice.email, factories.PASSWORD)
    visitor.press("Use a passkey instead")
    visitor.reads("Organizations")
    visitor.open("/account/second-factor/recovery-codes/")
    visitor.follow("Use a security key")
    visitor.press("Use a passkey")
    visitor.reads("Each of these lets you in once")
    assert User.objects.get().pk == alice.pk
