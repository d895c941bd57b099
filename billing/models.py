"""Customers, plans, periods, the outbox, statements, and what Stripe made of them.

Amounts are integer cents. Periods are half-open: [starts_at, ends_at).
"""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from bencher import dates
from bencher.tenancy.models import Organization
from billing import money, overlapping
from billing.correction_models import Correction as Correction  # noqa: PLC0414
from billing.correction_models import (
    CorrectionDecision as CorrectionDecision,  # noqa: PLC0414
)
from billing.day_models import FirstReports as FirstReports  # noqa: PLC0414 - a model of this app
from billing.freeze_models import Freeze as Freeze  # noqa: PLC0414
from billing.meter_error_models import (
    MeterErrorReport as MeterErrorReport,  # noqa: PLC0414
)
from billing.meter_error_models import (
    MeterErrorSample as MeterErrorSample,  # noqa: PLC0414
)
from billing.notice_models import Budget as Budget  # noqa: PLC0414 - a model of this app
from billing.notice_models import Notice as Notice  # noqa: PLC0414
from billing.usage_models import MetricsPeriod as MetricsPeriod  # noqa: PLC0414
from billing.usage_models import RunnerMinutes as RunnerMinutes  # noqa: PLC0414
from billing.verification_models import Verification as Verification  # noqa: PLC0414
from series.counting import Basis


class BillingCustomer(models.Model):
    """An organization's Stripe customer: exactly one, because meters are per customer."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, related_name="billing_customer"
    )
    stripe_customer_id = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.stripe_customer_id


class Level(models.TextChoices):
    """What a plan is billed by: Pro by active series, the older ones by metrics."""

    PRO = "pro"
    TEAM = "team"
    ENTERPRISE = "enterprise"


class Checkout(models.Model):
    """A hosted checkout that an organization's leader started; at most one is open."""

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open"
        COMPLETED = "completed"
        EXPIRED = "expired"
        REFUSED = "refused", "completed, but refused by us"

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="checkouts"
    )
    stripe_session_id = models.CharField(max_length=128, unique=True)
    level = models.CharField(max_length=10, choices=Level, default=Level.PRO)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    with_trial = models.BooleanField()
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    look_after = models.DateTimeField(
        null=True, blank=True, help_text="When to ask Stripe again whether it was completed."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(state="open"),
                name="one_open_checkout_per_organization",
            ),
            # An open one may still be completed, so it counts like a trial that was had.
            models.UniqueConstraint(
                fields=["started_by"],
                condition=Q(with_trial=True, state__in=["open", "completed"]),
                name="one_trial_per_user",
            ),
            models.CheckConstraint(
                condition=Q(level__in=["pro", "team", "enterprise"]),
                name="checkout_level_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "completed", "expired", "refused"]),
                name="checkout_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_session_id


class Status(models.TextChoices):
    """Stripe's statuses of a subscription."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    CANCELED = "canceled"


# Counted, posted and closed; the others are not posted, but what was posted is closed.
METERED_STATUSES = (Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.UNPAID)
COVERED_STATUSES = (Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.PAUSED)
TERMINAL_STATUSES = (Status.CANCELED, Status.INCOMPLETE_EXPIRED)


class Plan(models.Model):
    """An organization's subscription. Never deleted, only ended."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="plans")
    level = models.CharField(max_length=10, choices=Level)
    status = models.CharField(max_length=18, choices=Status)
    stripe_subscription_id = models.CharField(max_length=64, unique=True)
    stripe_item_id = models.CharField(max_length=64)
    stripe_price_id = models.CharField(max_length=64)
    cancel_at_period_end = models.BooleanField(default=False)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField(help_text="Stripe's state is known as of then.")
    status_since = models.DateTimeField(
        db_default=Now(), help_text="Since when we know of the status."
    )
    held_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Its item or price changed at Stripe: staff must look before a period opens.",
    )
    held_why = models.CharField(max_length=300, blank=True)
    pro_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When a legacy plan becomes, or became, Pro; nothing legacy is used after.",
    )
    sync_after = models.DateTimeField(
        null=True, blank=True, help_text="When to ask Stripe again, after that failed."
    )

    class Meta:
        permissions = [
            ("post_plan", "Can post what a plan uses now"),
            ("reconcile_plan", "Can compare a plan's figures with Stripe's"),
            ("extend_trial_of_plan", "Can extend a trial"),
            ("freeze_plan", "Can freeze billing of an organization and let it go on"),
            ("release_plan", "Can release a held plan"),
            ("cancel_plan", "Can cancel a plan at once"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(ended_at=None),
                name="one_live_plan_per_organization",
            ),
            models.CheckConstraint(condition=Q(level__in=Level.values), name="plan_level_is_known"),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="plan_status_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(ended_at=None, level="pro"),
                name="live_pro_plans",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()} ({self.get_status_display().lower()})"


