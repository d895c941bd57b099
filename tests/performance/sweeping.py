"""The nightly sweep over many organizations: in sets, against one organization at a time."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import count

import msgspec
from django.db import transaction

from bencher import clock
from billing import posting, sweep
from billing.models import BillingPeriod, MeterEvent, Plan
from tests.factories import TIERS
from tests.performance.measuring import Comparison, Progress, Way, compare
from tests.performance.sizes import Sizes
from tests.performance.world import drop_foreign_keys, run, settle

SERIES = 50

TENANTS = """
INSERT INTO tenancy_organization (uuid, name, slug, created_at, modified_at)
SELECT gen_random_uuid(), 'Bulk ' || n, 'bulk-' || n, %(now)s, %(now)s
FROM generate_series(1, %(plans)s) n
"""
PROJECTS = """
INSERT INTO series_project
    (uuid, organization_id, name, slug, visibility, url, created_at, modified_at)
SELECT gen_random_uuid(), id, 'Engine', 'engine-' || id, 'private', '', %(now)s, %(now)s
FROM tenancy_organization WHERE slug LIKE 'bulk-%%'
"""
CUSTOMERS = """
INSERT INTO billing_billingcustomer (organization_id, stripe_customer_id, created_at)
SELECT id, 'cus_' || id, %(now)s FROM tenancy_organization WHERE slug LIKE 'bulk-%%'
"""
PLANS = """
INSERT INTO billing_plan
    (organization_id, level, status, stripe_subscription_id, stripe_item_id, stripe_price_id,
     cancel_at_period_end, started_at, synced_at, status_since, held_why)
SELECT id, 'pro', 'active', 'sub_' || id, 'si_' || id, 'price_pro', false, %(now)s, %(now)s,
       %(now)s, ''
FROM tenancy_organization WHERE slug LIKE 'bulk-%%'
"""
# Each organization's period began at another time, as they subscribed.
PERIODS = """
INSERT INTO billing_billingperiod
    (organization_id, plan_id, stripe_subscription_id, stripe_price_id, tiers, starts_at, ends_at,
     kind, basis, state)
SELECT organization_id, id, stripe_subscription_id, stripe_price_id, %(tiers)s::jsonb, began.at,
       began.at + interval '30 days', 'paid', 'private', 'open'
FROM billing_plan
CROSS JOIN LATERAL (SELECT %(now)s::timestamptz - (5 + id %% 20) * interval '1 day' AS at) began
WHERE stripe_subscription_id LIKE 'sub_%%'
"""
LEDGER = """
INSERT INTO series_last_seen
    (organization_id, testbed_id, benchmark_id, measure_id, project_id, last_seen)
SELECT organization_id, 1, n, 1, id, %(now)s::timestamptz - n * interval '12 hours'
FROM series_project CROSS JOIN generate_series(1, %(series)s) n
WHERE slug LIKE 'engine-%%'
ORDER BY n, organization_id
"""


def benchmark(sizes: Sizes, progress: Progress) -> Iterator[Comparison]:
    """Compare counting and storing in sets with one plan at a time."""
    drop_foreign_keys("series_last_seen")
    for statement in (TENANTS, PROJECTS, CUSTOMERS, PLANS):
        run(statement, **({"plans": sizes.plans} if statement is TENANTS else {}), now=clock.now())
    run(PERIODS, now=clock.now(), tiers=msgspec.json.encode(TIERS).decode())
    run(LEDGER, now=clock.now(), series=SERIES)
    settle(
        *("series_last_seen", "tenancy_organization", "series_project"),
        *("billing_plan", "billing_billingperiod", "billing_billingcustomer"),
    )
    assert BillingPeriod.objects.count() == sizes.plans
    days = (clock.now().date() + timedelta(days=n) for n in count())
    plan_ids = Plan.objects.order_by("id").values_list("id", flat=True)
    yield _chunk(list(plan_ids[: sizes.chunk]), days, sizes, progress)
    yield compare(
        f"sweep of {sizes.plans:,} plans of {SERIES} series",
        [
            Way("counting, 1,000 plans in a statement", lambda _: list(sweep.preview())),
            Way("counting and storing", _sweep, prepare=lambda: next(days)),
        ],
        rounds=sizes.sweep_rounds,
        progress=progress,
        amount=sizes.plans,
        unit="plans",
    )


def _chunk(
    plan_ids: Sequence[int], days: Iterator[date], sizes: Sizes, progress: Progress
) -> Comparison:
    one_by_one = [row for id in plan_ids for row in posting.preview([id])]
    assert posting.preview(plan_ids) == one_by_one, "the ways of counting differ"
    return compare(
        f"sweep, {len(plan_ids):,} plans of {SERIES} series among {sizes.plans:,}",
        [
            Way("counting in one statement", lambda _: posting.preview(plan_ids)),
            Way("counting one by one", lambda _: [posting.preview([id]) for id in plan_ids]),
            Way("storing in one go", partial(_store, plan_ids), prepare=lambda: next(days)),
            Way("storing one by one", partial(_store_each, plan_ids), prepare=lambda: next(days)),
        ],
        rounds=sizes.sweep_rounds,
        progress=progress,
        amount=len(plan_ids),
        unit="plans",
    )


def _sweep(day: date) -> None:
    swept = sweep.run(on=day)
    assert (swept.events, swept.failed) == (swept.plans, 0), swept


def _store(plan_ids: Sequence[int], day: date) -> None:
    with transaction.atomic(durable=True):
        stored = posting.store(
            plan_ids, reason=MeterEvent.Reason.SWEEP, sweep_date=day, even_if_unchanged=True
        )
    assert len(stored) == len(plan_ids)


def _store_each(plan_ids: Sequence[int], day: date) -> None:
    for plan_id in plan_ids:
        _store([plan_id], day)
