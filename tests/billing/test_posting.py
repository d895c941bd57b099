"""Counting plans and storing what is to be posted."""

from collections.abc import Sequence
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from pytest_django import DjangoAssertNumQueries

from bencher import clock
from billing import posting, sweep
from billing.models import BillingPeriod, Level, MeterEvent, Plan, ScheduledRun, Status
from series import projects
from series.models import SeriesLastSeen, Visibility
from tests.billing.conftest import MONTH, make_subscriber, report
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def post(plan: Plan, **changes: Any) -> list[posting.Posted]:
    wanted: dict[str, Any] = {
        "reason": MeterEvent.Reason.HINT,
        "even_if_unchanged": False,
    } | changes
    with transaction.atomic():
        return posting.store([plan.pk], **wanted)


class TestStore:
    def test_stores_the_count_stamped_within_the_period(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 7)
        before = clock.now()

        (stored,) = post(plan)

        event = MeterEvent.objects.get(pk=stored.event_id)
        assert (event.value, event.meter, event.reason) == (7, "active_series", "hint")
        assert event.timestamp == event.counted_at.replace(microsecond=0)
        assert before <= event.counted_at <= clock.now()
        assert len(event.identifier) <= 100

    def test_stores_nothing_where_nothing_changed(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 7)
        post(plan)

        assert post(plan) == []
        report(project, 8)
        assert [stored.value for stored in post(plan)] == [8]

    def test_timestamps_strictly_increase_within_one_second(self) -> None:
        plan, project = make_subscriber("acme")
        for benchmarks in (1, 2, 3, 4):
            report(project, benchmarks)
            post(plan)

        events = list(MeterEvent.objects.order_by("id"))
        stamps = [event.timestamp for event in events]
        assert [event.value for event in events] == [1, 2, 3, 4]
        assert stamps == sorted(set(stamps))

    def test_a_newer_value_supersedes_what_nobody_began_to_send(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 1)
        post(plan)
        report(project, 2)
        post(plan)

        first, second = MeterEvent.objects.order_by("id")
        assert first.superseded_at is not None
        assert second.superseded_at is None

    def test_what_is_being_sent_is_not_superseded(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 1)
        post(plan)
        MeterEvent.objects.update(claimed_at=clock.now())
        report(project, 2)
        post(plan)

        assert MeterEvent.objects.filter(superseded_at=None).count() == 2

    def test_counts_from_the_first_instant_of_the_period_on(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3)
        seen_at = SeriesLastSeen.objects.values_list("last_seen", flat=True)[0]

        BillingPeriod.objects.update(starts_at=seen_at)
        assert [stored.value for stored in post(plan)] == [3]
        BillingPeriod.objects.update(starts_at=seen_at + timedelta(microseconds=1))
        assert [stored.value for stored in post(plan)] == [0]

    def test_a_deleted_project_is_not_counted(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 3)
        projects.delete(project, now=clock.now(), by=None)

        assert [stored.value for stored in post(plan)] == [0]

    def test_the_first_minute_is_left_to_the_period_before(self) -> None:
        plan, _ = make_subscriber("acme")
        start = clock.now() - timedelta(seconds=1)
        BillingPeriod.objects.update(starts_at=start)

        (stored,) = post(plan)

        minute = start.replace(second=0, microsecond=0)
        assert stored.timestamp == minute + timedelta(minutes=1)

    @pytest.mark.parametrize("left", [timedelta(0), timedelta(seconds=30)])
    def test_the_last_minutes_are_left_to_the_close(self, left: timedelta) -> None:
        plan, _ = make_subscriber("acme")
        BillingPeriod.objects.update(ends_at=clock.now() + left)

        assert post(plan) == []

    def test_an_ended_period_is_never_counted_from_the_ledger(self) -> None:
        plan, _ = make_subscriber("acme")
        now = clock.now()
        BillingPeriod.objects.update(starts_at=now - MONTH, ends_at=now - timedelta(minutes=5))

        assert post(plan) == []

    @pytest.mark.parametrize("status", Status)
    def test_only_metered_statuses_are_posted(self, status: Status) -> None:
        plan, _ = make_subscriber("acme")
        Plan.objects.update(status=status)

        metered = {Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.UNPAID}
        assert len(post(plan)) == (1 if status in metered else 0)

    def test_older_plans_post_no_series(self) -> None:
        plan, _ = make_subscriber("acme")
        Plan.objects.update(level=Level.TEAM)

        assert post(plan) == []

    def test_nothing_is_posted_until_configured(self, settings: Any) -> None:
        settings.ACTIVE_SERIES_PRODUCT = ""
        plan, project = make_subscriber("acme")
        report(project, 3)

        assert post(plan) == []
        assert posting.preview([plan.pk]) == [], "nothing would be stored either"

    def test_only_private_projects_of_this_organization_are_billed(self) -> None:
        plan, project = make_subscriber("acme")
        public = make_project(
            "Open", organization=project.organization, visibility=Visibility.PUBLIC
        )
        _, foreign = make_subscriber("globex")
        for place in (project, public, foreign):
            report(place, 5)

        assert [stored.value for stored in post(plan)] == [5]
        BillingPeriod.objects.update(basis="all")
        assert [stored.value for stored in post(plan)] == [10]


