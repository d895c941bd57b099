"""The Celery app and what beat runs when."""

import os

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")

app = Celery("bencher")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse_moved_clock(**_: object) -> None:
    """Start no worker and no beat over a database whose clock was moved."""
    from bencher import checks

    checks.refuse_moved_clock()
