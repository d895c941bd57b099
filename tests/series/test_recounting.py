"""The recount: from the reports alone, and at the cost of their shapes."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from bencher import clock
from ingest import recount
from series import recounting
from series.counting import Basis
from series.models import Project, SeriesLastSeen
from tests.billing.conftest import make_subscriber, report

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def run(project: Project, *, analyze: bool = False) -> list[dict[str, Any]]:
    """Return the nodes of PostgreSQL's plan for the recount of the last day."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON{', ANALYZE' if analyze else ''}) {recount.WITH_REPORTS}",
            {"organization": project.organization_id, "start": now - DAY, "end": now},
        )
        found = cursor.fetchall()[0][0]
    (root,) = found if isinstance(found, list) else json.loads(found)
    return list(nodes(root["Plan"]))


def nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield root
    for below in root.get("Plans", []):
        yield from nodes(below)


class TestRecount:
    def test_reads_reports_and_never_the_ledger(self) -> None:
        _, project = make_subscriber("acme")
        report(project, 4, ago=HOUR)

        read = {node["Relation Name"] for node in run(project) if "Relation Name" in node}

        assert read == {"ingest_report", "ingest_metriccolumn"}

    @pytest.mark.parametrize("harm", ["lost", "raised", "lowered"])
    def test_is_the_same_whatever_became_of_the_ledger(self, harm: str) -> None:
        _, project = make_subscriber("acme")
        report(project, 4, ago=HOUR)
        now = clock.now()
        match harm:
            case "lost":
                SeriesLastSeen.objects.all().delete()
            case "raised":
                SeriesLastSeen.objects.update(last_seen=now + DAY)
            case "lowered":
                SeriesLastSeen.objects.update(last_seen=now - 9 * DAY)

        found = recounting.recount(
            project.organization_id, start=now - DAY, end=now, basis=Basis.PRIVATE
        )

        assert found.billed == 4

    def test_unnests_each_shape_once_however_often_it_was_reported(self) -> None:
        _, project = make_subscriber("acme")
        for _ in range(5):
            report(project, 20, ago=HOUR)
        report(project, 7, ago=HOUR)

        unnested = [
            node["Actual Rows"] * node["Actual Loops"]
            for node in run(project, analyze=True)
            if node.get("Function Name") == "unnest"
        ]

        assert unnested == [27]
