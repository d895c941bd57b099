"""Decode JSON that came from outside into typed structs; every failure is an AdapterError."""

import json
from typing import TypeVar

import msgspec

from ingest.adapters.results import AdapterError

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], text: str) -> T:
    """The text as the decoder's type. Refuses NaN, Infinity and numbers beyond a float."""
    try:
        return decoder.decode(text)
    except (RecursionError, ValueError) as error:
        raise _refusal(error) from None


def decode_allowing_nan(decoder: msgspec.json.Decoder[T], text: str) -> T:
    """Like `decode`, for tools that print bare NaN and Infinity among fields nobody reads.

    Only a text that is no JSON and holds one of those words is read a second time, by the
    standard library. A NaN in a field that is read arrives as NaN: the caller judges it.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _refusal(error) from None
    except (RecursionError, ValueError) as error:
        if "NaN" not in text and "Infinity" not in text:
            raise _refusal(error) from None
    try:
        # Integers as floats: Python refuses to convert integers of more than 4,300 digits.
        return msgspec.convert(json.loads(text, parse_int=float), decoder.type)
    except (RecursionError, ValueError) as error:
        raise _refusal(error) from None


def _refusal(error: Exception) -> AdapterError:
    """Bad JSON, bad Unicode and the wrong types are all ValueErrors."""
    if isinstance(error, RecursionError):
        return AdapterError("JSON is nested too deeply")
    if isinstance(error, UnicodeError):
        return AdapterError("JSON holds half of a surrogate pair, which is not text")
    return AdapterError(f"not the expected JSON: {error}")


def duplicate_key(text: str) -> str | None:
    """The first key that an object of this JSON holds twice, if any. Slow and exact."""
    try:
        _STRICT.decode(text)
    except _DuplicateKeyError as error:
        return error.key
    except (RecursionError, ValueError) as error:
        raise _refusal(error) from None
    return None


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise _DuplicateKeyError(key)
        seen.add(key)


# Numbers stay text: they were checked already and converting them again only costs time.
_STRICT = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
