"""Every page of an organization in its autumn, in the looks that people have."""

import os

from tests.browser import looks
from tests.browser.conftest import Visit
from tests.browser.pages import addresses, sign_in
from tests.scenario.conftest import Customer

LOOKS = (
    looks.EVERY
    if os.environ.get("HYPOTHESIS_PROFILE") == "full"
    else [looks.USUAL, looks.PHONE_AT_NIGHT]
)


def test_no_page_has_a_fault(acme: Customer, visit: Visit) -> None:
    pages = addresses(acme.slug)
    for look in LOOKS:
        visitor = visit(look)
        sign_in(visitor, acme)
        for page in pages.values():
            visitor.open(page)
            assert visitor.seen[-1] == page
