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

FUNCTIONS: dict[str, Callable[[int], Callable[[], object]]] = {
    "sorted": lambda size: lambda data=[size - n for n in range(size)]: sorted(data),
    "sum": lambda size: lambda data=range(size): sum(data),
    "json_dumps": lambda size: lambda data=list(range(size)): json.dumps(data),
    "json_loads": lambda size: lambda data=f"[{','.join(map(str, range(size)))}]": json.loads(data),
    "sha256": lambda size: lambda data=bytes(size): hashlib.sha256(data).digest(),
    "crc32": lambda size: lambda data=bytes(size): zlib.crc32(data),
    "compress": lambda size: lambda data=bytes(size): zlib.compress(data, 1),
    "bisect": lambda size: lambda data=range(size): bisect.bisect(data, size // 3),
    "join": lambda size: lambda data=["x"] * size: ",".join(data),
    "split": lambda size: lambda data="x," * size: data.split(","),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_standard_library(benchmark: Any, name: str, size: int) -> None:
    """Measure one function at one size."""
    benchmark(FUNCTIONS[name](size))
