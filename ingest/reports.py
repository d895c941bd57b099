"""Accepting a report: the one transaction that stores it with its series activity."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, OperationalError, transaction
from psycopg import errors

from bencher.tenancy.models import User
from ingest import branches, columns, ignoring, on_the_fly, size
from ingest.adapters import builtin_measures, folding, registry
from ingest.adapters.registry import Adapter
from ingest.adapters.results import AdapterError, Average, Results
from ingest.models import Report
from ingest.on_the_fly import NewProject
from ingest.wire import InvalidBodyError, JsonNewReport, JsonReportSettings
from series import dimensions, fence, last_seen, signals
from series.models import Project, Visibility

# Clocks of CI machines differ; Stripe too takes five minutes.
MAX_AHEAD = timedelta(minutes=5)
# Sorted keys make deadlocks and lost races rare, not impossible.
_ATTEMPTS = 3
_LOST_RACES = (errors.DeadlockDetected, errors.SerializationFailure, errors.ForeignKeyViolation)


class PaymentRequiredError(Exception):
    """A private project of an organization whose plan does not cover private reports."""


class IdempotencyConflictError(Exception):
    """The idempotency key was used before, for another body or for a report that is deleted."""


class BusyError(Exception):
    """Every attempt lost a race against concurrent reports; the next one may well succeed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored with a report, as it was at that moment."""

    names: dimensions.Found
    testbed: dimensions.Entity
    table: Sequence[columns.Column]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a report: the stored one, and how many of its series were new.

    A repeat stores nothing: its report is the first one.
    """

    report: Report
    new_series: int
    stored: Stored | None = None

    @property
    def replayed(self) -> bool:
        """Tell whether this is the report of an earlier request with the same key."""
        return self.stored is None


@dataclass(frozen=True, slots=True)
class Submission:
    """A decoded report with what identifies it: whose it is, and what exactly was sent."""

    project: Project | NewProject
    payload: JsonNewReport
    body_hash: bytes
    user: User | None
    claims: bool


def submission(
    *,
    project: Project | NewProject,
    payload: JsonNewReport,
    body: bytes,
    user: User | None,
    claims: bool = False,
) -> Submission:
    """Return the submission of a body; equal bodies are the same submission.

    A user `claims` a project that has nobody yet by reporting to it.
    """
    return Submission(
        project=project,
        payload=payload,
        body_hash=hashlib.sha256(body).digest(),
        user=user,
        claims=claims,
    )


def accept(sent: Submission, *, now: datetime) -> Accepted:
    """Store a report, its metric columns and its series activity together, or nothing at all.

    Raises InvalidBodyError, AdapterError, AmbiguousNameError, NoSuchEntityError,
    PaymentRequiredError, IdempotencyConflictError, ProjectTakenError and BusyError; nothing is
    stored then.
    """
    # A repeat gets its answer whatever has changed since, be it the plan or the clock.
    first = replay(sent)
    if first is not None:
        return first
    iterations = read(sent, now=now)
    for _ in range(_ATTEMPTS):
        try:
            return replay(sent) or _store(sent, iterations, now=now)
        except (OperationalError, IntegrityError) as error:
            if not _lost_a_race(error):
                raise
            lost: Exception = error
        except branches.ContendedError as error:
            lost = error
    raise BusyError("Many reports change the same things at this moment; try again.") from lost


def read(sent: Submission, *, now: datetime) -> list[Results]:
    """Return the results of each iteration, or the one that they are folded into.

    Raises InvalidBodyError, AdapterError, AmbiguousNameError and PaymentRequiredError.
    """
    _check_plan(sent.project, now=now)
    if sent.payload.end_time > now + MAX_AHEAD:
        raise InvalidBodyError(
            f"end_time lies more than five minutes ahead of this server's clock ({now:%FT%TZ});"
            " check the clock of the machine that ran the benchmarks."
        )
    settings = sent.payload.settings or JsonReportSettings()
    parsed = [
        ignoring.strip(_read(sent.payload, number, settings.average))
        for number in range(len(sent.payload.results))
    ]
    size.check(parsed)
    return parsed if settings.fold is None else [folding.fold(parsed, settings.fold)]


def _read(payload: JsonNewReport, number: int, average: Average | None) -> Results:
    try:
        return registry.parse(_adapter(payload), payload.results[number], average)
    except AdapterError as error:
        raise AdapterError(f"results[{number}]: {error}") from error


