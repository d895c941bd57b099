"""Making an account in a browser."""

import pytest

from tests.browser import looks
from tests.browser.conftest import Visit
from tests.browser.looks import Look
from tests.browser.pages import sign_up


@pytest.mark.parametrize("look", [looks.USUAL, looks.PHONE_WITHOUT_SCRIPT], ids=str)
def test_signing_up_leads_to_organizations(visit: Visit, look: Look) -> None:
    newcomer = visit(look)

    sign_up(newcomer, name="Alice", email="alice@example.com")

    assert newcomer.seen[-1] == "/organizations/"
