"""One Chromium for all tests of this directory, and people who sit at it."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import autumn
from tests.browser.looks import Look
from tests.browser.visitors import KeyboardVisitor, Visitor
from tests.scenario.conftest import Customer, _command, _short, customer, tally  # noqa: F401 - fixtures
from tests.stripe_sandbox import Sandbox

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
]
Visit = Callable[..., Visitor]
# Each module names it: two browsers at a time would only take turns.
one_at_a_time = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Run the machine's Chromium, without a window; skips where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"No browser: none of {', '.join(NAMES)} is on the PATH.")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, in which Django would refuse to query.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, site: str) -> Iterator[Visit]:
    """Return a function that sits somebody at a browser; none of them may have seen a fault."""
    visitors: list[Visitor] = []

    def sit_down(look: Look, *, keyboard: bool = False) -> Visitor:
        context = chromium.new_context(
            viewport={"width": look.width, "height": 900},
            color_scheme=look.scheme,
            java_script_enabled=look.script,
            reduced_motion="reduce",
        )
        visitor = (KeyboardVisitor if keyboard else Visitor)(
            context.new_page(), site, has_script=look.script
        )
        visitors.append(visitor)
        return visitor

    yield sit_down
    for visitor in visitors:
        visitor.page.context.close()
    faults = [fault for visitor in visitors for fault in visitor.inspector.faults]
    if faults:
        pytest.fail("\n".join(dict.fromkeys(faults)), pytrace=False)


@pytest.fixture
def autumn_has_begun(sandbox: Sandbox, site: str) -> None:
    """Let it be autumn before anybody comes."""
    autumn.begin(sandbox)


@pytest.fixture
def acme(autumn_has_begun: None, worker: None, customer: Customer) -> Customer:  # noqa: F811
    """Return Acme in the middle of its November."""
    projects = {
        "engine": customer.private,
        "parser": _command("add_project", customer.slug, "Parser", private=True),
        "playground": customer.public,
    }
    autumn.live(customer, projects)
    return customer
