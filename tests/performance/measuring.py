"""Comparing ways of doing a thing: in turns, within one run, so that noise meets all alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Progress = Callable[[int, int], None]


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Way:
    """One way of doing a thing. `act` is timed and gets what `prepare`, which is not, returns."""

    name: str
    act: Callable[[Any], object]
    prepare: Callable[[], Any] = _nothing


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a way took in each round, in seconds."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Return the median of the rounds, in seconds."""
        return median(self.seconds)

    def ratio(self, to: "Measured") -> float:
        """Return the median of the rounds' ratios to another way's same rounds."""
        return median(mine / its for mine, its in zip(self.seconds, to.seconds, strict=True))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of measuring; the first way is what the others are compared with.

    Each act did `amount` of `unit`.
    """

    title: str
    ways: list[Measured]
    amount: int = 1
    unit: str = ""


def compare(
    title: str,
    ways: Sequence[Way],
    *,
    rounds: int,
    progress: Progress,
    amount: int = 1,
    unit: str = "",
) -> Comparison:
    """Measure each way once a round, each round beginning with another; one round warms up."""
    measured = [Measured(way.name) for way in ways]
    turns = list(zip(ways, measured, strict=True))
    for done in range(rounds + 1):
        first = done % len(turns)
        for way, result in turns[first:] + turns[:first]:
            prepared = way.prepare()
            began = time.perf_counter()
            way.act(prepared)
            took = time.perf_counter() - began
            if done > 0:
                result.seconds.append(took)
        progress(done + 1, rounds + 1)
    return Comparison(title, measured, amount=amount, unit=unit)
