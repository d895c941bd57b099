"""What monitoring watches of the bills, read from the database when it asks.

Every gauge is always there, at 0 where there is nothing, so that an alert can tell quiet from
blind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from prometheus_client.core import GaugeMetricFamily

from billing import outbox, verification
from billing.models import Drift

# The runs that beat starts each night and that leave a row.
NIGHTLY = ("sweep", "days", "reconcile", "prune")
# What differs, or was refused of what has no period, is for people as long as its invoice may be
# young. It is their lists' limit too.
LATELY = timedelta(days=62)

_UNVERIFIED = """billing_statement statement
     JOIN billing_billingperiod period ON period.id = statement.period_id
     LEFT JOIN billing_verification verification ON verification.period_id = period.id
     WHERE period.state = 'frozen' AND verification.verified_at IS NULL"""

# Of each current period the value that was stored last, by the index of a period's values.
_POSTED = """billing_plan plan
     JOIN billing_billingperiod period ON period.plan_id = plan.id
      AND period.starts_at <= %(now)s AND %(now)s < period.ends_at
     JOIN billing_billingcustomer customer ON customer.organization_id = plan.organization_id
     CROSS JOIN LATERAL (
         SELECT event.value FROM billing_meterevent event
         WHERE event.customer_id = customer.id AND event.meter = 'active_series'
           AND event.period_id = period.id
         ORDER BY event.timestamp DESC LIMIT 1
     ) latest
     WHERE plan.ended_at IS NULL AND plan.level = 'pro'"""

# These tables are final by triggers against UPDATE, DELETE and TRUNCATE, which have these bits in
# pg_trigger; the ones of foreign keys, which are internal, have them too, and so has the audit's,
# which comes after the change and refuses none.
_CHANGES = 16 + 8 + 32
_BEFORE = 2
_FINAL = (
    "billing_statement",
    "billing_statementline",
    "billing_settlement",
    "billing_correction",
    "billing_correctiondecision",
    "series_projectchange",
    "bencher_change",
    "django_admin_log",
)

_FIGURES = f"""
SELECT
    -- What adds up has no period: as long as the longest one, and its invoice, may take.
    (SELECT count(*) FROM billing_meterevent
     WHERE source_uuid IS NOT NULL AND rejected_at > %(lately)s) +
    -- The last value counts, so one that a newer one follows is nobody's business any more.
    (SELECT count(*) FROM billing_meterevent event
     JOIN billing_billingperiod period ON period.id = event.period_id
     WHERE event.rejected_at IS NOT NULL AND event.superseded_at IS NULL
       AND period.state <> 'settled'
       AND NOT EXISTS (SELECT FROM billing_meterevent newer
                       WHERE newer.customer_id = event.customer_id AND newer.meter = event.meter
                         AND newer.period_id = event.period_id
                         AND newer.timestamp > event.timestamp)),
    (SELECT count(*) FROM billing_meterevent WHERE undecided_at IS NOT NULL AND sent_at IS NULL),
    (SELECT count(*) FROM billing_senderlease WHERE paused_why <> ''),
    (SELECT count(*) FROM billing_billingperiod WHERE state = 'open' AND ends_at <= %(now)s),
    (SELECT coalesce(extract(epoch FROM %(now)s - min(ends_at)), 0)
     FROM billing_billingperiod WHERE state = 'open' AND ends_at <= %(now)s),
    (SELECT count(*) FROM {_UNVERIFIED}),
    (SELECT coalesce(extract(epoch FROM %(now)s - min(statement.closed_at)), 0)
     FROM {_UNVERIFIED}),
    (SELECT count(*) FROM billing_verification WHERE passed_unverified_at IS NOT NULL
       AND verified_at IS NULL),
    (SELECT count(*) FROM billing_settlement WHERE NOT agrees
       AND settled_at > %(lately)s),
    (SELECT count(*) FROM unnest(%(final)s::text[]) final
     WHERE (SELECT coalesce(bit_or(tgtype), 0) FROM pg_trigger
            WHERE tgrelid = final::regclass AND tgenabled IN ('O', 'A') AND NOT tgisinternal
              AND tgtype & {_BEFORE} <> 0
           ) & {_CHANGES} <> {_CHANGES}),
    (SELECT coalesce(sum(latest.value), 0) FROM {_POSTED}),
    (SELECT count(*) FROM billing_plan
     WHERE ended_at IS NULL AND status IN ('past_due', 'unpaid')),
    (SELECT count(*) FROM billing_plan WHERE ended_at IS NULL AND held_at IS NOT NULL),
    (SELECT count(*) FROM billing_cancellation WHERE finished_at IS NULL),
    (SELECT coalesce(extract(epoch FROM %(now)s - min(requested_at)), 0)
     FROM billing_cancellation WHERE finished_at IS NULL),
    (SELECT count(*) FROM billing_correction correction
     WHERE NOT EXISTS (SELECT FROM billing_correctiondecision decision
                       WHERE decision.correction_id = correction.id)),
    (SELECT count(*) FROM billing_webhookreceipt WHERE handled_at IS NULL),
    (SELECT coalesce(extract(epoch FROM %(now)s - min(received_at)), 0)
     FROM billing_webhookreceipt WHERE handled_at IS NULL)
"""  # noqa: S608 - constants of this module

# What a run could not do for one plan or period stands in its result; the others went on.
_LAST_RUNS = """
SELECT name, extract(epoch FROM max(finished_at) FILTER (WHERE failure = '')),
       (array_agg(failure <> '' OR coalesce((result->>'failed')::integer, 0) > 0
                  OR coalesce((result->>'unknown')::integer, 0) > 0
                  ORDER BY started_at DESC, id DESC))[1]