def replay(sent: Submission) -> Accepted | None:
    """Return the first report with the same idempotency key, None where this is the first.

    Raises IdempotencyConflictError.
    """
    key = sent.payload.idempotency_key
    if key is None or isinstance(sent.project, NewProject):
        return None
    first = Report.objects.filter(project=sent.project, idempotency_key=key).first()
    if first is None:
        return None
    if bytes(first.body_hash) != sent.body_hash:
        raise IdempotencyConflictError(
            "This idempotency key was used for another report; send a new key for a new report."
        )
    if first.deleted_at is not None:
        raise IdempotencyConflictError(
            "The report with this idempotency key was deleted; send a new key to report again."
        )
    return Accepted(report=first, new_series=0)


def wanted(payload: JsonNewReport, iterations: Sequence[Results]) -> dimensions.Wanted:
    """Return the names that a report gives."""
    return dimensions.Wanted(
        testbed=payload.testbed,
        benchmarks={name for results in iterations for name in results},
        measures={name for results in iterations for row in results.values() for name in row},
        describe=_measure,
    )


def _adapter(payload: JsonNewReport) -> Adapter:
    return (payload.settings and payload.settings.adapter) or Adapter.MAGIC


def _check_plan(project: Project | NewProject, *, now: datetime) -> None:
    if isinstance(project, NewProject) or project.visibility != Visibility.PRIVATE:
        return
    until = project.organization.private_until
    if until is not None and now >= until:
        raise PaymentRequiredError(
            f"Project {project.slug} is private, and its organization has no plan that covers"
            " private projects. Subscribe on the organization's billing page, or make the project"
            " public."
        )


def _store(sent: Submission, iterations: Sequence[Results], *, now: datetime) -> Accepted:
    payload = sent.payload
    with transaction.atomic(durable=True):
        project = _project(sent, now=now)
        at = fence.instant(project.organization_id, end_time=payload.end_time, now=now)
        if sent.claims and sent.user is not None:
            on_the_fly.claim(project, by=sent.user, now=now)
        names = dimensions.resolve(project.pk, wanted(payload, iterations), now=now)
        stored = Stored(
            names=names,
            testbed=names.testbeds[payload.testbed],
            table=list(
                columns.columns(
                    iterations, benchmarks=_ids(names.benchmarks), measures=_ids(names.measures)
                )
            ),
        )
        place = branches.place(
            project.pk, branch=payload.branch, commit=payload.hash, start=payload.start, now=now
        )
        benchmark_counts, measure_counts = columns.counts(stored.table)
        report = Report.objects.create(
            organization_id=project.organization_id,
            project=project,
            user=sent.user,
            head=place.head,
            version=place.version,
            testbed_id=stored.testbed.id,
            adapter=_adapter(payload).normalized.code,
            start_time=payload.start_time,
            end_time=payload.end_time,
            received_at=at.received_at,
            seen_at=at.seen_at,
            idempotency_key=payload.idempotency_key or "",
            body_hash=sent.body_hash,
            benchmark_counts=benchmark_counts,
            measure_counts=measure_counts,
        )
        columns.insert(report, stored.table)
        return Accepted(report=report, new_series=_record(report, stored), stored=stored)


def _project(sent: Submission, *, now: datetime) -> Project:
    if isinstance(sent.project, NewProject):
        return on_the_fly.make(sent.project, now=now)
    return sent.project


def _ids(entities: Mapping[str, dimensions.Entity]) -> dict[str, int]:
    return {name: entity.id for name, entity in entities.items()}


def _record(report: Report, stored: Stored) -> int:
    benchmark_ids, measure_ids = columns.series(stored.table)
    hint = partial(
        signals.activity_recorded.send_robust,
        sender=Report,
        organization_id=report.organization_id,
    )
    transaction.on_commit(hint, robust=True)
    return last_seen.record(
        organization_id=report.organization_id,
        project_id=report.project_id,
        testbed_id=stored.testbed.id,
        benchmark_ids=benchmark_ids,
        measure_ids=measure_ids,
        at=report.seen_at,
    )


def _measure(name: str) -> dimensions.NewMeasure:
    known = builtin_measures.find(name)
    if known is None:
        return dimensions.NewMeasure(name=name, units="Measure (units)")
    return dimensions.NewMeasure(name=known.name, units=known.units, slug=known.slug)


def _lost_a_race(error: Exception) -> bool:
    cause = error.__cause__
    # A foreign key is violated by whoever reports to what is being removed at that moment.
    if isinstance(cause, _LOST_RACES):
        return True
    # Two reports with one key at the same moment: the second now finds the first.
    return (
        isinstance(cause, errors.UniqueViolation)
        and cause.diag.constraint_name == "one_report_per_idempotency_key"
    )
