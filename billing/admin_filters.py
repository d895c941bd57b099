"""What staff filter lists by that is no column: each one condition, and cheap by an index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from bencher import clock
from billing.models import BillingPeriod, Status


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a filter's choices: how it is called and which rows it keeps, as of an instant."""

    label: str
    rows: Callable[[datetime], Q]


def by_choice(
    *, title: str, parameter: str, choices: Mapping[str, Choice]
) -> type[admin.SimpleListFilter]:
    """Return a filter with these choices. One that nobody knows keeps every row."""

    class ByChoice(admin.SimpleListFilter):
        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(name, choice.label) for name, choice in choices.items()]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            chosen = choices.get(str(self.value()))
            return queryset.filter(chosen.rows(clock.now())) if chosen else queryset

    ByChoice.title, ByChoice.parameter_name = title, parameter
    return ByChoice


Standing = by_choice(
    title="standing",
    parameter="standing",
    choices={
        "past-due": Choice(
            "past due or unpaid",
            lambda _: Q(ended_at=None, status__in=[Status.PAST_DUE, Status.UNPAID]),
        ),
        "live": Choice("live", lambda _: Q(ended_at=None)),
        "ended": Choice("ended", lambda _: Q(ended_at__isnull=False)),
    },
)
Due = by_choice(
    title="to be closed",
    parameter="due",
    choices={
        "yes": Choice(
            "ended and not closed",
            lambda now: Q(state=BillingPeriod.State.OPEN, ends_at__lte=now),
        ),
    },
)
