"""The Celery app and what beat runs when."""

import os

from celery import Celery
from celery.signals import beat_init, task_postrun, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")

app = Celery("bencher")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_postrun.connect
def tell(kwargs: dict[str, object] | None = None, **_: object) -> None:
    """Tell whoever waits for this task that it is done, as `time_travel` does in the sandbox."""
    waiting = (kwargs or {}).get("waiting")
    if waiting is not None:
        from bencher import broker

        broker.tell(str(waiting))


@worker_init.connect
@beat_init.connect
def refuse_moved_clock(**_: object) -> None:
    """Start no worker and no beat over a database whose clock was moved."""
    from bencher import checks

    checks.refuse_moved_clock()
