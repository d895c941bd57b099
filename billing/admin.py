"""Plans, periods, the outbox, statements and what Stripe told us, for staff.

Everything here is read-only: money rows are append-only, and plans follow Stripe. What staff may do
is a named action with a reason.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Field, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from bencher import clock, dates, staff_site
from bencher.emptiness_filter import IsNoted
from bencher.read_only_admin import ReadOnlyAdmin, ReadOnlyInline
from billing import (
    admin_filters,
    drift_rows,
    event_verbs,
    mirror_admin,  # noqa: F401 - registers itself
    money,
    outbox_admin,  # noqa: F401 - registers itself
    overview,
    period_verbs,
    plan_admin,  # noqa: F401 - registers itself
    plan_panel,
    plan_verbs,
    search,
    tiles,
    wording,
)
from billing.models import (
    BillingCustomer,
    BillingPeriod,
    Budget,
    Checkout,
    Correction,
    CorrectionDecision,
    Drift,
    FlatFeeProof,
    MeterErrorReport,
    MeterErrorSample,
    Notice,
    Plan,
    ScheduledRun,
    Settlement,
    Statement,
    StatementLine,
    Verification,
    WebhookReceipt,
)
from billing.money_admin import MoneyAdmin, MoneyInline
from billing.overview import PlanOverview
from series import expiry

NOTHING = "–"
OF_ORGANIZATION = search.OF_ORGANIZATION

staff_site.show_first(tiles.front)


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """What each plan uses now and would cost, and what was posted last."""

    list_display = (
        "organization",
        "level",
        "status",
        "period",
        "series_now",
        "tier",
        "estimate",
        "last_posted",
        "posted_at",
        "drift",
    )
    list_filter = (
        admin_filters.Standing,
        "level",
        "status",
        admin_filters.Trial,
        admin_filters.Usage,
        admin_filters.Posted,
        admin_filters.Differs,
        ("held_at", IsNoted),
    )
    list_select_related = ("organization",)
    search_fields = (
        *OF_ORGANIZATION,
        "stripe_subscription_id",
        "periods__verification__stripe_invoice_id",
        "periods__statement__settlements__stripe_invoice_id",
    )
    actions = plan_verbs.ALL
    change_form_template = "admin/billing/plan/change_form.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show what is known of the plan, and everything that happened to it."""
        plan = self.get_object(request, unquote(object_id))
        if plan is None or not self.has_view_permission(request, plan):
            return super().change_view(request, object_id, form_url, extra_context)
        before = plan_panel.place(request.GET.dict())
        panel = plan_panel.of(plan, now=clock.now(), before=before)
        shown = {"panel": panel, "subtitle": f"{plan.organization}: {plan}"}
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        """Add the search of the front page."""
        find = self.admin_site.admin_view(self.find)
        return [path("find/", find, name="billing_plan_find"), *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Lead to the one plan that is searched for, or to the list of those that may be meant."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = request.GET.get("q", "")
        found, _ = self.get_search_results(request, Plan.objects.all(), text)
        meant = list(found.values_list("pk", flat=True)[:2]) if text.strip() else []
        if len(meant) == 1:
            return redirect("admin:billing_plan_change", meant[0])
        return redirect(f"{reverse('admin:billing_plan_changelist')}?{urlencode({'q': text})}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        """Note which plans have figures that differ."""
        unresolved = drift_rows.unresolved_of_plans().order_by("-found_at", "-pk")
        plans: QuerySet[Plan] = super().get_queryset(request)
        return plans.annotate(drifting=Subquery(unresolved.values("reason")[:1]))

    def prepare(self, rows: list[Any]) -> None:
        """Count the plans of a page together."""
        found = overview.of_plans([plan.pk for plan in rows])
        for plan in rows:
            plan.overview = found.get(plan.pk)

    def period(self, plan: Plan) -> str:
        """Show the current period."""
        return _cell(plan, lambda now: f"{_span(now.period)} ({now.period.kind})")

    @admin.display(description="active series now")
    def series_now(self, plan: Plan) -> str:
        """Show the billed count."""
        return _cell(plan, lambda now: f"{now.series:,}")

    def tier(self, plan: Plan) -> str:
        """Show the band that the count falls in."""
        return _cell(plan, lambda now: money.band_range(now.band))

    def estimate(self, plan: Plan) -> str:
        """Show what the count would cost."""
        return _cell(plan, lambda now: money.written(now.estimate_cents))

    def last_posted(self, plan: Plan) -> str:
        """Show the value that was posted last in this period."""
        return _cell(plan, lambda now: None if now.posted is None else f"{now.posted:,}")

    @admin.display(description="posted as of")
    def posted_at(self, plan: Plan) -> str:
        """Show the instant that value stands for."""
        return _cell(plan, lambda now: dates.moment(now.posted_at).text if now.posted_at else None)

    @admin.display(description="drift")
    def drift(self, plan: Plan) -> str:
        """Show whether the nightly reconciliation found a difference."""
        reason: str | None = getattr(plan, "drifting", None)
        if reason is None:
            return NOTHING
        address = reverse("admin:billing_drift_changelist")
        return format_html(
            '<a href="{}?organization__id__exact={}">{}</a>',
            address,
            plan.organization_id,
            Drift.Reason(reason).label,
        )


def _report(uuid: UUID) -> str:
    # Of reports only their UUIDs are known here.
    address = reverse("admin:ingest_report_changelist")
    return format_html('<a href="{}?q={}">{}</a>', address, uuid, uuid)


def _cell(plan: Plan, show: Callable[[PlanOverview], str | None]) -> str:
    found: PlanOverview | None = getattr(plan, "overview", None)
    return (found and show(found)) or NOTHING


def _span(period: BillingPeriod) -> str:
    return dates.span(period.starts_at, period.ends_at)


@admin.register(BillingCustomer)
class BillingCustomerAdmin(ReadOnlyAdmin):
    """Stripe customers, one per organization."""

    list_display = ("stripe_customer_id", "organization", "created_at")
    list_select_related = ("organization",)
    search_fields = ("stripe_customer_id", "organization__slug", "organization__uuid")


@admin.register(Checkout)
class CheckoutAdmin(ReadOnlyAdmin):
    """Hosted checkouts."""

    list_display = (
        "stripe_session_id",
        "organization",
        "started_by",
        "with_trial",
        "state",
        "created_at",
        "closed_at",
    )
    list_filter = ("state", "with_trial")
    list_select_related = ("organization", "started_by")
    search_fields = ("stripe_session_id", "started_by__email", *OF_ORGANIZATION)


@admin.register(BillingPeriod)
class BillingPeriodAdmin(MoneyAdmin):
    """Periods as Stripe gave them."""

    list_display = ("organization", "starts_at", "ends_at", "kind", "basis", "state")
    list_filter = (admin_filters.Due, "state", "kind", "basis")
    list_select_related = ("organization",)
    search_fields = ("plan__stripe_subscription_id", *OF_ORGANIZATION)
    actions = (period_verbs.recount, period_verbs.close_now)


class SettlementInline(MoneyInline):
    """What Stripe invoiced for a statement."""

    model = Settlement
    fields = ("stripe_invoice_id", "series", "amount_cents", "agrees", "difference", "settled_at")
    ordering = ("settled_at",)


@admin.register(Statement)
class StatementAdmin(MoneyAdmin):
    """Closed periods' bills."""

    list_display = (
        "organization",
        "starts_at",
        "ends_at",
        "kind",
        "series",
        "amount",
        "settlement",
        "closed_at",
    )
    list_filter = (
        "kind",
        admin_filters.StatementProof,
        ("settlements__agrees", admin.BooleanFieldListFilter),
    )
    list_select_related = ("organization",)
    search_fields = (
        "uuid",
        "period__plan__stripe_subscription_id",
        "settlements__stripe_invoice_id",
        *OF_ORGANIZATION,
    )
    date_hierarchy = "closed_at"
    inlines = (SettlementInline,)
    readonly_fields = ("lines", "evidence")
    actions = (period_verbs.propose,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Statement]:
        """Look up the settlements of a page together."""
        statements: QuerySet[Statement] = super().get_queryset(request)
        return statements.prefetch_related("settlements")

    @admin.display(description="settlement")
    def settlement(self, statement: Statement) -> str:
        """Show whether the invoice agrees, by the last of its settlements."""
        settled = sorted(statement.settlements.all(), key=lambda one: one.settled_at)
        return str(settled[-1]) if settled else NOTHING

    @admin.display(description="evidence")
    def evidence(self, statement: Statement) -> str:
        """Show whether the reports that prove it are still there."""
        (expired,) = expiry.has_expired(statement.organization_id, statement.starts_at)
        return "expired: it can't be recounted any more" if expired else "kept"

    @admin.display(description="amount")
    def amount(self, statement: Statement) -> str:
        """Show what is charged."""
        return money.written(statement.amount_cents, statement.currency)

    def get_fields(self, request: HttpRequest, obj: Statement | None = None) -> list[Any]:
        """Begin with what explains the bill."""
        fields = super().get_fields(request, obj)
        return sorted(fields, key=lambda name: name not in self.readonly_fields)

    @admin.display(description="why")
    def lines(self, statement: Statement) -> str:
        """Link to the series of the statement: there may be many thousands."""
        address = reverse("admin:billing_statementline_changelist")
        return format_html(
            '<a href="{}?statement={}">The series of this statement, with their reports</a>',
            address,
            statement.pk,
        )


@admin.register(StatementLine)
class StatementLineAdmin(ReadOnlyAdmin):
    """The series of statements, with the reports that prove them."""

    list_display = (
        "project_name",
        "testbed_name",
        "benchmark_name",
        "measure_name",
        "billed",
        "first_seen_at",
        "first_report",
        "last_seen_at",
        "last_report",
    )
    list_filter = ("billed",)
    search_fields = ("statement__uuid", "statement__organization__slug")
    linked_by = ("statement",)
    sortable_by = ()

    @admin.display(description="first report")
    def first_report(self, line: StatementLine) -> str:
        """Link to the report that made it active."""
        return _report(line.first_report_uuid)

    @admin.display(description="last report")
    def last_report(self, line: StatementLine) -> str:
        """Link to the last report of the period that has it."""
        return _report(line.last_report_uuid)


@admin.register(Settlement)
class SettlementAdmin(MoneyAdmin):
    """What Stripe invoiced, and whether it agrees."""

    list_display = (
        "stripe_invoice_id",
        "organization",
        "series",
        "amount",
        "agrees",
        "difference",
        "settled_at",
    )
    list_filter = ("agrees", admin_filters.DiffersLately)
    list_select_related = ("statement", "statement__organization")
    search_fields = (
        "stripe_invoice_id",
        "statement__period__plan__stripe_subscription_id",
        *(f"statement__{field}" for field in OF_ORGANIZATION),
    )

    @admin.display(description="organization")
    def organization(self, settlement: Settlement) -> str:
        """Show whose invoice it is."""
        return str(settlement.statement.organization)

    @admin.display(description="amount")
    def amount(self, settlement: Settlement) -> str:
        """Show what the invoice's line charges."""
        return money.written(settlement.amount_cents, settlement.statement.currency)


class CorrectionDecisionInline(ReadOnlyInline):
    """What a second person answered."""

    model = CorrectionDecision
    fields = ("applied", "stripe_credit_note_id", "decided_by", "decided_at")


@admin.register(Correction)
class CorrectionAdmin(MoneyAdmin):
    """What statements should have said."""

    list_display = (
        "organization",
        "statement",
        "before_series",
        "series",
        "credit",
        "why",
        "proposed_by",
        "proposed_at",
        "decided",
    )
    list_filter = (admin_filters.Decided,)
    list_select_related = ("statement", "statement__organization", "proposed_by", "decision")
    search_fields = tuple(f"statement__{field}" for field in OF_ORGANIZATION)
    inlines = (CorrectionDecisionInline,)
    actions = (period_verbs.apply, period_verbs.decline)

    @admin.display(description="organization")
    def organization(self, correction: Correction) -> str:
        """Show whose statement it is."""
        return str(correction.statement.organization)

    @admin.display(description="given back")
    def credit(self, correction: Correction) -> str:
        """Show what is given back when it is applied."""
        return money.written(correction.credit_cents, correction.statement.currency)

    @admin.display(description="decided")
    def decided(self, correction: Correction) -> str:
        """Show what a second person answered."""
        return str(correction.decision) if hasattr(correction, "decision") else NOTHING


@admin.register(Verification)
class VerificationAdmin(ReadOnlyAdmin):
    """Ended periods on their way to their invoices."""

    list_display = (
        "period",
        "organization",
        "stripe_invoice_id",
        "held",
        "verified_at",
        "finalizes_at",
        "resends",
        "passed_unverified_at",
        "done_at",
        "failure",
    )
    list_filter = (
        admin_filters.Proof,
        ("verified_at", IsNoted),
        ("passed_unverified_at", IsNoted),
    )
    list_select_related = ("period", "period__organization")
    search_fields = ("stripe_invoice_id", *(f"period__{field}" for field in OF_ORGANIZATION))

    @admin.display(description="organization")
    def organization(self, verification: Verification) -> str:
        """Show whose period it is."""
        return str(verification.period.organization)


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin):
    """Figures that differ although they must not, found at night."""

    list_display = (
        "organization",
        "meter",
        "of_period",
        "reason",
        "differences",
        "found_at",
        "checked_at",
        "resolved_at",
    )
    list_filter = (("resolved_at", IsNoted), "reason", "meter")
    list_select_related = ("organization", "period", "metrics_period")
    search_fields = OF_ORGANIZATION
    # From a plan to the drifts of its organization.
    linked_by = ("organization",)

    @admin.display(description="period")
    def of_period(self, drift: Drift) -> str:
        """Show its period, which is another kind for an older plan."""
        return str(drift.period or drift.metrics_period)


@admin.register(Budget)
class BudgetAdmin(MoneyAdmin):
    """What organizations mean to stay below."""

    list_display = ("organization", "unit", "limit", "thresholds", "set_by", "set_at")
    list_filter = ("unit",)
    list_select_related = ("organization", "set_by")
    search_fields = OF_ORGANIZATION

    def write(self, row: Any, field: "Field[Any, Any]") -> str | None:
        """Write the limit in its unit."""
        if field.name == "limit":
            return str(row.written_limit())
        return super().write(row, field)


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """What leaders were told by e-mail."""

    list_display = (
        "organization",
        "kind",
        "about",
        "noticed_at",
        "sent_at",
        "attempts",
        "given_up_at",
        "failure",
    )
    list_filter = (
        "kind",
        ("sent_at", IsNoted),
        ("given_up_at", IsNoted),
    )
    list_select_related = ("organization",)
    search_fields = OF_ORGANIZATION


class MeterErrorSampleInline(ReadOnlyInline):
    """The events that Stripe names, and whose they are."""

    model = MeterErrorSample
    fields = ("code", "message", "identifier", "event", "organization")


@admin.register(MeterErrorReport)
class MeterErrorReportAdmin(ReadOnlyAdmin):
    """What Stripe could not use of what it had accepted."""

    list_display = (
        "event_id",
        "type",
        "received_at",
        "handled_at",
        "errors",
        "summary",
        "failure",
    )
    list_filter = ("type", ("handled_at", IsNoted))
    search_fields = ("event_id", "samples__organization__slug")
    inlines = (MeterErrorSampleInline,)


@admin.register(WebhookReceipt)
class WebhookReceiptAdmin(ReadOnlyAdmin):
    """What Stripe told us."""

    list_display = ("event_id", "type", "object_id", "received_at", "handled_at", "failure")
    list_filter = (
        admin_filters.WebhookType,
        ("handled_at", IsNoted),
        ("failure", IsNoted),
    )
    search_fields = ("event_id", "subject_id")
    sortable_by = ()
    actions = (event_verbs.handle_again,)


@admin.register(FlatFeeProof)
class FlatFeeProofAdmin(MoneyAdmin):
    """What Stripe said an unused period costs."""

    list_display = ("stripe_price_id", "charged_cents", "expected_cents", "asked_at")
    ordering = ("-asked_at",)


@admin.register(ScheduledRun)
class ScheduledRunAdmin(ReadOnlyAdmin):
    """What beat started, and how it went."""

    list_display = ("name", "started_at", "finished_at", "did", "failure")
    list_filter = ("name", ("failure", IsNoted))
    date_hierarchy = "started_at"

    @admin.display(description="what it did")
    def did(self, run: ScheduledRun) -> str:
        """Show how many of what it handled."""
        return wording.ran(run.result)
