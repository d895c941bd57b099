"""What every adapter returns: one metric per benchmark and measure."""

from enum import StrEnum

import msgspec


class Metric(msgspec.Struct, frozen=True, gc=False):
    """One measured value with its bounds, in the measure's units. All finite."""

    value: float
    lower_value: float | None = None
    upper_value: float | None = None


# Benchmark name -> measure name or slug -> metric, as in Bencher Metric Format.
Results = dict[str, dict[str, Metric]]


class Average(StrEnum):
    """Which of the averages that a tool reports becomes the value."""

    MEAN = "mean"
    MEDIAN = "median"


class AdapterError(ValueError):
    """The text is not what the adapter reads; the message says where and what was expected."""
