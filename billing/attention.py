"""When a gauge calls for a person: the one place that says so, for alerts and for the staff's page.

`/metrics` answers `bencher_attention{gauge}` by these limits, and the tiles of the staff's front
page take their tone from them, so that page and alert never disagree. docs/runbook.md says what
to do about each.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily

from billing import gauges, verification

# Beat starts each nightly run once a day; two hours more for a long one.
RUN_EVERY = timedelta(hours=26)
# Events go out every few seconds. Less than this is Stripe being slow.
OUTBOX_AGE = timedelta(minutes=30)
# Webhooks are handled as they come, and by the minute's timer where that failed.
WEBHOOK_AGE = timedelta(minutes=15)
# Closing runs every minute from BILLING_CLOSE_DELAY on.
CLOSE_GRACE = timedelta(hours=1)
# A plan that is canceled at once ends within minutes.
CANCELING = timedelta(hours=1)
# Stripe shows within minutes what it was sent.
UNVERIFIED_AGE = timedelta(days=1)

# The values of a gauge by its label; of one without labels, by the empty text.
Readings = Mapping[str, Mapping[str, float]]
Judge = Callable[[float, datetime], bool]


def _above(limit: float | timedelta) -> Judge:
    most = limit.total_seconds() if isinstance(limit, timedelta) else limit
    return lambda value, _: value > most


def _below(limit: float | timedelta) -> Judge:
    least = limit.total_seconds() if isinstance(limit, timedelta) else limit
    return lambda value, _: value < least


def _older_than(age: timedelta) -> Judge:
    return lambda value, now: now.timestamp() - value > age.total_seconds()


LIMITS: dict[str, Judge] = {
    "bencher_active_series_billed": _below(1),
    "bencher_outbox_oldest_age_seconds": _above(OUTBOX_AGE),
    "bencher_outbox_rejected": _above(0),
    "bencher_outbox_undecided": _above(0),
    "bencher_sending_paused": _above(0),
    "bencher_webhooks_oldest_age_seconds": _above(WEBHOOK_AGE),
    "bencher_periods_to_close_oldest_age_seconds": _above(
        settings.BILLING_CLOSE_DELAY + CLOSE_GRACE
    ),
    "bencher_closings_unverified_oldest_age_seconds": _above(UNVERIFIED_AGE),
    "bencher_unverified_invoice_seconds_left": _below(verification.ALERT_BEFORE),
    "bencher_invoices_final_unverified": _above(0),
    "bencher_settlements_disagreeing": _above(0),
    "bencher_drift_unresolved": _above(0),
    "bencher_final_tables_unprotected": _above(0),
    "bencher_run_finished_timestamp_seconds": _older_than(RUN_EVERY),
    "bencher_run_failed": _above(0),
    "bencher_plans_held": _above(0),
    "bencher_cancellations_oldest_age_seconds": _above(CANCELING),
}


def read(families: Iterable[GaugeMetricFamily]) -> dict[str, dict[str, float]]:
    """Return the values of gauges by name and label."""
    return {
        family.name: {
            "".join(sample.labels.values()): float(sample.value) for sample in family.samples
        }
        for family in families
    }


def is_needed(readings: Readings, gauge: str, *, now: datetime, label: str | None = None) -> bool:
    """Tell whether a gauge, or one label of it, has crossed its limit.

    One without a limit never does. Raises KeyError for a gauge that was not read.
    """
    judge = LIMITS.get(gauge)
    values = readings[gauge]
    chosen = values.values() if label is None else [values[label]]
    return judge is not None and any(judge(value, now) for value in chosen)


def family(readings: Readings, *, now: datetime) -> GaugeMetricFamily:
    """Return a gauge that is 1 for each gauge that has crossed its limit, for alerting rules."""
    answered = GaugeMetricFamily(
        "bencher_attention", "Whether a gauge has crossed its limit (1).", labels=["gauge"]
    )
    for gauge in LIMITS:
        answered.add_metric([gauge], float(is_needed(readings, gauge, now=now)))
    return answered


def collect(*, now: datetime) -> list[GaugeMetricFamily]:
    """Return every gauge as it is now, and after them which of them call for a person."""
    found = list(gauges.read(now=now))
    return [*found, family(read(found), now=now)]
