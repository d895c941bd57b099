"""Stripe's bracketed form encoding, `items[0][price]=price_1`, into nested mappings."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from tests.stripe_sandbox.errors import ApiError


def decode(encoded: str) -> dict[str, Any]:
    """Return nested dicts of strings; arrays stay dicts keyed by index until a field asks."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        name, *rest = [key.split("[", 1)[0], *re.findall(r"\[([^\]]*)\]", key)]
        here = root
        path = [name, *rest]
        for position, part in enumerate(path[:-1]):
            here = here.setdefault(part or str(len(here)), {})
            if not isinstance(here, dict):
                raise ApiError("Invalid object", param="".join(path[: position + 1]))
        here[path[-1] or str(len(here))] = value
    return root


def from_json(body: str) -> dict[str, Any]:
    """Return the same shape from a JSON object, as version 2 of the API takes it."""
    try:
        document = json.loads(body or "{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiError("The request body is not a JSON object.", replayable=False)
    return {key: _strings(value) for key, value in document.items()}


def _strings(value: Any) -> Any:
    match value:
        case dict():
            return {key: _strings(entry) for key, entry in value.items()}
        case list():
            return {str(index): _strings(entry) for index, entry in enumerate(value)}
        case bool():
            return str(value).lower()
        case None:
            return ""
        case _:
            return str(value)
