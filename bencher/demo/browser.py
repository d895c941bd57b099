"""A browser without a screen: follows links, fills in forms, keeps cookies."""

from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup, Tag

_TIMEOUT_SECONDS = 30


class Browser:
    """One person's browser."""

    def __init__(self, base_url: str) -> None:
        self._session = requests.Session()
        self._base_url = base_url
        self._page = BeautifulSoup("", "html.parser")
        self.url = base_url

    def open(self, path: str) -> None:
        """Open a page. Raises HTTPError for an error page."""
        self._shown(self._session.get(urljoin(self.url, path), timeout=_TIMEOUT_SECONDS))

    def submit(self, button: str, **values: str) -> None:
        """Fill in the form that has a button with this text, and press it."""
        form, pressed = self._form(button)
        fields = {
            str(field["name"]): str(field.get("value", ""))
            for field in form.find_all("input")
            if field.get("name") and field.get("type") not in ("radio", "checkbox", "submit")
        }
        if pressed.get("name"):
            fields[str(pressed["name"])] = str(pressed.get("value", ""))
        self._shown(
            self._session.post(
                urljoin(self.url, str(form.get("action") or "")),
                data=fields | values,
                headers={"Referer": self.url},
                timeout=_TIMEOUT_SECONDS,
            )
        )

    def text(self, selector: str) -> str:
        """Return the text of the first element that a CSS selector finds, empty for none."""
        found = self._page.select_one(selector)
        return " ".join(found.get_text(" ").split()) if found else ""

    def _form(self, button: str) -> tuple[Tag, Tag]:
        for form in self._page.find_all("form"):
            for pressed in form.find_all("button"):
                if button.lower() in pressed.get_text().lower():
                    return form, pressed
        raise LookupError(f"No form at {self.url} has a button {button!r}.")

    def _shown(self, response: requests.Response) -> None:
        response.raise_for_status()
        self.url = response.url
        self._page = BeautifulSoup(response.text, "html.parser")
