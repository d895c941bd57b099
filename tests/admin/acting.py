"""Acting as staff do: what an act would do is shown, a reason given, and then it is done."""

from dataclasses import dataclass

from bs4 import BeautifulSoup
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from tests.pages.reading import soup, words


@dataclass(frozen=True, slots=True)
class Shown:
    """The page that shows what an act would do; `effects` by row, `refused` where it can't."""

    page: BeautifulSoup
    effects: list[str]
    refused: bool

    @property
    def can_act(self) -> bool:
        """Tell whether there is a button that does it."""
        return self.page.select_one("button[value=act]") is not None


def plain(text: str) -> str:
    """Return a text with its white space put in order, as it is read from a page."""
    return " ".join(text.split())


def show(desk: Client, row: Model, action: str, **values: object) -> Shown:
    """Ask for an act on a row and return what it would do."""
    step = {"step": "show"} if values else {}
    response = desk.post(address(row), {**_data(row, action), **step, **values})
    assert response.status_code == 200, response
    page = soup(response)
    cells = page.select(".effects td")
    refused = any(cell.select(".badge--attention") for cell in cells)
    for cell in cells:
        for badge in cell.select(".badge"):
            badge.extract()
    return Shown(page, [words(cell) for cell in cells], refused)


def act(
    desk: Client, row: Model, action: str, *, reason: str = "it was agreed", **values: object
) -> str:
    """Do what was shown, and return what the page says that was done."""
    shown = show(desk, row, action, **values)
    digest = shown.page.select_one("input[name=shown]")
    assert digest is not None
    return confirm(desk, row, action, shown=str(digest["value"]), reason=reason, **values)


def confirm(desk: Client, row: Model, action: str, **values: object) -> str:
    """Press the button, and return what the page says."""
    response = desk.post(address(row), {**_data(row, action), "step": "act", **values}, follow=True)
    assert response.status_code == 200
    return words(soup(response).select_one(".messagelist"))


def address(row: Model) -> str:
    """Return the address of the list that a row is on."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")


def _data(row: Model, action: str) -> dict[str, object]:
    return {"action": action, "_selected_action": [str(row.pk)]}
