"""Taking in what bare-metal runners worked, each call once; `metered_usage` bills it."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from bencher.tenancy.models import Organization
from billing.models import RunnerMinutes


class KeyReusedError(Exception):
    """The idempotency key was used for other minutes."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What a runner says that it worked."""

    runner: str
    minutes: int
    start_time: datetime
    end_time: datetime | None


def take(
    organization: Organization, worked: Worked, *, idempotency_key: str, now: datetime
) -> RunnerMinutes:
    """Store what a runner worked; a repeat returns what is stored and stores nothing.

    Raises KeyReusedError where the key came with something else before.
    """
    with transaction.atomic(durable=True):
        stored, created = RunnerMinutes.objects.get_or_create(
            organization=organization,
            idempotency_key=idempotency_key,
            defaults={
                "runner": worked.runner,
                "minutes": worked.minutes,
                "start_time": worked.start_time,
                "end_time": worked.end_time,
                "received_at": now,
            },
        )
    if not created and _worked(stored) != worked:
        raise KeyReusedError(
            f"The idempotency key {idempotency_key!r} was used for {stored.minutes} minutes of"
            f" {stored.runner}; use another key for other minutes."
        )
    return stored


def _worked(stored: RunnerMinutes) -> Worked:
    return Worked(
        runner=stored.runner,
        minutes=stored.minutes,
        start_time=stored.start_time,
        end_time=stored.end_time,
    )
