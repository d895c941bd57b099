"""Reports and branches."""

from datetime import UTC, datetime

from ingest.models import Branch, Head, Report, Version
from series.models import Project, Testbed
from tests.factories import NOV, bmf, report_body
from tests.permissions.rules import Row, Scope

PROJECT = "/v0/projects/{project}"
REPORTS = f"{PROJECT}/reports"
BRANCHES = f"{PROJECT}/branches"


def objects(project: Project) -> dict[str, str]:
    """Make a report, and a branch that has none."""
    report = Report.objects.create(
        organization_id=project.organization_id,
        project=project,
        head=_head(project, "reported"),
        version=Version.objects.create(project=project, number=0, hash=""),
        testbed=Testbed.objects.create(
            project=project, name="reported", slug="reported", created_at=NOV, modified_at=NOV
        ),
        adapter=0,
        start_time=NOV,
        end_time=NOV,
        received_at=NOV,
        seen_at=NOV,
        body_hash=bytes(32),
        benchmark_counts=[],
        measure_counts=[],
    )
    unused = _head(project, "unused")
    return {"report": str(report.uuid), "branch": str(unused.branch.uuid)}


def _head(project: Project, name: str) -> Head:
    branch = Branch.objects.create(
        project=project, name=name, slug=name, created_at=NOV, modified_at=NOV
    )
    return Head.objects.create(branch=branch, created_at=NOV)


ROWS = [
    Row(method="get", path=REPORTS, scope=Scope.PROJECT),
    Row(
        method="post",
        path=REPORTS,
        scope=Scope.PROJECT,
        needs="create",
        success=201,
        body=report_body(bmf(1), end_time=datetime(2020, 1, 1, tzinfo=UTC)),
    ),
    Row(method="get", path=f"{REPORTS}/{{report}}", scope=Scope.PROJECT, object="report"),
    Row(
        method="delete",
        path=f"{REPORTS}/{{report}}",
        scope=Scope.PROJECT,
        needs="delete",
        object="report",
        success=204,
    ),
    Row(method="get", path=BRANCHES, scope=Scope.PROJECT),
    Row(
        method="post",
        path=BRANCHES,
        scope=Scope.PROJECT,
        needs="create",
        success=201,
        body={"name": "new"},
    ),
    Row(method="get", path=f"{BRANCHES}/{{branch}}", scope=Scope.PROJECT, object="branch"),
    Row(
        method="patch",
        path=f"{BRANCHES}/{{branch}}",
        scope=Scope.PROJECT,
        needs="edit",
        object="branch",
        body={"name": "other"},
    ),
    Row(
        method="delete",
        path=f"{BRANCHES}/{{branch}}",
        scope=Scope.PROJECT,
        needs="delete",
        object="branch",
        success=204,
    ),
]
