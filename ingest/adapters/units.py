"""Time units as tools write them, to nanoseconds; rates to operations per second."""

from ingest.adapters import numbers
from ingest.adapters.results import AdapterError

# Both code points of micro: U+00B5 (micro sign) and U+03BC (Greek mu), and plain "us".
_NANOSECONDS = {
    "fs": 1e-6,
    "ps": 1e-3,
    "ns": 1.0,
    "us": 1e3,
    "\N{MICRO SIGN}s": 1e3,
    "\N{GREEK SMALL LETTER MU}s": 1e3,
    "ms": 1e6,
    "s": 1e9,
    "m": 60e9,
    "min": 60e9,
    "h": 3600e9,
    "hr": 3600e9,
    "day": 86400e9,
}

NANOSECONDS_PER_MILLISECOND = 1e6
NANOSECONDS_PER_SECOND = 1e9


def is_time_unit(unit: str) -> bool:
    """Whether the unit is one of time."""
    return unit in _NANOSECONDS


def nanoseconds_in(unit: str) -> float:
    """How many nanoseconds one of this unit is."""
    try:
        return _NANOSECONDS[unit]
    except KeyError:
        raise AdapterError(f"unknown time unit {unit[:20]!r}") from None


def per_second(rate: float, unit: str) -> float:
    """A rate per this unit of time, as a rate per second."""
    return rate * (NANOSECONDS_PER_SECOND / nanoseconds_in(unit))


def read_nanoseconds(number: str, unit: str) -> float | None:
    """A number and its unit, as printed, in nanoseconds; None if they are no time."""
    value = numbers.read(number)
    if value is None or unit not in _NANOSECONDS:
        return None
    return value * _NANOSECONDS[unit]
