"""Parts of pages that are asked for alone, as htmx does."""

import pytest
from bs4 import BeautifulSoup, Tag
from django.test import Client

from bencher.tenancy.models import Organization

BILLING = "/organizations/acme/billing/"
PART = {"hx-request": "true"}


@pytest.mark.usefixtures("acme")
class TestSignedOut:
    def test_a_part_is_answered_with_a_reload(self) -> None:
        response = Client(headers=PART).get(BILLING)

        assert response["HX-Refresh"] == "true"
        assert response.content == b""

    def test_a_page_is_answered_with_the_way_to_signing_in(self) -> None:
        response = Client().get(BILLING)

        assert response.status_code == 302
        assert "HX-Refresh" not in response


class TestSignedIn:
    def test_is_sent_on_as_ever(self, acme: Organization) -> None:
        browser = Client(headers=PART)
        browser.force_login(acme.memberships.get().user)

        response = browser.get("/")

        assert (response.status_code, response["Location"]) == (302, "/organizations/")


def test_htmx_evaluates_nothing_and_keeps_nothing() -> None:
    page = BeautifulSoup(Client().get("/sign-in/").content, "html.parser")

    told = page.find("meta", attrs={"name": "htmx-config"})
    assert isinstance(told, Tag)
    for setting in ('"allowEval": false', '"allowScriptTags": false', '"historyCacheSize": 0'):
        assert setting in str(told["content"])
    assert page.find("script", src="/static/django_htmx/htmx-2.min.js", defer=True)
