"""Accepting a report: the one transaction that stores it with its series activity."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, OperationalError, transaction
from psycopg import errors

from bencher.tenancy.models import User
from ingest import branches, columns
from ingest.adapters import builtin_measures, folding, registry
from ingest.adapters.results import Results
from ingest.models import MetricColumn, Report
from ingest.wire import InvalidBodyError, NewReport, Settings
from series import dimensions, fence, last_seen, signals
from series.models import Project, Visibility

# Clocks of CI machines differ; Stripe too takes five minutes.
MAX_AHEAD = timedelta(minutes=5)
# Sorted keys make deadlocks and lost races rare, not impossible.
_ATTEMPTS = 3


class PaymentRequiredError(Exception):
    """A private project of an organization whose plan does not cover private reports."""


class IdempotencyConflictError(Exception):
    """The idempotency key was used before, for another body."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a report: the stored one, and how many of its series were new."""

    report: Report
    new_series: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """A decoded report with what identifies it: whose it is, and what exactly was sent."""

    project: Project
    payload: NewReport
    body_hash: bytes
    user: User | None


def submission(
    *, project: Project, payload: NewReport, body: bytes, user: User | None
) -> Submission:
    """Return the submission of a body; equal bodies are the same submission."""
    return Submission(
        project=project, payload=payload, body_hash=hashlib.sha256(body).digest(), user=user
    )


def accept(sent: Submission, *, now: datetime) -> Accepted:
    """Store a report, its metric columns and its series activity together, or nothing at all.

    Raises InvalidBodyError, AdapterError, AmbiguousNameError, NoSuchEntityError,
    PaymentRequiredError and IdempotencyConflictError; nothing is stored then.
    """
    _check_plan(sent.project, now=now)
    if sent.payload.end_time > now + MAX_AHEAD:
        raise InvalidBodyError(
            f"end_time lies more than five minutes ahead of this server's clock ({now:%FT%TZ});"
            " check the clock of the machine that ran the benchmarks."
        )
    iterations = _parse(sent.payload)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _replay(sent) or _store(sent, iterations, now=now)
        except (OperationalError, IntegrityError) as error:
            if attempt == _ATTEMPTS or not _lost_a_race(error):
                raise
    raise AssertionError("the last attempt returns or raises")


def _check_plan(project: Project, *, now: datetime) -> None:
    until = project.organization.private_until
    if project.visibility == Visibility.PRIVATE and until is not None and now >= until:
        raise PaymentRequiredError(
            f"Project {project.slug} is private, and its organization has no plan that covers"
            " private projects. Subscribe on the organization's billing page, or make the project"
            " public."
        )


def _parse(payload: NewReport) -> list[Results]:
    settings = payload.settings or Settings()
    parsed = [registry.parse(settings.adapter, text, settings.average) for text in payload.results]
    return parsed if settings.fold is None else [folding.fold(parsed, settings.fold)]


def _replay(sent: Submission) -> Accepted | None:
    key = sent.payload.idempotency_key
    if key is None:
        return None
    first = Report.objects.filter(project=sent.project, idempotency_key=key).first()
    if first is None:
        return None
    if bytes(first.body_hash) != sent.body_hash:
        raise IdempotencyConflictError(
            "This idempotency key was used for another report; send a new key for a new report."
        )
    return Accepted(report=first, new_series=0, replayed=True)


def _store(sent: Submission, iterations: Sequence[Results], *, now: datetime) -> Accepted:
    project, payload = sent.project, sent.payload
    settings = payload.settings or Settings()
    with transaction.atomic(durable=True):
        at = fence.instant(project.organization_id, end_time=payload.end_time, now=now)
        testbed = dimensions.testbed(project.pk, payload.testbed, now=now)
        table = _columns(project.pk, iterations, now=now)
        place = branches.place(project.pk, branch=payload.branch, commit=payload.hash, now=now)
        report = Report.objects.create(
            organization_id=project.organization_id,
            project=project,
            user=sent.user,
            head=place.head,
            version=place.version,
            testbed_id=testbed,
            adapter=settings.adapter.normalized.code,
            start_time=payload.start_time,
            end_time=payload.end_time,
            received_at=at.received_at,
            seen_at=at.seen_at,
            idempotency_key=payload.idempotency_key or "",
            body_hash=sent.body_hash,
        )
        _insert(report, table)
        benchmark_ids, measure_ids = columns.series(table)
        new_series = last_seen.record(
            organization_id=project.organization_id,
            project_id=project.pk,
            testbed_id=testbed,
            benchmark_ids=benchmark_ids,
            measure_ids=measure_ids,
            at=at.seen_at,
        )
        hint = partial(
            signals.activity_recorded.send_robust,
            sender=Report,
            organization_id=project.organization_id,
        )
        transaction.on_commit(hint, robust=True)
    return Accepted(report=report, new_series=new_series)


def _columns(
    project_id: int, iterations: Sequence[Results], *, now: datetime
) -> list[columns.Column]:
    names = {name for results in iterations for name in results}
    measured = {measure for results in iterations for row in results.values() for measure in row}
    benchmarks = dimensions.benchmarks(project_id, names, now=now)
    measures = dimensions.measures(project_id, measured, describe=_measure, now=now)
    return list(columns.columns(iterations, benchmarks=benchmarks, measures=measures))


def _measure(name: str) -> dimensions.NewMeasure:
    known = builtin_measures.find(name)
    if known is None:
        return dimensions.NewMeasure(name=name, units="Measure (units)")
    return dimensions.NewMeasure(name=known.name, units=known.units, slug=known.slug)


def _insert(report: Report, table: Sequence[columns.Column]) -> None:
    MetricColumn.objects.bulk_create(
        MetricColumn(
            organization_id=report.organization_id,
            report_id=report.pk,
            iteration=column.iteration,
            measure_id=column.measure_id,
            part=column.part,
            benchmark_ids=column.benchmark_ids,
            values=column.values,
            lower_values=column.lower_values,
            upper_values=column.upper_values,
        )
        for column in table
    )


def _lost_a_race(error: Exception) -> bool:
    cause = error.__cause__
    if isinstance(cause, errors.DeadlockDetected | errors.SerializationFailure):
        return True
    # Two reports with one key at the same moment: the second now finds the first.
    return (
        isinstance(cause, errors.UniqueViolation)
        and cause.diag.constraint_name == "one_report_per_idempotency_key"
    )
