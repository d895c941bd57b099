"""The pictures in docs/screens, taken anew with `make screens`."""

import os
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from bencher.tenancy.models import User
from tests.browser import autumn, looks, pictures, staff
from tests.browser.conftest import Visit, one_at_a_time
from tests.browser.looks import WIDE, Look, Scheme
from tests.browser.pages import addresses, sign_in
from tests.browser.visitors import Visitor
from tests.scenario.conftest import Customer

pytestmark = one_at_a_time

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screens"
# What fits on a screen and a half; the rest of a long page says no more of how it looks.
HIGHEST = 1400
MOST_BYTES = 150_000
PICTURES = {
    "organization": "projects",
    "billing": "billing",
    "billing-series": "series",
    "statement": "statement",
    "plan": "plan",
    "invoices": "invoices",
    "alerts": "alerts",
}
STAFF_PICTURES = ("front", "plans", "plan")


@pytest.mark.skipif("SCREENS" not in os.environ, reason="Pictures are taken by `make screens`.")
def test_take_screens(acme: Customer, visit: Visit) -> None:
    leader = User.objects.filter(email=acme.leader["leader"])
    with autumn.stopped():
        for scheme in looks.SCHEMES:
            leader.update(is_staff=False, is_superuser=False)
            # What the staff's pages before needed would be asked for when signing in again.
            Authenticator.objects.filter(user__in=leader).delete()
            visitor = visit(Look(WIDE, scheme))
            take(visitor, reverse("sign-up"), name="sign-up", scheme=scheme)
            sign_in(visitor, acme)
            for page, address in addresses(acme.slug).items():
                if page in PICTURES:
                    take(visitor, address, name=PICTURES[page], scheme=scheme)
            what_if = reverse("what-if", args=[acme.slug])
            take(visitor, f"{what_if}?add=140", name="what-if", scheme=scheme)
            staff.become(visitor, leader.get())
            for name, address in staff.addresses(acme.slug).items():
                if name in STAFF_PICTURES:
                    take(visitor, address, name=f"admin-{name}", scheme=scheme)


def take(visitor: Visitor, address: str, *, name: str, scheme: Scheme) -> None:
    """Write the picture of a page into the folder."""
    visitor.page.goto(visitor.site + address)
    height: int = visitor.page.evaluate("document.documentElement.scrollHeight")
    picture = visitor.page.screenshot(
        full_page=True,
        clip={"x": 0, "y": 0, "width": WIDE, "height": min(height, HIGHEST)},
    )
    browser = visitor.page.context.browser
    assert browser is not None
    path = FOLDER / f"{name}-{scheme}.png"
    pictures.save(picture, path, browser=browser)
    assert path.stat().st_size < MOST_BYTES
