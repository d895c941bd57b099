"""Thresholds in a body: checked for form and otherwise left alone.

Whoever sends a model that can't be is told so now, and not when thresholds begin to count.
"""

from enum import StrEnum
from typing import Annotated, Self

import msgspec
from msgspec import Meta


class InvalidModelError(ValueError):
    """A threshold's model contradicts itself; the message names the measure and the field."""


class ModelTest(StrEnum):
    """How a model judges a new value against the ones before."""

    __test__ = False

    STATIC = "static"
    PERCENTAGE = "percentage"
    Z_SCORE = "z_score"
    T_TEST = "t_test"
    LOG_NORMAL = "log_normal"
    IQR = "iqr"
    DELTA_IQR = "delta_iqr"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        alias = {"z": "z_score", "t": "t_test"}.get(value) if isinstance(value, str) else None
        return None if alias is None else cls(alias)


Size = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Model(msgspec.Struct, frozen=True):
    """A statistical model with its boundaries."""

    test: ModelTest
    min_sample_size: Size | None = None
    max_sample_size: Size | None = None
    window: Size | None = None
    lower_boundary: float | None = None
    upper_boundary: float | None = None


class JsonReportThresholds(msgspec.Struct, frozen=True):
    """The models by measure that a report brings for its branch and testbed."""

    models: dict[str, Model] | None = None
    reset: bool | None = None


_AT_LEAST_ZERO = {ModelTest.PERCENTAGE, ModelTest.IQR, ModelTest.DELTA_IQR}
_CUMULATIVE = {ModelTest.Z_SCORE, ModelTest.T_TEST, ModelTest.LOG_NORMAL}


def check(thresholds: JsonReportThresholds | None) -> None:
    """Raise InvalidModelError unless every model could be used."""
    for measure, model in ((thresholds and thresholds.models) or {}).items():
        fault = _boundary_fault(model) or _sample_fault(model)
        if fault:
            raise InvalidModelError(f"thresholds.models.{measure[:100]}: {fault}.")


def _boundary_fault(model: Model) -> str | None:
    lower, upper = model.lower_boundary, model.upper_boundary
    given = [boundary for boundary in (lower, upper) if boundary is not None]
    if not given:
        return "send lower_boundary, upper_boundary or both"
    if model.test in _AT_LEAST_ZERO and min(given) < 0:
        return f"a boundary of {model.test} is at least 0"
    if model.test in _CUMULATIVE and not all(0.5 <= boundary < 1 for boundary in given):
        return f"a boundary of {model.test} is at least 0.5 and less than 1"
    if model.test is ModelTest.STATIC and lower is not None and upper is not None and lower > upper:
        return "lower_boundary lies above upper_boundary"
    return None


def _sample_fault(model: Model) -> str | None:
    least, most = model.min_sample_size, model.max_sample_size
    given = [size for size in (least, most) if size is not None]
    if model.test is ModelTest.STATIC:
        forbidden = given or model.window is not None
        return "static takes neither sample sizes nor a window" if forbidden else None
    needed = 1 if model.test is ModelTest.PERCENTAGE else 2
    if any(size < needed for size in given):
        return f"the sample sizes of {model.test} are at least {needed}"
    if least is not None and most is not None and least > most:
        return "min_sample_size is greater than max_sample_size"
    return None
