"""What a text that is searched for looks like, and where it is looked for."""

from uuid import UUID

import pytest

from bencher import prefix_search
from bencher.prefix_search import EMAIL, ID, KEY, SLUG

UUID_TEXT = "0b8f6f0e-5c3e-4c0e-9d8b-0a3b8f6f0e5c"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("cus_9s6XKzkNRiz8i3", "cus"),
        ("sub_", "sub"),
        ("in_1", "in"),
        ("pi_3MtwBwLkdIwHu7ix", "pi"),
        ("bencher_run_abc", KEY),
        ("alice@example.com", EMAIL),
        (UUID_TEXT, ID),
        (UUID_TEXT.replace("-", ""), ID),
        (UUID_TEXT[:8], SLUG),
        ("acme", SLUG),
        ("Acme & Sons", SLUG),
        ("", SLUG),
    ],
)
def test_kind_of(text: str, kind: str) -> None:
    assert prefix_search.kind_of(text) == kind


COLUMNS = ("organization__slug", "user__email", "uuid", "stripe_customer_id", "identifier")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Acme & Sons", [{"organization__slug__startswith": "acme-sons"}]),
        ("Alice@Example", [{"user__email__startswith": "alice@example"}]),
        (UUID_TEXT, [{"uuid": UUID(UUID_TEXT)}]),
        (
            "cus_1",
            [{"stripe_customer_id__startswith": "cus_1"}, {"identifier__startswith": "cus_1"}],
        ),
        ("sub_1", []),
        ("…", []),
    ],
)
def test_lookups(text: str, found: list[dict[str, object]]) -> None:
    assert list(prefix_search.lookups(text, COLUMNS)) == found


def test_a_mirrored_object_is_found_by_any_id_of_stripes() -> None:
    assert list(prefix_search.lookups("pi_1", ("id",))) == [{"id__startswith": "pi_1"}]
    assert list(prefix_search.lookups("acme", ("id",))) == []