class TestSweep:
    def test_posts_every_plan_once_a_day_whether_or_not_it_changed(self) -> None:
        _, project = make_subscriber("acme")
        make_subscriber("globex")
        report(project, 3)
        today = clock.now().date()

        assert sweep.run(on=today) == sweep.Swept(plans=2, events=2, failed=0)
        assert sweep.run(on=today) == sweep.Swept(plans=2, events=0, failed=0)
        assert sweep.run(on=today + timedelta(days=1)).events == 2
        assert sorted(MeterEvent.objects.values_list("value", flat=True)) == [0, 0, 3, 3]

    def test_statements_do_not_grow_with_the_plans(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        today = clock.now().date()
        for round_, names in enumerate((["one"], ["two", "three", "four"])):
            for name in names:
                make_subscriber(name)
            with django_assert_num_queries(8):
                sweep.run(on=today + timedelta(days=round_))

    def test_works_through_all_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep, "CHUNK", 2)
        for name in ("one", "two", "three", "four", "five"):
            make_subscriber(name)
        seen: list[tuple[int, int]] = []

        swept = sweep.run(on=clock.now().date(), progress=lambda *step: seen.append(step))

        assert swept.events == 5
        assert seen == [(2, 5), (4, 5), (5, 5)]

    def test_one_bad_organization_does_not_stop_the_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plans = [make_subscriber(name)[0] for name in ("one", "two", "three")]
        store = posting.store

        def failing(plan_ids: Sequence[int], **rest: Any) -> list[posting.Posted]:
            if plans[1].pk in plan_ids:
                raise DatabaseError("this organization can't be counted")
            return store(plan_ids, **rest)

        monkeypatch.setattr(posting, "store", failing)

        assert sweep.run(on=clock.now().date()) == sweep.Swept(plans=3, events=2, failed=1)
        posted = MeterEvent.objects.values_list("organization_id", flat=True)
        assert set(posted) == {plans[0].organization_id, plans[2].organization_id}

    @pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
    def test_by_hand_is_the_nights_run_unless_it_only_shows(self, arguments: list[str]) -> None:
        make_subscriber("acme")

        call_command("sweep", *arguments, stdout=StringIO())

        results = list(ScheduledRun.objects.filter(name="sweep").values_list("result", flat=True))
        assert results == ([] if arguments else [{"plans": 1, "events": 1, "failed": 0}])


class TestPreClose:
    def test_posts_once_more_within_five_minutes_of_the_end(self) -> None:
        plan, project = make_subscriber("acme")
        report(project, 4)
        now = clock.now()
        BillingPeriod.objects.update(ends_at=now + timedelta(minutes=4))

        assert sweep.pre_close(now=now) == 1
        assert sweep.pre_close(now=now) == 0
        assert plan.periods.get().meter_events.get().value == 4

    def test_leaves_periods_with_more_time_alone(self) -> None:
        make_subscriber("acme")

        assert sweep.pre_close(now=clock.now()) == 0
