"""Keeping an organization's periods from overlapping, whatever writes them: a constraint."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.contrib.postgres.fields.ranges import BigIntegerRangeField, DateTimeRangeField
from django.db.models import F, Func, Value


def refused(name: str) -> ExclusionConstraint:
    """Return a constraint on a model with an organization, `starts_at` and `ends_at`.

    A range of one organization stands for equality: plain integers in an exclusion constraint
    would need an extension that the embedded server lacks.
    """
    organization = Func(
        F("organization_id"),
        F("organization_id"),
        Value("[]"),
        function="int8range",
        output_field=BigIntegerRangeField(),
    )
    time = Func(
        F("starts_at"), F("ends_at"), function="tstzrange", output_field=DateTimeRangeField()
    )
    return ExclusionConstraint(
        name=name,
        expressions=[
            (organization, RangeOperators.OVERLAPS),
            (time, RangeOperators.OVERLAPS),
        ],
    )
