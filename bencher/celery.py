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
def refuse_to_start(**_: object) -> None:
    """Start no worker and no beat with unfit keys, or over a database whose clock was moved."""
    from django.core.exceptions import ImproperlyConfigured

    from bencher import checks

    try:
        checks.refuse_unfit_keys()
        checks.refuse_moved_clock()
    except ImproperlyConfigured as error:
        # Celery logs any other exception of a receiver and starts all the same.
        raise SystemExit(str(error)) from error
