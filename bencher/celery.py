"""The Celery app and what beat runs when."""

import os
from contextlib import AbstractContextManager
from typing import Any

from celery import Celery
from celery.signals import beat_init, task_postrun, task_prerun, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")

app = Celery("bencher")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_audits: dict[str, AbstractContextManager[None]] = {}


@task_prerun.connect
def begin_audit(task_id: str, task: Any, **_: object) -> None:
    """Have the audit record what a task changes as changed by it."""
    from bencher import auditing

    _audits[task_id] = auditing.context(program=task.name)
    _audits[task_id].__enter__()


@task_postrun.connect
def end_audit(task_id: str, **_: object) -> None:
    """Leave what `begin_audit` entered."""
    audit = _audits.pop(task_id, None)
    if audit is not None:
        audit.__exit__(None, None, None)


@task_postrun.connect
def tell(kwargs: dict[str, object] | None = None, **_: object) -> None:
    """Tell whoever waits for this task that it is done, as `time_travel` does in the sandbox."""
    waiting = (kwargs or {}).get("waiting")
    if waiting is not None:
        from bencher import broker

        broker.tell(str(waiting))


@worker_init.connect
def keep_taking_tasks(**_: object) -> None:
    """Have a worker go on where Redis did not take an acknowledgement."""
    from bencher import acknowledging

    acknowledging.install()


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
