"""The usage page of a large organization, and the night that counts its days."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from bencher import clock
from billing import close, days, usage_page
from billing.models import BillingPeriod
from billing.usage_page import By, Period
from ingest import backfill
from series import counting, recounting
from series.counting import Basis
from series.models import Project
from tests.factories import make_period, make_plan
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.world import make_names, make_private_project, make_reports, run, settle

DAY = timedelta(days=1)


def benchmark(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare the page with the count alone, and the night with the recount alone."""
    project = make_private_project("Acme")
    organization = project.organization
    make_names(project, testbeds=10, benchmarks=sizes.explained // 100, measures=10)
    plan = make_plan(organization)
    now = clock.now()
    split = now - 15 * DAY
    before = make_period(plan, starts_at=split - 30 * DAY, ends_at=split)
    period = make_period(plan, starts_at=split, ends_at=split + 30 * DAY)
    make_reports(project, 29, start=before.starts_at, every=DAY)
    make_reports(project, 14, start=split, every=DAY)
    backfill.fill()
    close.close(before.pk, now=now)
    # A tenth has not come back, so that there is something to miss.
    run(
        "UPDATE series_last_seen SET last_seen = %(at)s WHERE testbed_id = "
        "(SELECT min(id) FROM series_testbed WHERE name LIKE 'n%%')",
        at=split - DAY,
    )
    # Reports made in bulk say that they were received when they were seen; so does the first.
    run("UPDATE ingest_report SET received_at = least(received_at, %(at)s)", at=now - DAY)
    days.count([period.pk])
    settle("ingest_report", "ingest_metriccolumn", "series_last_seen", "billing_statementline")

    def page(by: By) -> None:
        found = usage_page.running(organization, by=by, now=now)
        assert found.usage.count.billed == sizes.explained * 9 // 10
        assert found.change is not None
        assert found.change.turnover.unseen == sizes.explained // 10

    yield compare(
        f"usage page of {sizes.explained:,} series, beside as many of the period before",
        [
            Way("the count alone", lambda _: _count(period)),
            Way("what the page reads, by project", lambda _: page(By.PROJECT)),
            Way("by testbed", lambda _: page(By.TESTBED)),
            Way(
                "the last period, by measure",
                lambda _: usage_page.ended(organization, Period.LAST, by=By.MEASURE, now=now),
            ),
        ],
        rounds=sizes.pages,
        progress=progress,
    )
    yield compare(
        f"days of a running period of {sizes.explained:,} series, 140 reports,"
        f" {14 * sizes.explained:,} metrics",
        [
            Way("recount alone", partial(_recount, project, period)),
            Way("counting the days", lambda _: days.count([period.pk]), prepare=_forget),
            Way("the same, where no report came since", lambda _: days.count([period.pk])),
        ],
        rounds=3,
        progress=progress,
    )


def _count(period: BillingPeriod) -> None:
    counting.count_active(
        period.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis.PRIVATE,
    )


def _recount(project: Project, period: BillingPeriod, _: object) -> None:
    recounting.recount(
        project.organization_id,
        start=period.starts_at,
        end=period.ends_at,
        basis=Basis.PRIVATE,
    )


def _forget() -> None:
    run("DELETE FROM billing_firstreports")
