"""Reading pages as people do: by their text."""

from typing import Any

from bs4 import BeautifulSoup, Tag


def soup(response: Any) -> BeautifulSoup:
    """Return the document of a response."""
    return BeautifulSoup(response.content, "html.parser")


def words(element: Any) -> str:
    """Return the text of a response or an element, its white space put in order."""
    tag = element if isinstance(element, Tag) else soup(element)
    return " ".join(tag.get_text(" ").split())


def rows(response: Any, section: str) -> list[list[str]]:
    """Return the cells of the table in the section that a heading labels."""
    found = soup(response).find("section", attrs={"aria-labelledby": section})
    assert found is not None, f"no section {section}"
    return [[words(cell) for cell in row.find_all(["th", "td"])] for row in found.find_all("tr")]