class Cancellation(models.Model):
    """That a plan ends at once, with its last usage billed. One per plan; carried on by timer.

    The period is cut at a whole minute just ahead, closed, delivered and verified, and only then
    is the subscription canceled. A crash anywhere in between is continued.
    """

    plan = models.OneToOneField(Plan, on_delete=models.PROTECT, related_name="cancellation")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300)
    requested_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="The minute at which nothing more is counted.")
    deletes_organization = models.BooleanField(
        default=False, help_text="The organization is deleted once the plan has ended."
    )
    waits_for = models.CharField(max_length=300, blank=True, help_text="Why it is not done yet.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["requested_at"], condition=Q(finished_at=None), name="cancellations_to_do"
            ),
        ]

    def __str__(self) -> str:
        return f"ends at {dates.moment(self.ends_at).text}"


class Release(models.Model):
    """That staff let a held plan go on, at what Stripe bills now. Append-only."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="releases")
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300)
    held_why = models.CharField(max_length=300)
    old_price_id = models.CharField(max_length=64)
    new_price_id = models.CharField(max_length=64)
    released_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.old_price_id} to {self.new_price_id}"


class SecondSubscription(models.Model):
    """A subscription beside a live one, which would bill an organization twice. Taken back."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="second_subscriptions"
    )
    stripe_subscription_id = models.CharField(max_length=64, unique=True)
    live_subscription_id = models.CharField(max_length=64, blank=True)
    found_at = models.DateTimeField()
    taken_back_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty where staff must look, or Stripe failed so far."
    )
    for_staff = models.BooleanField(
        default=False, help_text="It did not come from a checkout of ours, so nothing was done."
    )
    undone = models.JSONField(
        default=list, blank=True, help_text="Its invoices, and what became of each."
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["found_at"],
                condition=Q(taken_back_at=None, for_staff=False),
                name="second_subscriptions_to_undo",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_subscription_id


class EarlierSubscription(models.Model):
    """A subscription that an organization has, or had, on a customer which another one keeps.

    It is no plan here, but whoever had one gets no trial when subscribing anew.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="earlier_subscriptions"
    )
    stripe_subscription_id = models.CharField(max_length=64, unique=True)
    noted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.stripe_subscription_id


class BillingPeriod(models.Model):
    """One period of a subscription, as Stripe gave it."""

    class Kind(models.TextChoices):
        """A period is trial or paid, never half."""

        TRIAL = "trial"
        PAID = "paid"

    class State(models.TextChoices):
        """How far its bill is."""

        OPEN = "open"
        FROZEN = "frozen", "closed, statement frozen"
        SETTLED = "settled", "compared with the invoice"

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="billing_periods"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="periods")
    stripe_subscription_id = models.CharField(max_length=64)
    stripe_price_id = models.CharField(max_length=64, help_text="The price in force.")
    tiers = models.JSONField(help_text="The ladder of that price, as it was at the start.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    kind = models.CharField(max_length=5, choices=Kind)
    basis = models.CharField(
        max_length=7,
        choices=[(basis.value, basis.value) for basis in Basis],
        help_text="Which projects are billed; fixed when the period opens.",
    )
    state = models.CharField(max_length=7, choices=State, default=State.OPEN)
    settle_after = models.DateTimeField(
        null=True, blank=True, help_text="When to look for its invoice again."
    )
    invoiced_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Where Stripe's own period ends, if this one was cut before it.",
    )

    class Meta:
        permissions = [
            ("recount_billingperiod", "Can recount a period, and propose what it comes to"),
            ("close_billingperiod", "Can close a period that has ended"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_subscription_id", "starts_at"],
                name="one_period_per_subscription_and_start",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="period_ends_after_it_starts"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["trial", "paid"]), name="period_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "frozen", "settled"]),
                name="period_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(basis__in=["private", "all"]), name="period_basis_is_known"
            ),
            overlapping.refused("periods_of_an_organization_do_not_overlap"),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(state="open"), name="open_periods_by_end"),
        ]

    def __str__(self) -> str:
        return dates.days(self.starts_at, self.ends_at)


# Of the outbox: what is still to be sent, and nothing else.
TO_SEND = Q(sent_at=None, rejected_at=None, superseded_at=None, undecided_at=None)


class MeterEvent(models.Model):
    """The outbox: nothing is posted to Stripe that is not stored here first."""

    class Meter(models.TextChoices):
        """Stripe's meters that we post to: of the first the last value counts, others add up."""

        ACTIVE_SERIES = "active_series"
        METRICS = "metrics"
        RUNNER_MINUTES = "runner_minutes"

    class Reason(models.TextChoices):
        """What made us post."""

        HINT = "hint", "after a report"
        SWEEP = "sweep", "nightly sweep"
        PRE_CLOSE = "pre-close", "shortly before the end"
        CLOSE = "close", "period closed"
        MANUAL = "manual", "by hand"
        USAGE = "usage", "a report, or minutes of a runner"

    class State(models.TextChoices):
        """How far an event has come: the first of these that is true of it."""

        SENT = "sent", "sent"
        EXPIRED = "expired", "expired: Stripe takes nothing so old"
        REJECTED = "rejected", "rejected by Stripe"
        SUPERSEDED = "superseded", "superseded by a newer value"
        UNDECIDED = "undecided", "undecided: nobody knows whether Stripe has it"
        HELD = "held", "held back by staff"
        WAITING = "waiting", "waiting"

    meter = models.CharField(max_length=16, choices=Meter)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="meter_events", db_index=False
    )
    customer = models.ForeignKey(
        BillingCustomer, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        related_name="meter_events",
        db_index=False,
        null=True,
        blank=True,
        help_text="Whose count it is; empty where values add up.",
    )
    source_uuid = models.UUIDField(
        null=True,
        blank=True,
        help_text="The report or the call about runner minutes that it stands for.",
    )
    value = models.PositiveBigIntegerField()
    timestamp = models.DateTimeField(help_text="The instant within the period it stands for.")
    identifier = models.CharField(max_length=100, unique=True)
    reason = models.CharField(max_length=9, choices=Reason)
    sweep_date = models.DateField(null=True, blank=True)
    counted_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True, help_text="On the real clock.")
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="On the real clock.")
    claim = models.UUIDField(
        null=True, blank=True, help_text="Who claimed it last: nobody else's outcome is stored."
    )
    unanswered_since = models.DateTimeField(
        null=True, blank=True, help_text="The first attempt that Stripe may have applied unseen."
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    rejected_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was too old for Stripe, which rejects it."
    )
    superseded_at = models.DateTimeField(null=True, blank=True)
    undecided_at = models.DateTimeField(
        null=True, blank=True, help_text="When sending it again began to risk billing twice."
    )
    missing_at = models.DateTimeField(
        null=True, blank=True, help_text="When Stripe's meter was seen not to hold it."
    )
    resends = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often staff had it sent again."
    )
    held_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when staff hold it back: it is not sent."
    )
    answer = models.JSONField(null=True, blank=True, help_text="What Stripe said last.")

    class Meta:
        permissions = [
            ("resend_meterevent", "Can have a meter event sent again"),
            ("hold_meterevent", "Can hold a meter event back and let it go"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "meter", "period", "timestamp"],
                condition=Q(meter="active_series"),
                name="one_value_per_meter_period_and_second",
            ),
            models.UniqueConstraint(
                fields=["meter", "source_uuid"],
                condition=~Q(source_uuid=None),
                name="one_event_per_meter_and_source",
            ),
            models.UniqueConstraint(
                fields=["period", "sweep_date"],
                condition=Q(reason="sweep"),
                name="one_sweep_event_per_period_and_day",
            ),
            models.UniqueConstraint(
                fields=["period"],
                condition=Q(reason="pre-close"),
                name="one_pre_close_event_per_period",
            ),
            models.CheckConstraint(
                condition=Q(reason="sweep", sweep_date__isnull=False)
                | (~Q(reason="sweep") & Q(sweep_date=None)),
                name="sweep_events_have_a_date",
            ),
            models.CheckConstraint(
                condition=Q(meter="active_series", period__isnull=False, source_uuid=None)
                | Q(
                    meter__in=["metrics", "runner_minutes"],
                    period=None,
                    source_uuid__isnull=False,
                    reason="usage",
                    superseded_at=None,
                ),
                name="meter_event_says_what_it_stands_for",
            ),
            models.CheckConstraint(
                condition=Q(undecided_at=None) | ~Q(meter="active_series"),
                name="only_what_adds_up_is_undecided",
            ),
            models.CheckConstraint(
                condition=Q(expired_at=None) | Q(rejected_at__isnull=False),
                name="expired_events_are_rejected",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["hint", "sweep", "pre-close", "close", "manual", "usage"]),
                name="meter_event_reason_is_known",
            ),
        ]
        indexes = [
            # What the sender claims from; as small as what waits, however much was sent.
            models.Index(
                fields=["customer", "meter"], condition=TO_SEND, name="meter_events_to_send"
            ),
            # The organization's outbox, newest first.
            models.Index(
                fields=["organization", "counted_at"], name="meter_events_by_organization"
            ),
            models.Index(
                fields=["undecided_at"],
                condition=~Q(undecided_at=None),
                name="meter_events_undecided",
            ),
            models.Index(
                fields=["rejected_at"],
                condition=~Q(rejected_at=None),
                name="meter_events_rejected",
            ),
            # What an undecided one is settled by.
            models.Index(
                fields=["customer", "meter", "timestamp"],
                condition=~Q(source_uuid=None),
                name="meter_events_that_add_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_meter_display().lower()}: {self.value:,}"

    @property
    def state(self) -> State:
        """Return how far it has come."""
        state = self.State
        reached = {
            state.SENT: self.sent_at,
            state.EXPIRED: self.expired_at,
            state.REJECTED: self.rejected_at,
            state.SUPERSEDED: self.superseded_at,
            state.UNDECIDED: self.undecided_at,
            state.HELD: self.held_at,
        }
        return next((one for one, at in reached.items() if at is not None), state.WAITING)


class SenderLease(models.Model):
    """Who may send: one row, on the real clock, so that one sender keeps every order."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    holder = models.UUIDField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(
        null=True, blank=True, help_text="Nobody sends before; on the real clock."
    )
    paused_why = models.CharField(
        max_length=500, blank=True, db_default="", help_text="Empty while Stripe takes our key."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="sender_lease_is_one_row"),
        ]

    def __str__(self) -> str:
        return f"held until {self.expires_at}"


class Statement(models.Model):
    """A closed period's bill. One insert, never changed: triggers refuse everything else."""

    uuid = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    period = models.OneToOneField(BillingPeriod, on_delete=models.PROTECT, related_name="statement")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="statements"
    )
    stripe_subscription_id = models.CharField(max_length=64)
    stripe_price_id = models.CharField(max_length=64, help_text="The price that was in force.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    kind = models.CharField(max_length=5, choices=BillingPeriod.Kind)
    series = models.PositiveIntegerField(help_text="Billed series, by the recount.")
    ledger_series = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="All series by the ledger, where it could still answer for the period.",
    )
    total_series = models.PositiveIntegerField(help_text="All series, billed or not.")
    tier_up_to = models.PositiveIntegerField(
        null=True, blank=True, help_text="The band it fell in; empty for the last one."
    )
    amount_cents = models.PositiveBigIntegerField(help_text="0 in a trial.")
    currency = models.CharField(max_length=3, default="usd")
    evidence_sha256 = models.CharField(
        max_length=64, help_text="SHA-256 of the evidence, which anybody can recompute."
    )
    late_changes = models.JSONField(
        default=list,
        blank=True,
        help_text="Flips, deletions and restores of its projects in the last two days or later:"
        " project, its series, kind, at, by (UUIDs).",
    )
    closed_at = models.DateTimeField()

    class Meta:
        permissions = [("correct_statement", "Can propose a correction of a statement")]
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_subscription_id", "starts_at"],
                name="one_statement_per_subscription_and_start",
            ),
            models.CheckConstraint(
                condition=Q(evidence_sha256__regex="^[0-9a-f]{64}$"),
                name="statement_has_its_hash",
            ),
            models.CheckConstraint(
                condition=Q(series__lte=F("total_series")), name="billed_series_are_among_all"
            ),
        ]
        indexes = [models.Index(fields=["closed_at"], name="statements_by_close")]

    def __str__(self) -> str:
        return f"{self.series:,} series, {dates.days(self.starts_at, self.ends_at)}"


