"""Page, API, command and meter event show one number, each with the instant of its count."""

import json
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

import pytest
from bs4 import BeautifulSoup
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import posting, sweep
from billing.models import MeterEvent, Plan
from series import projects
from series.models import Project, Visibility
from tests.billing.conftest import make_subscriber, report
from tests.factories import make_project, make_user_key

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Shown:
    """A number, and the instant at which it is said to have been counted."""

    series: int
    counted_at: datetime


def on_the_page(leader: User, organization: Organization) -> Shown:
    """Read the billing page as the leader sees it."""
    browser = Client()
    browser.force_login(leader)
    response = browser.get(f"/organizations/{organization.slug}/billing/")
    assert response.status_code == 200
    page = BeautifulSoup(response.content, "html.parser")
    panel = page.select_one("section[aria-labelledby=usage]")
    assert panel is not None
    (label,) = [term for term in panel.find_all("dt") if "ctive" in term.get_text()]
    figure = label.find_next("dd")
    counted = panel.find("time")
    assert figure is not None
    assert counted is not None
    return Shown(
        series=int(figure.get_text().strip().replace(",", "")),
        counted_at=datetime.fromisoformat(str(counted["datetime"])),
    )


def by_the_api(leader: User, organization: Organization) -> Shown:
    """Ask the API with a key of the leader's."""
    client = Client(headers={"authorization": f"Bearer {make_user_key(leader)}"})
    response = client.get(f"/v0/organizations/{organization.slug}/usage")
    assert response.status_code == 200
    answer = response.json()
    return Shown(answer["active_series"], datetime.fromisoformat(answer["counted_at"]))


def by_the_command(organization: Organization) -> Shown:
    """Run `manage.py usage --json`."""
    output = StringIO()
    call_command("usage", organization.slug, json=True, stdout=output)
    answer = json.loads(output.getvalue())
    return Shown(answer["active_series"], datetime.fromisoformat(answer["counted_at"]))


def in_the_meter_event(plan: Plan) -> Shown:
    """Post, and read what was stored for Stripe."""
    with transaction.atomic():
        (stored,) = posting.store(
            [plan.pk], reason=MeterEvent.Reason.MANUAL, even_if_unchanged=True
        )
    event = MeterEvent.objects.get(pk=stored.event_id)
    return Shown(event.value, event.counted_at)


class TestCurrent:
    @pytest.fixture
    def subscriber(self) -> tuple[Plan, Project]:
        """Return a plan whose organization has series of every kind: billed, free and gone."""
        plan, project = make_subscriber("acme")
        report(project, 1234)
        public, gone = (
            make_project(name, organization=plan.organization, visibility=visibility)
            for name, visibility in [("Open", Visibility.PUBLIC), ("Gone", Visibility.PRIVATE)]
        )
        report(public, 20)
        report(gone, 10)
        projects.delete(gone, now=clock.now(), by=None)
        return plan, project

    def everywhere(self, plan: Plan) -> list[Shown]:
        leader = User.objects.get(memberships__organization=plan.organization)
        organization = plan.organization
        return [
            on_the_page(leader, organization),
            by_the_api(leader, organization),
            by_the_command(organization),
            in_the_meter_event(plan),
        ]

    def test_is_one_number_everywhere(self, subscriber: tuple[Plan, Project]) -> None:
        plan, _ = subscriber
        before = clock.now()

        shown = self.everywhere(plan)

        assert {one.series for one in shown} == {1234}
        instants = [one.counted_at for one in shown]
        # The page writes whole seconds.
        assert before.replace(microsecond=0) <= instants[0] <= instants[1]
        assert before < instants[1] < instants[2] < instants[3] < clock.now()

    def test_moves_everywhere_at_once(self, subscriber: tuple[Plan, Project]) -> None:
        plan, project = subscriber
        self.everywhere(plan)

        report(project, 1250)

        assert {one.series for one in self.everywhere(plan)} == {1250}

    def test_is_what_the_sweep_posts(self, subscriber: tuple[Plan, Project]) -> None:
        plan, _ = subscriber
        leader = User.objects.get(memberships__organization=plan.organization)

        sweep.run(on=clock.now().date())

        event = MeterEvent.objects.get(reason="sweep")
        assert event.value == on_the_page(leader, plan.organization).series == 1234
