"""What each request may carry: typed fields that refuse in Stripe's words.

The rules live here and not in Stripe's published document, because the demo runs without it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.stripe_sandbox.errors import ApiError

Parser = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter: how its raw value is read, and whether it must be there."""

    parse: Parser
    required: bool = False


Fields = Mapping[str, Field]


def required(field: Field) -> Field:
    """Return the same field, refused when absent."""
    return replace(field, required=True)


def validate(raw: Mapping[str, Any], fields: Fields, prefix: str = "") -> dict[str, Any]:
    """Return the typed parameters, or raise for the first thing that is wrong."""
    unknown = [_name(prefix, key) for key in raw if key not in fields]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        message = f"Received unknown parameter{plural}: {', '.join(unknown)}"
        raise _refusal(message, code="parameter_unknown", param=unknown[0])
    for key, field in fields.items():
        if field.required and key not in raw:
            name = _name(prefix, key)
            raise _refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return {key: fields[key].parse(value, _name(prefix, key)) for key, value in raw.items()}


def text(*, maximum: int = 5000, choices: tuple[str, ...] = (), clearable: bool = False) -> Field:
    """A string; an empty one clears what may be cleared and is refused elsewhere."""

    def parse(value: Any, name: str) -> str | None:
        string = _scalar(value, name, "string")
        if not string:
            if not clearable:
                raise _not_clearable(name)
            return None
        if len(string) > maximum:
            raise _refusal(
                f"Invalid string: {string[:6]}...{string[-6:]}; must be at most {maximum} "
                "characters",
                param=name,
            )
        if choices and string not in choices:
            *head, last = choices
            options = f"{', '.join(head)} or {last}" if head else last
            raise _refusal(f"Invalid {name}: must be one of {options}", param=name)
        return string

    return Field(parse)


def integer(*, minimum: int | None = None, maximum: int | None = None) -> Field:
    """A whole number."""

    def parse(value: Any, name: str) -> int:
        string = _scalar(value, name, "integer")
        if not re.fullmatch(r"-?\d{1,15}", string):
            raise _refusal(
                f"Invalid integer: {string}", code="parameter_invalid_integer", param=name
            )
        number = int(string)
        if minimum is not None and number < minimum:
            raise _out_of_range(f"greater than or equal to {minimum}", name)
        if maximum is not None and number > maximum:
            raise _out_of_range(f"less than or equal to {maximum}", name)
        return number

    return Field(parse)


def boolean() -> Field:
    """`true` or `false`, spelled so."""

    def parse(value: Any, name: str) -> bool:
        string = _scalar(value, name, "boolean")
        if string not in {"true", "false"}:
            raise _refusal(f"Invalid boolean: {string}", param=name)
        return string == "true"

    return Field(parse)


def decimal(*, places: int = 12) -> Field:
    """A decimal number, kept as the string it came as."""

    def parse(value: Any, name: str) -> str:
        string = _scalar(value, name, "decimal")
        try:
            number = Decimal(string)
        except InvalidOperation:
            raise _refusal(f"Invalid decimal: {string}", param=name) from None
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or -exponent > places:
            raise _refusal(
                f"Invalid decimal: {string}; must contain at maximum {places} decimal places.",
                param=name,
            )
        return string

    return Field(parse)


def mapping(fields: Fields) -> Field:
    """A nested object with known members."""

    def parse(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refusal("Invalid object", param=name)
        return validate(value, fields, name)

    return Field(parse)


def sequence(item: Field, *, clearable: bool = False) -> Field:
    """An array, sent as `name[0]`, `name[1]` or as `name[]`."""

    def parse(value: Any, name: str) -> list[Any]:
        if value == "" and clearable:
            return []
        if not isinstance(value, dict) or not all(key.isdigit() for key in value):
            raise _refusal("Invalid array", param=name)
        ordered = sorted(value.items(), key=lambda pair: int(pair[0]))
        return [item.parse(entry, f"{name}[{key}]") for key, entry in ordered]

    return Field(parse)


def strings() -> Field:
    """A free mapping of strings (metadata, a meter event's payload); empty clears it."""

    def parse(value: Any, name: str) -> dict[str, str]:
        if value == "":
            return {}
        if not isinstance(value, dict):
            raise _refusal("Invalid object", param=name)
        return {key: _scalar(entry, f"{name}[{key}]", "string") for key, entry in value.items()}

    return Field(parse)


def word_or_integer(word: str) -> Field:
    """A number, or the one word that stands for something else (`now`, `inf`)."""
    number = integer()
    return Field(lambda value, name: word if value == word else number.parse(value, name))


def created_filter() -> Field:
    """The `created` filter of lists: an instant or a range."""
    bounds = mapping({key: integer() for key in ("gt", "gte", "lt", "lte")})
    number = integer()

    def parse(value: Any, name: str) -> dict[str, int]:
        if isinstance(value, dict):
            return dict(bounds.parse(value, name))
        return {"gte": number.parse(value, name), "lte": number.parse(value, name)}

    return Field(parse)


def _name(prefix: str, key: str) -> str:
    return f"{prefix}[{key}]" if prefix else key


def _refusal(message: str, *, code: str | None = None, param: str) -> ApiError:
    return ApiError(message, code=code, param=param, replayable=False)


def _out_of_range(rule: str, name: str) -> ApiError:
    return _refusal(f"This value must be {rule}.", code="parameter_invalid_integer", param=name)


def _scalar(value: Any, name: str, kind: str) -> str:
    if not isinstance(value, str):
        raise _refusal(f"Invalid {kind}: {value}", param=name)
    return value


def _not_clearable(name: str) -> ApiError:
    return _refusal(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to "
        f"unset a parameter; however '{name}' cannot be unset. You should remove '{name}' "
        "from your request or supply a non-empty value.",
        code="parameter_invalid_empty",
        param=name,
    )
