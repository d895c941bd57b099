"""That the inspection sees what it is there for, on pages that have it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser import looks
from tests.browser.conftest import one_at_a_time
from tests.browser.inspection import PAGE_BYTES, Inspector

pytestmark = one_at_a_time

SITE = "http://127.0.0.1:9"
GOOD = '<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1>{}</main></html>'
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'"
Faults = Callable[[str], list[str]]


@pytest.fixture
def faults_of(chromium: Browser) -> Faults:
    """Return a function that gives the faults of a page with something in it."""

    def inspect(content: str) -> list[str]:
        page: Page = chromium.new_page(viewport={"width": looks.NARROW, "height": 900})
        body = GOOD.format(content)
        headers = {"Content-Security-Policy": POLICY, "Content-Length": str(len(body))}

        def answer(route: Route) -> None:
            route.fulfill(body=body, content_type="text/html", headers=headers)

        page.route("**/*", answer)
        inspector = Inspector(page, SITE, runs_axe=True)
        page.goto(f"{SITE}/page/")
        inspector.inspect()
        page.close()
        return inspector.faults

    return inspect


def test_finds_nothing_on_a_good_page(faults_of: Faults) -> None:
    assert faults_of("<p>Nothing is wrong here.</p>") == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('<img src="/x.png">', "image-alt"),
        ('<a href="/a">.</a><a href="/b">.</a>', "target-size"),
        ('<p style="color: red">Red</p>', "policy violated: style-src"),
        ("<script>alert(1)</script>", "policy violated: script-src"),
        ('<svg width="400" height="1"></svg>', "wider than the window"),
        (
            '<div class="table-box"><table class="stacks"><tr><td>'
            f"<bdi>{'x' * 80}</bdi></table></div>",
            "cut off",
        ),
        ('<img alt="" src="http://elsewhere.invalid/x.png">', "asks another host"),
        (f"<!--{'x' * PAGE_BYTES}-->", "a page of"),
    ],
)
def test_finds(faults_of: Faults, content: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(content))