class StatementLine(models.Model):
    """One series of a statement, with names as they were and the reports that prove it."""

    statement = models.ForeignKey(
        Statement, on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    project_uuid = models.UUIDField()
    project_name = models.CharField(max_length=64)
    project_visibility = models.CharField(max_length=7)
    project_deleted = models.BooleanField()
    billed = models.BooleanField()
    testbed_uuid = models.UUIDField()
    testbed_name = models.CharField(max_length=64)
    benchmark_uuid = models.UUIDField()
    benchmark_name = models.CharField(max_length=1024)
    measure_uuid = models.UUIDField()
    measure_name = models.CharField(max_length=64)
    first_report_uuid = models.UUIDField()
    first_seen_at = models.DateTimeField()
    last_report_uuid = models.UUIDField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "testbed_uuid", "benchmark_uuid", "measure_uuid"],
                name="one_line_per_statement_and_series",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.testbed_name} / {self.benchmark_name} / {self.measure_name}"


class Settlement(models.Model):
    """What Stripe invoiced for a statement, and whether it agrees. Append-only."""

    statement = models.ForeignKey(
        Statement, on_delete=models.PROTECT, related_name="settlements", db_index=False
    )
    stripe_invoice_id = models.CharField(max_length=64)
    series = models.BigIntegerField(null=True, help_text="The quantity on the invoice's line.")
    amount_cents = models.BigIntegerField(help_text="The amount on the invoice's line.")
    agrees = models.BooleanField()
    difference = models.CharField(max_length=300, blank=True)
    settled_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "stripe_invoice_id"],
                name="one_settlement_per_statement_and_invoice",
            ),
        ]
        indexes = [
            models.Index(
                fields=["stripe_invoice_id"],
                opclasses=["varchar_pattern_ops"],
                name="settlements_by_invoice",
            ),
        ]

    def __str__(self) -> str:
        return "agrees" if self.agrees else self.difference


