"""What must hold of every page that anybody sees, as a browser finds it."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response

# Uncompressed, as the server makes them: a page, and the page with all that it loads.
PAGE_BYTES = 100_000
TOTAL_BYTES = 200_000
# Off by default in axe: WCAG 2.2 wants 24 px of whatever is pressed.
# It would read stylesheets that import others by styles in the page, which the policy blocks.
AXE_OPTIONS = {
    "preload": False,
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},
}
TOLERATED_IMPACT = ("minor", "moderate")

# Also heard where the console would not tell: a report of the browser's own.
_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI}`);
});
"""
_OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > width + 0.5)
    .map((element) => element.outerHTML.slice(0, 120));
}"""


# Where a row becomes a list of its own, nothing has to be scrolled to.
_CUT_OFF = """() => [...document.querySelectorAll(".table-box:has(.stacks)")]
  .filter((box) => innerWidth <= 640 && box.scrollWidth > box.clientWidth)
  .flatMap((box) => [...box.querySelectorAll("th *, td *")]
    .filter((part) => part.getBoundingClientRect().right > box.getBoundingClientRect().right + 1)
    .map((part) => part.outerHTML.slice(0, 120)))"""


@dataclass
class Inspector:
    """Listens to a page from its first request on; `faults` says what was wrong.

    axe waits on timers, which don't run where scripts don't; and once for each page is enough.
    """

    page: Page
    site: str
    runs_axe: bool
    total_bytes: int = TOTAL_BYTES
    faults: list[str] = field(default_factory=list)
    _loaded: list[Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_TELL_VIOLATIONS)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self._note(f"script failed: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def begin_page(self) -> None:
        """Forget what the page before this one loaded."""
        self._loaded = []

    def inspect(self) -> None:
        """Look closely at the page that is shown."""
        where = urlsplit(self.page.url).path
        if self.runs_axe:
            self.faults += [f"{where}: {fault}" for fault in self._inaccessible()]
        self.faults += [
            f"{where}: wider than the window: {element}"
            for element in self.page.evaluate(_OVERFLOWING)
        ]
        self.faults += [f"{where}: cut off: {part}" for part in self.page.evaluate(_CUT_OFF)]
        self._weigh(where)

    def _inaccessible(self) -> list[str]:
        found = Axe().run(self.page, options=AXE_OPTIONS).response["violations"]
        return [_sentence(violation) for violation in found if _matters(violation)]

    def _weigh(self, where: str) -> None:
        sizes = {
            response.url: int(response.headers.get("content-length", 0))
            for response in self._loaded
            if response.ok
        }
        page = sizes.get(self.page.url.partition("#")[0], 0)
        if page > PAGE_BYTES:
            self.faults.append(f"{where}: a page of {page} bytes")
        if (total := sum(sizes.values())) > self.total_bytes:
            self.faults.append(f"{where}: {total} bytes with all that it loads")

    def _on_site(self, address: str) -> bool:
        return address.startswith(f"{self.site}/")

    def _note(self, fault: str) -> None:
        if self._on_site(self.page.url):
            self.faults.append(f"{urlsplit(self.page.url).path}: {fault}")

    def _heard(self, message: ConsoleMessage) -> None:
        self._note(f"console says {message.text}")

    def _asked(self, request: Request) -> None:
        is_ours = self._on_site(request.url) or request.url.startswith(("data:", "blob:"))
        if not is_ours and not request.is_navigation_request():
            self._note(f"asks another host: {request.url}")

    def _answered(self, response: Response) -> None:
        self._loaded.append(response)


def _matters(violation: dict[str, Any]) -> bool:
    return violation["impact"] not in TOLERATED_IMPACT


def _sentence(violation: dict[str, Any]) -> str:
    places = "; ".join(str(node["html"])[:160] for node in violation["nodes"][:3])
    return f"axe: {violation['help']} ({violation['impact']}, {violation['id']}): {places}"
