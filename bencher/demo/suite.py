"""A real benchmark suite over a few standard-library functions, run by the demo.

Each function is measured at several sizes, so that the number of series is worth billing.
"""

import bisect
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

SIZES = [2**power for power in range(4, 18)]

# What each function is given is made outside the measured call.
INPUTS: dict[str, Callable[[int], Any]] = {
    "sorted": lambda size: list(range(size, 0, -1)),
    "sum": range,
    "json_dumps": lambda size: list(range(size)),
    "json_loads": lambda size: json.dumps(list(range(size))),
    "sha256": bytes,
    "crc32": bytes,
    "bisect": range,
    "join": lambda size: ["x"] * size,
    "split": lambda size: "x," * size,
    "reversed": lambda size: list(range(size)),
}
FUNCTIONS: dict[str, Callable[[Any], object]] = {
    "sorted": sorted,
    "sum": sum,
    "json_dumps": json.dumps,
    "json_loads": json.loads,
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "crc32": zlib.crc32,
    "bisect": lambda data: bisect.bisect(data, len(data) // 3),
    "join": ",".join,
    "split": lambda data: data.split(","),
    "reversed": lambda data: data[::-1],
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_standard_library(benchmark: Any, name: str, size: int) -> None:
    """Measure one function at one size."""
    benchmark(FUNCTIONS[name], INPUTS[name](size))