class Drift(models.Model):
    """That figures of a period differ which must be the same. Found by the nightly reconciliation.

    At most one unresolved row per period and meter; nothing is corrected by it.
    """

    class Reason(models.TextChoices):
        """The likely reason, causes before effects."""

        LEDGER = "ledger", "a row of the ledger is wrong"
        RECOUNT = "recount", "the reports are not what was closed"
        EVIDENCE = "evidence", "the statement's lines are not what was hashed"
        NOT_CLOSED = "not-closed", "the period was not closed"
        REJECTED = "rejected", "Stripe rejected the event"
        NOT_DELIVERED = "not-delivered", "the event was not delivered"
        PROJECT_CHANGED = "project-changed", "a project was flipped, deleted or restored"
        NOT_POSTED = "not-posted", "nothing was posted"
        OUTBOX = "outbox", "the posted value is not the count"
        STRIPE = "stripe", "Stripe's meter holds another value"
        INVOICE = "invoice", "the invoice differs"
        NOT_SETTLED = "not-settled", "the settlement is missing"
        SETTLEMENT = "settlement", "the settlement is not what was invoiced"

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="drifts")
    meter = models.CharField(
        max_length=16,
        choices=MeterEvent.Meter,
        default=MeterEvent.Meter.ACTIVE_SERIES,
        db_default=MeterEvent.Meter.ACTIVE_SERIES,
    )
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, related_name="drifts", null=True, blank=True
    )
    metrics_period = models.ForeignKey(
        MetricsPeriod,
        # One that begins after its plan's end, as we learn late, is removed.
        on_delete=models.CASCADE,
        related_name="drifts",
        null=True,
        blank=True,
        help_text="Of an older plan, in place of the period.",
    )
    reason = models.CharField(max_length=15, choices=Reason)
    differences = models.TextField(help_text="What differs, a sentence in each line.")
    figures = models.JSONField(help_text="What each holder said; empty where it could not.")
    found_at = models.DateTimeField()
    checked_at = models.DateTimeField(help_text="It was still there then.")
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["period", "meter"],
                condition=Q(resolved_at=None),
                name="one_unresolved_drift_per_period_and_meter",
            ),
            models.UniqueConstraint(
                fields=["metrics_period", "meter"],
                condition=Q(resolved_at=None),
                name="one_unresolved_drift_per_metrics_period_and_meter",
            ),
            models.CheckConstraint(
                condition=Q(period__isnull=False, metrics_period=None)
                | Q(period=None, metrics_period__isnull=False),
                name="drift_is_of_one_period",
            ),
            models.CheckConstraint(
                condition=Q(meter="active_series", period__isnull=False)
                | Q(meter="metrics", metrics_period__isnull=False)
                | Q(meter="runner_minutes"),
                name="drift_is_of_a_meter_that_bills_the_period",
            ),
            models.CheckConstraint(
                condition=Q(
                    reason__in=[
                        "ledger",
                        "recount",
                        "evidence",
                        "not-closed",
                        "rejected",
                        "not-delivered",
                        "project-changed",
                        "not-posted",
                        "outbox",
                        "stripe",
                        "invoice",
                        "not-settled",
                        "settlement",
                    ]
                ),
                name="drift_reason_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()


class WebhookReceipt(models.Model):
    """That Stripe told us something. Handling re-reads the object, so order does not matter."""

    event_id = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=128)
    subject_id = models.CharField(
        max_length=128,
        blank=True,
        help_text="What is read again: the subscription or the checkout that it is about.",
    )
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True)

    class Meta:
        permissions = [("replay_webhookreceipt", "Can have a webhook handled again")]
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(handled_at=None), name="webhooks_to_handle"
            ),
            # What was told of a subscription, in order.
            models.Index(
                fields=["subject_id", "received_at"],
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
                name="webhooks_by_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"


class ScheduledRun(models.Model):
    """One run of something that beat started, for the people who watch it."""

    name = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    failure = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["name", "started_at"], name="scheduled_runs_by_name")]

    def __str__(self) -> str:
        return f"{self.name}, {dates.moment(self.started_at).text}"


class FlatFeeProof(models.Model):
    """What Stripe said an unused period costs at a price of tiers, which it does not document.

    Amounts in cents. Rows are added by `stripe_setup --check` and never changed.
    """

    stripe_price_id = models.CharField(max_length=255)
    tiers = models.JSONField(help_text="The price's tiers, as Stripe gave them.")
    expected_cents = models.BigIntegerField(help_text="What our statements say it costs.")
    charged_cents = models.BigIntegerField(help_text="What Stripe's preview would charge.")
    asked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.stripe_price_id} unused costs {money.written(self.charged_cents)}"
