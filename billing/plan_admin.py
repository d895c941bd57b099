"""What staff may do to a plan, and the rows that it leaves. Every act asks for a reason."""

from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser

from bencher import clock, reasoned_action
from bencher.read_only_admin import ReadOnlyAdmin
from bencher.tenancy.models import User
from billing import canceling, gateway, plans, pricing, releasing
from billing.models import (
    Cancellation,
    EarlierSubscription,
    Plan,
    Release,
    SecondSubscription,
)

_OF_PLAN = (
    "plan__organization__slug",
    "plan__organization__name",
    "plan__stripe_subscription_id",
)


def _release(plan: Plan, by: AbstractBaseUser, reason: str) -> str:
    assert isinstance(by, User)
    released = releasing.release(plan, by=by, reason=reason, now=clock.now())
    return f"released; it follows price {released.new_price_id} from its next period on."


def _cancel_now(plan: Plan, by: AbstractBaseUser, reason: str) -> str:
    assert isinstance(by, User)
    begun = canceling.at_once(plan, by=by, reason=reason, now=clock.now())
    return f"nothing is counted from {begun.ends_at:%Y-%m-%d %H:%M} UTC on; it ends minutes later."


release = reasoned_action.action(
    description="Release: follow what Stripe bills now",
    consequence="The plan follows the item and price that Stripe bills now, from its next period"
    " on. An open period keeps the price that it began with.",
    act=_release,
    anticipated=(
        releasing.NotHeldError,
        gateway.GatewayError,
        gateway.NotConfiguredError,
        pricing.LadderError,
        plans.ForeignSubscriptionError,
    ),
)
cancel_now = reasoned_action.action(
    description="Cancel now",
    consequence="Nothing is counted from the next whole minute on. The last usage is then billed,"
    " proven at Stripe and invoiced, and the subscription canceled. This can't be undone.",
    act=_cancel_now,
    anticipated=(canceling.AlreadyEndedError, canceling.PeriodEndsSoonError),
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
    list_filter = (("finished_at", admin.EmptyFieldListFilter),)
    list_select_related = ("plan", "plan__organization", "requested_by")
    search_fields = _OF_PLAN

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
    search_fields = _OF_PLAN

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
    list_filter = (("taken_back_at", admin.EmptyFieldListFilter), "for_staff")
    list_select_related = ("organization",)
    search_fields = ("stripe_subscription_id", "organization__slug", "organization__name")


@admin.register(EarlierSubscription)
class EarlierSubscriptionAdmin(ReadOnlyAdmin):
    """Subscriptions on customers that other organizations keep: whose holders get no trial."""

    list_display = ("stripe_subscription_id", "organization", "noted_at")
    list_select_related = ("organization",)
    search_fields = ("stripe_subscription_id", "organization__slug", "organization__name")
