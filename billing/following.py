"""Following Stripe by timer: every plan is looked at, whatever becomes of webhooks."""

import logging
from datetime import datetime, timedelta

from django.db import connection

from billing import cover, gateway, second_subscriptions
from billing.models import Plan

logger = logging.getLogger(__name__)

# So that one run of the timer is short whatever piled up; the next one goes on.
_AT_ONCE = 500
# A single object may be locked at Stripe; when this many in a row fail, Stripe is down.
_FAILURES_OF_AN_OUTAGE = 3
_AFTER_FAILURE = timedelta(hours=1)
_AFTER_OUTAGE = timedelta(minutes=1)


def due(*, now: datetime) -> list[str]:
    """Return the subscriptions to ask Stripe about, those that wait for a period first.

    Where the stored period has ended, or a legacy plan is to be Pro by now, once a minute: Stripe
    has moved on. Where none is to come
    by itself (older plans, not paid yet, paused, held), once an hour. All others once a day, since
    a webhook may have been lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT plan.stripe_subscription_id
            FROM billing_plan plan
            LEFT JOIN LATERAL (
                SELECT max(period.ends_at) AS ends_at
                FROM billing_billingperiod period
                WHERE period.plan_id = plan.id
            ) latest ON true
            CROSS JOIN LATERAL (
                SELECT latest.ends_at IS NOT NULL AND plan.held_at IS NULL
                       AND plan.status NOT IN ('paused', 'incomplete') AS has_periods,
                       coalesce(plan.level <> 'pro' AND plan.pro_from <= %(now)s, false)
                       AS is_pro_by_now
            ) kind
            WHERE plan.ended_at IS NULL
              AND (plan.sync_after IS NULL OR plan.sync_after <= %(now)s)
              AND CASE WHEN is_pro_by_now
                       THEN plan.synced_at < plan.pro_from OR plan.synced_at <= %(minute_ago)s
                       WHEN NOT has_periods THEN plan.synced_at <= %(hour_ago)s
                       WHEN latest.ends_at <= %(now)s
                       THEN plan.synced_at < latest.ends_at OR plan.synced_at <= %(minute_ago)s
                       ELSE plan.synced_at <= %(day_ago)s
                  END
            ORDER BY is_pro_by_now OR (has_periods AND latest.ends_at <= %(now)s) DESC,
                     plan.synced_at
            LIMIT %(at_once)s
            """,
            {
                "now": now,
                "minute_ago": now - timedelta(minutes=1),
                "hour_ago": now - timedelta(hours=1),
                "day_ago": now - timedelta(days=1),
                "at_once": _AT_ONCE,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def run(*, now: datetime) -> int:
    """Sync the plans that are due; returns how many. One that fails does not stop the others.

    Where Stripe does not answer at all, the rest waits for the next run.
    """
    synced = failures = 0
    for subscription_id in due(now=now):
        try:
            second_subscriptions.sync(subscription_id, now=now)
            synced, failures = synced + 1, 0
        except gateway.TemporaryError:
            logger.warning("Stripe does not answer", extra={"subscription": subscription_id})
            _put_off(subscription_id, until=now + _AFTER_OUTAGE)
            failures += 1
            if failures == _FAILURES_OF_AN_OUTAGE:
                break
        except Exception:
            logger.exception("plan not synced", extra={"subscription": subscription_id})
            _put_off(subscription_id, until=now + _AFTER_FAILURE)
    if failures:
        cover.outlast_outage(now=now)
    return synced


def _put_off(subscription_id: str, *, until: datetime) -> None:
    # So that what can't be synced does not stand before what can, minute after minute.
    Plan.objects.filter(stripe_subscription_id=subscription_id).update(sync_after=until)
