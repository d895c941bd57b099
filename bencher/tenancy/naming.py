"""What a name may be, in bytes; whoever reads a request checks it here."""

from typing import Annotated

from msgspec import Meta

from bencher.tenancy import slugs

MAX_BYTES = 64
_TIGHT = r"^[^\s\u0000](?:[^\u0000]*[^\s\u0000])?$"

# What they promise is checked by the functions below, whose refusals say more.
Name = Annotated[
    str,
    Meta(
        description="At most 64 bytes, without white space around it.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_BYTES, "pattern": _TIGHT},
    ),
]
Slug = Annotated[
    str,
    Meta(
        description="Lower-case letters and digits, words joined by single dashes.",
        extra_json_schema={
            "minLength": 1,
            "maxLength": slugs.MAX_LENGTH,
            "pattern": r"^[a-z0-9]+(?:-[a-z0-9]+)*$",
        },
    ),
]


def check_name(field: str, name: str | None, *, max_bytes: int = MAX_BYTES) -> None:
    """Refuse a name that can't be stored. Raises ValueError naming the field; None is fine."""
    if name is None:
        return
    if not name:
        raise ValueError(f"`{field}` is empty")
    if "\0" in name:
        raise ValueError(f"`{field}` contains a NUL character")
    if name != name.strip():
        raise ValueError(f"`{field}` begins or ends with white space")
    length = len(name.encode())
    if length > max_bytes:
        raise ValueError(f"`{field}` has {length} bytes in UTF-8, which is over {max_bytes}")


def check_slug(field: str, slug: str | None) -> None:
    """Refuse what is no slug. Raises ValueError naming the field; None is fine."""
    if slug is not None and not slugs.is_slug(slug):
        raise ValueError(
            f"`{field}` is not a slug: at most {slugs.MAX_LENGTH} lower-case letters and digits,"
            " words joined by single dashes"
        )
