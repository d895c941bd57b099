"""A row for each scheduled run, so that people see when it ran and how it went."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from bencher import clock
from billing.models import ScheduledRun


@contextmanager
def recorded(name: str, *, now: datetime) -> Iterator[ScheduledRun]:
    """Record a run: its start now, its end and result on leaving, its failure if it raises."""
    run = ScheduledRun.objects.create(name=name, started_at=now)
    try:
        yield run
    except Exception as error:
        run.failure = repr(error)
        raise
    finally:
        run.finished_at = clock.now()
        run.save(update_fields=["finished_at", "result", "failure"])
