"""What staff did to plans: the rows that it leaves."""

from django.contrib import admin

from bencher.emptiness_filter import IsNoted
from bencher.read_only_admin import ReadOnlyAdmin
from billing import search
from billing.models import (
    Cancellation,
    EarlierSubscription,
    Freeze,
    Release,
    SecondSubscription,
)


@admin.register(Cancellation)
class CancellationAdmin(ReadOnlyAdmin):
    """Plans that end at once, and how far they are."""

    list_display = (
        "plan",
        "organization",
        "requested_by",
        "reason",
        "requested_at",
        "ends_at",
        "waits_for",
        "finished_at",
    )
    list_filter = (("finished_at", IsNoted),)
    list_select_related = ("plan", "plan__organization", "requested_by")
    search_fields = search.OF_PLAN

    @admin.display(description="organization")
    def organization(self, cancellation: Cancellation) -> str:
        """Show whose plan it is."""
        return str(cancellation.plan.organization)


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    """Held plans that staff let go on, and why."""

    list_display = (
        "plan",
        "organization",
        "released_by",
        "reason",
        "held_why",
        "old_price_id",
        "new_price_id",
        "released_at",
    )
    list_select_related = ("plan", "plan__organization", "released_by")
    search_fields = search.OF_PLAN

    @admin.display(description="organization")
    def organization(self, release_: Release) -> str:
        """Show whose plan it is."""
        return str(release_.plan.organization)


@admin.register(SecondSubscription)
class SecondSubscriptionAdmin(ReadOnlyAdmin):
    """Subscriptions beside a live one, and what became of them."""

    list_display = (
        "stripe_subscription_id",
        "organization",
        "live_subscription_id",
        "found_at",
        "for_staff",
        "taken_back_at",
        "undone",
    )
    list_filter = (("taken_back_at", IsNoted), "for_staff")
    list_select_related = ("organization",)
    search_fields = ("stripe_subscription_id", "organization__slug", "organization__uuid")


@admin.register(EarlierSubscription)
class EarlierSubscriptionAdmin(ReadOnlyAdmin):
    """Subscriptions on customers that other organizations keep: whose holders get no trial."""

    list_display = ("stripe_subscription_id", "organization", "noted_at")
    list_select_related = ("organization",)
    search_fields = ("stripe_subscription_id", "organization__slug", "organization__uuid")


@admin.register(Freeze)
class FreezeAdmin(ReadOnlyAdmin):
    """Organizations whose billing stands still, or stood still."""

    list_display = ("organization", "reason", "begun_by", "begun_at", "ended_by", "ended_at")
    list_filter = (("ended_at", IsNoted),)
    list_select_related = ("organization", "begun_by", "ended_by")
    search_fields = search.OF_ORGANIZATION