FROM billing_scheduledrun WHERE finished_at IS NOT NULL GROUP BY name
"""


@dataclass(frozen=True, slots=True)
class _Gauge:
    name: str
    says: str


# In the order of the statement's columns.
_SINGLE = (
    _Gauge(
        "bencher_outbox_rejected",
        "Meter events that Stripe rejected, of unsettled periods and without a newer value.",
    ),
    _Gauge(
        "bencher_outbox_undecided",
        "Meter events of which nobody knows whether Stripe has them, to be settled.",
    ),
    _Gauge("bencher_sending_paused", "Whether sending pauses (1), because Stripe refuses our key."),
    _Gauge("bencher_periods_to_close", "Periods that have ended and are not closed."),
    _Gauge(
        "bencher_periods_to_close_oldest_age_seconds",
        "How long ago the first of them ended; 0 without one.",
    ),
    _Gauge(
        "bencher_closings_unverified",
        "Statements whose count was not seen at Stripe and whose invoice is not settled.",
    ),
    _Gauge(
        "bencher_closings_unverified_oldest_age_seconds",
        "How long ago the first of them was closed; 0 without one.",
    ),
    _Gauge(
        "bencher_invoices_final_unverified",
        "Invoices that became final before the count was seen at Stripe, and still is not.",
    ),
    _Gauge(
        "bencher_settlements_disagreeing",
        "Invoices of the last 62 days that differ from their statement.",
    ),
    _Gauge(
        "bencher_final_tables_unprotected",
        "Tables of statements, flips and the audit whose triggers are missing or disabled.",
    ),
    _Gauge(
        "bencher_active_series_posted",
        "Active series of all current periods, by the value that was stored last for each.",
    ),
    _Gauge("bencher_plans_past_due", "Live plans that are past due or unpaid."),
    _Gauge(
        "bencher_plans_held",
        "Live plans whose item or price changed at Stripe, until staff have looked.",
    ),
    _Gauge("bencher_cancellations_waiting", "Plans that are being canceled at once."),
    _Gauge(
        "bencher_cancellations_oldest_age_seconds",
        "How long ago the first of them was asked for; 0 without one.",
    ),
    _Gauge("bencher_corrections_undecided", "Corrections that wait for a second person."),
    _Gauge("bencher_webhooks_waiting", "Webhooks of Stripe that are not handled yet."),
    _Gauge("bencher_webhooks_oldest_age_seconds", "Age of the oldest of them; 0 without one."),
)


def read(*, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Yield every gauge as it is now. Changes nothing; a fixed number of statements."""
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"now": now, "lately": now - LATELY, "final": list(_FINAL)})
        figures = cursor.fetchall()[0]
        yield from _outbox()
        yield _drift(cursor)
        yield from _runs(cursor)
    for gauge, value in zip(_SINGLE, figures, strict=True):
        yield GaugeMetricFamily(gauge.name, gauge.says, value=float(value))
    yield GaugeMetricFamily(
        "bencher_active_series_billed",
        "Whether active series are billed (1) or dark, because no product is configured (0).",
        value=float(bool(settings.ACTIVE_SERIES_PRODUCT)),
    )
    left = verification.seconds_to_unverified_invoice(now=now)
    yield GaugeMetricFamily(
        "bencher_unverified_invoice_seconds_left",
        "How long until an invoice becomes final unverified; +Inf without one.",
        value=float("inf") if left is None else left,
    )


def _outbox() -> Iterator[GaugeMetricFamily]:
    waiting = outbox.waiting()
    yield GaugeMetricFamily(
        "bencher_outbox_waiting",
        "Meter events that are stored and not delivered yet.",
        value=waiting["events"],
    )
    yield GaugeMetricFamily(
        "bencher_outbox_oldest_age_seconds",
        "Age of the oldest of them; 0 without one.",
        value=waiting["oldest_seconds"] or 0,
    )
    yield GaugeMetricFamily(
        "bencher_outbox_held_back",
        "Meter events that staff hold back, by themselves or with their organization's billing.",
        value=waiting["held_back"],
    )


def _drift(cursor: CursorWrapper) -> GaugeMetricFamily:
    cursor.execute(
        "SELECT reason, count(*) FROM billing_drift WHERE resolved_at IS NULL GROUP BY reason"
    )
    found = dict(cursor.fetchall())
    family = GaugeMetricFamily(
        "bencher_drift_unresolved",
        "Periods whose figures differ, by the likely reason.",
        labels=["reason"],
    )
    for reason in Drift.Reason.values:
        family.add_metric([reason], found.get(reason, 0))
    return family


def _runs(cursor: CursorWrapper) -> Iterator[GaugeMetricFamily]:
    cursor.execute(_LAST_RUNS)
    found = {name: (finished, failed) for name, finished, failed in cursor.fetchall()}
    finished = GaugeMetricFamily(
        "bencher_run_finished_timestamp_seconds",
        "When a nightly run last finished without failure; 0 where it never did.",
        labels=["name"],
    )
    failed = GaugeMetricFamily(
        "bencher_run_failed",
        "Whether the last one that finished failed, or left something out (1).",
        labels=["name"],
    )
    for name in NIGHTLY:
        at, has_failed = found.get(name, (None, False))
        finished.add_metric([name], float(at or 0))
        failed.add_metric([name], float(has_failed))
    return iter((finished, failed))
