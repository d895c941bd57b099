"""The key by which a repeated request is known, from the header or from the body."""

import re

from ingest.wire import InvalidBodyError

MAX_LENGTH = 255
# A string as structured headers have it (RFC 8941), or the same without its quotes.
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def key(header: str | None, in_body: str | None) -> str | None:
    """Return the key of a request, None where it has none.

    Raises InvalidBodyError where the header holds no key, or another than the body.
    """
    if header is None:
        return in_body
    in_header = _parse(header.strip())
    if in_body is not None and in_body != in_header:
        raise InvalidBodyError(
            "The header Idempotency-Key and idempotency_key in the body differ; send one of them."
        )
    return in_header


def _parse(header: str) -> str:
    quoted = _QUOTED.fullmatch(header)
    if quoted is not None:
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(header):
        text = header
    else:
        text = ""
    if not 1 <= len(text) <= MAX_LENGTH:
        raise InvalidBodyError(
            f"The header Idempotency-Key is a text of 1 to {MAX_LENGTH} visible characters, with"
            ' double quotes around it or without: "8e03978e-40d5-43e8-bc93-6894a57f9324".'
        )
    return text
