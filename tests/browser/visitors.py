"""People at a browser: one with a mouse, one with nothing but a keyboard."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.inspection import Inspector

# More stops than any page has.
_MOST_STOPS = 400
_PATIENCE_MILLISECONDS = 15_000
_HAS_FOCUS = "element => element === document.activeElement"
# An outline, or a border of its own, as `:focus-visible` draws it.
_SHOWS_FOCUS = """element => {
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const seen = box.bottom > 0 && box.top < innerHeight && box.width > 0 && box.height > 0;
  return seen && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


class Visitor:
    """Somebody who looks at pages and presses what a person would; sees faults on the way."""

    calls_axe = True

    def __init__(self, page: Page, site: str, *, has_script: bool) -> None:
        page.set_default_timeout(_PATIENCE_MILLISECONDS)
        self.page = page
        self.site = site
        self.has_script = has_script
        self.inspector = Inspector(page, site, runs_axe=has_script and self.calls_axe)
        self.seen: list[str] = []
        self.clicks = 0

    def open(self, path: str) -> None:
        """Open an address, as from a bookmark."""
        self.inspector.begin_page()
        self.page.goto(self.site + path if path.startswith("/") else path)
        self.look()

    def look(self) -> None:
        """Inspect the page that is shown, if it is the site's own and a new one."""
        if self.page.url.startswith(f"{self.site}/"):
            self.inspector.inspect()
            self.seen.append(self.page.url.removeprefix(self.site))

    def follow(self, name: str | re.Pattern[str], *, within: str = "body") -> None:
        """Follow the first link of that name."""
        self.leave_by(self.page.locator(within).get_by_role("link", name=name).first)

    def press(self, name: str | re.Pattern[str], *, within: str = "body") -> None:
        """Press the first button of that name."""
        self.leave_by(self.page.locator(within).get_by_role("button", name=name).first)

    def leave_by(self, target: Locator) -> None:
        """Activate something that leads to another page, and look at that."""
        self.inspector.begin_page()
        # Not any navigation: htmx pushes addresses without leaving the page.
        with self.page.expect_event("load"):
            self.activate(target)
        self.look()

    def activate(self, target: Locator) -> None:
        """Press something that may stay on the page."""
        self.clicks += 1
        target.click()

    def fill(self, label: str | re.Pattern[str], value: str) -> None:
        """Write into the field with that label."""
        self.field(label).fill(value)

    def tick(self, label: str | re.Pattern[str]) -> None:
        """Change the checkbox or radio button with that label."""
        self.activate(self.field(label))

    def field(self, label: str | re.Pattern[str]) -> Locator:
        """Return the first field with that label; a section may have it too."""
        fields = self.page.locator("input, select, textarea")
        return self.page.get_by_label(label).and_(fields).first

    def reads(self, text: str | re.Pattern[str], *, within: str = "main") -> None:
        """Expect a text on the page."""
        expect(self.page.locator(within)).to_contain_text(text)

    def text(self, selector: str) -> str:
        """Return the text of the first element that a CSS selector finds."""
        return " ".join(self.page.locator(selector).first.inner_text().split())


class KeyboardVisitor(Visitor):
    """Somebody who tabs to everything, and has to see where the focus is."""

    # The same pages are inspected by axe for those with a mouse.
    calls_axe = False

    def activate(self, target: Locator) -> None:
        """Tab to something and press the key that activates it."""
        self.tab_to(target)
        kind = target.get_attribute("type")
        self.page.keyboard.press("Space" if kind in ("checkbox", "radio") else "Enter")

    def fill(self, label: str | re.Pattern[str], value: str) -> None:
        """Tab to a field and type over what it holds."""
        self.tab_to(self.field(label))
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(value)

    def tick(self, label: str | re.Pattern[str]) -> None:
        """Tab to a checkbox, or to a group of radio buttons and on by its arrows."""
        target = self.field(label)
        if target.get_attribute("type") != "radio":
            self.activate(target)
            return
        group = self.page.locator(f"input[type=radio][name='{target.get_attribute('name')}']")
        checked = group.and_(self.page.locator(":checked"))
        self.tab_to(checked if checked.count() else group.first)
        while not target.is_checked():
            self.page.keyboard.press("ArrowDown")

    def tab_to(self, target: Locator) -> None:
        """Press Tab until something has the focus, visibly."""
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            if target.evaluate(_HAS_FOCUS):
                break
        else:
            raise AssertionError(f"No Tab leads to {target} at {self.page.url}.")
        if self.page.url.startswith(f"{self.site}/") and not target.evaluate(_SHOWS_FOCUS):
            outside: Any = target.evaluate("element => element.outerHTML.slice(0, 160)")
            self.inspector.faults.append(f"{self.page.url}: focus can't be seen on {outside}")
