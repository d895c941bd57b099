"""The outbox, runners' minutes and older plans' periods, for staff."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from bencher.emptiness_filter import IsNoted
from bencher.read_only_admin import ReadOnlyAdmin
from billing import admin_filters, event_verbs, search
from billing.models import TO_SEND, MeterEvent, MetricsPeriod, RunnerMinutes

State = MeterEvent.State
_UNSENT = Q(sent_at=None)
# As `MeterEvent.state` has it.
_STATES = {
    State.SENT: Q(sent_at__isnull=False),
    State.EXPIRED: _UNSENT & Q(expired_at__isnull=False),
    State.REJECTED: _UNSENT & Q(expired_at=None, rejected_at__isnull=False),
    State.SUPERSEDED: _UNSENT & Q(rejected_at=None, superseded_at__isnull=False),
    State.UNDECIDED: _UNSENT & Q(rejected_at=None, superseded_at=None, undecided_at__isnull=False),
    State.HELD: TO_SEND & Q(held_at__isnull=False),
    State.WAITING: TO_SEND & Q(held_at=None),
}


class StateFilter(admin.SimpleListFilter):
    """Events of one state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every state."""
        return [(str(value), str(label)) for value, label in State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the events of the state that was picked."""
        value = self.value()
        return queryset.filter(_STATES[State(value)]) if value in State.values else queryset


@admin.register(MeterEvent)
class MeterEventAdmin(ReadOnlyAdmin):
    """The outbox."""

    list_display = (
        "organization",
        "meter",
        "value",
        "timestamp",
        "reason",
        "state",
        "attempts",
        "stripe_said",
        "sent_at",
        "missing_at",
    )
    list_filter = (
        StateFilter,
        admin_filters.Outbox,
        "reason",
        "meter",
        ("missing_at", IsNoted),
    )
    list_select_related = ("organization",)
    search_fields = ("identifier", *search.OF_ORGANIZATION)
    readonly_fields = ("state",)
    sortable_by = ()
    actions = (event_verbs.send_again, event_verbs.hold, event_verbs.let_go)

    @admin.display(description="state")
    def state(self, event: MeterEvent) -> str:
        """Show how far it has come."""
        return str(event.state.label)

    @admin.display(description="Stripe said")
    def stripe_said(self, event: MeterEvent) -> str:
        """Show Stripe's last refusal; the page of the event has all of it."""
        answer = event.answer or {}
        return str(answer.get("message") or answer.get("settled") or "–")


@admin.register(MetricsPeriod)
class MetricsPeriodAdmin(ReadOnlyAdmin):
    """When reports of older plans are billed by their metrics."""

    list_display = ("organization", "starts_at", "ends_at", "metered_from")
    list_select_related = ("organization",)
    search_fields = ("plan__stripe_subscription_id", *search.OF_ORGANIZATION)


@admin.register(RunnerMinutes)
class RunnerMinutesAdmin(ReadOnlyAdmin):
    """What bare-metal runners worked."""

    list_display = ("organization", "runner", "minutes", "start_time", "received_at")
    list_select_related = ("organization",)
    search_fields = search.OF_ORGANIZATION
