"""What beat runs and when. Everything here is safe to run late, twice, or not at all for a day."""

from datetime import time
from typing import Any

from celery.schedules import crontab

# By then the sweep has been counted, sent and summed up at Stripe.
_AFTER_SWEEP_MINUTES = 90
# Nothing is billed by the days, so they wait until the sweep is sent.
_DAYS_AFTER_MINUTES = 45
_PRUNE_AFTER_MINUTES = 150

# A run that waited this long is dropped: the next one does the same and more.
_EVERY_MINUTE = {"schedule": 60.0, "options": {"expires": 55}}


def beat_schedule(*, sweep_at: time) -> dict[str, dict[str, Any]]:
    """Return Celery's beat schedule, times in UTC."""

    def after_sweep(minutes: int) -> crontab:
        hour, minute = divmod(sweep_at.hour * 60 + sweep_at.minute + minutes, 60)
        return crontab(hour=hour % 24, minute=minute)

    return {
        "nightly sweep": {
            "task": "billing.tasks.nightly_sweep",
            "schedule": after_sweep(0),
        },
        "reconcile": {
            "task": "billing.tasks.nightly_reconcile",
            "schedule": after_sweep(_AFTER_SWEEP_MINUTES),
        },
        "days": {
            "task": "billing.tasks.nightly_days",
            "schedule": after_sweep(_DAYS_AFTER_MINUTES),
        },
        "prune": {
            "task": "billing.tasks.nightly_prune",
            "schedule": after_sweep(_PRUNE_AFTER_MINUTES),
        },
        "expired sign-ins": {
            "task": "bencher.tenancy.tasks.nightly_expiry",
            "schedule": after_sweep(_PRUNE_AFTER_MINUTES),
        },
        "pre-close": {"task": "billing.tasks.pre_close", **_EVERY_MINUTE},
        "close": {"task": "billing.tasks.close_periods", **_EVERY_MINUTE},
        "follow Stripe": {"task": "billing.tasks.sync_plans", **_EVERY_MINUTE},
        "verify": {"task": "billing.tasks.verify_closings", **_EVERY_MINUTE},
        "metered usage": {"task": "billing.tasks.store_metered_usage", **_EVERY_MINUTE},
        "metered usage, all of it": {
            "task": "billing.tasks.store_metered_usage",
            "schedule": crontab(minute=17),
            "kwargs": {"everything": True},
        },
        "settle undecided": {
            "task": "billing.tasks.settle_undecided",
            "schedule": crontab(minute=37),
        },
        "notices": {"task": "billing.tasks.send_notices", **_EVERY_MINUTE},
        "send": {
            "task": "billing.tasks.send_meter_events",
            "schedule": 15.0,
            "options": {"expires": 14},
        },
    }
