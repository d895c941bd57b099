"""A report, ready to show: where it came from, when it counts, and what it measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from ingest.adapters.registry import Adapter
from ingest.models import Report
from ingest.report_metrics import Metric


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One measured value with its bounds, where the report had any."""

    benchmark: str
    measure: str
    iteration: str
    value: str
    lower: str
    upper: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Everything that the page of a report shows; empty texts are not known."""

    organization: str
    slug: str
    uuid: str
    project: str
    project_deleted: bool
    branch: str
    version: str
    hash: str
    testbed: str
    adapter: str
    posted_by: str
    starts: Written
    ends: Written
    received: Written
    counts: Written
    why_counts: str
    deleted: Written | None
    size: str
    metrics: tuple[MetricRow, ...]
    has_iterations: bool
    has_bounds: bool
    # Of one benchmark only: its name and the way to all of them.
    only: str
    everything: str
    total: str
    previous: str
    following: str
    series: str


def report_page(
    organization: Organization,
    report: Report,
    *,
    metrics: Sequence[Metric],
    total: int,
    benchmark: UUID | None,
    number: int,
    size: int,
    leads: bool,
) -> ReportPage:
    """Return what the page shows, of the given page of metrics."""
    here = reverse("report", args=[organization.slug, report.project.uuid, report.uuid])
    only = f"benchmark={benchmark}&" if benchmark else ""
    return ReportPage(
        organization=organization.name,
        slug=organization.slug,
        uuid=str(report.uuid),
        project=report.project.name,
        project_deleted=report.project.deleted_at is not None,
        branch=report.head.branch.name,
        version=f"{report.version.number:,}",
        hash=report.version.hash,
        testbed=report.testbed.name,
        adapter=Adapter.from_code(report.adapter).value,
        posted_by=report.user.name if report.user else "A project key",
        starts=dates.moment(report.start_time),
        ends=dates.moment(report.end_time),
        received=dates.moment(report.received_at),
        counts=dates.moment(report.seen_at),
        why_counts=_why_counts(report),
        deleted=dates.moment(report.deleted_at) if report.deleted_at else None,
        size=_size(report),
        metrics=tuple(_metric(metric) for metric in metrics),
        has_iterations=len(report.benchmark_counts) > 1,
        has_bounds=any(
            bound is not None
            for metric in metrics
            for bound in (metric.lower_value, metric.upper_value)
        ),
        only=metrics[0].benchmark if benchmark and metrics else "",
        everything=here if benchmark else "",
        total=_total(total, number=number, size=size),
        previous=f"{here}?{only}page={number - 1}" if number > 1 else "",
        following=f"{here}?{only}page={number + 1}" if number * size < total else "",
        series=_series(organization, report, benchmark) if leads else "",
    )


def _why_counts(report: Report) -> str:
    if report.seen_at == report.end_time:
        return "Its end, as sent."
    if report.end_time > report.received_at:
        return "Its end was in the future when it was received, so the receipt counts."
    return "Its end lies in a period that was closed already, so it counts from that close on."


def _size(report: Report) -> str:
    counted = [
        f"{benchmarks:,} × {measures:,}"
        for benchmarks, measures in zip(report.benchmark_counts, report.measure_counts, strict=True)
    ]
    return "; ".join(counted) or "nothing"


def _metric(metric: Metric) -> MetricRow:
    return MetricRow(
        benchmark=metric.benchmark,
        measure=f"{metric.measure}, {metric.units}" if metric.units else metric.measure,
        iteration=str(metric.iteration + 1),
        value=_number(metric.value) or "Deleted",
        lower=_number(metric.lower_value),
        upper=_number(metric.upper_value),
    )


def _number(value: float | None) -> str:
    """Write a measured value with nothing that matters rounded away: 1,234.5 or 1.2e-09."""
    if value is None:
        return ""
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.10g}"
    whole, _, fraction = f"{value:,.6f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _total(total: int, *, number: int, size: int) -> str:
    if total == 1:
        return "1 metric"
    pages = math.ceil(total / size)
    return f"{total:,} metrics" + (f", page {number:,} of {pages:,}" if pages > 1 else "")


def _series(organization: Organization, report: Report, benchmark: UUID | None) -> str:
    """Return the address of the list of series that this report may have made billable."""
    address = reverse("billing-series", args=[organization.slug])
    return f"{address}?project={report.project.uuid}&testbed={report.testbed.uuid}"
