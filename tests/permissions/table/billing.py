"""What an organization uses and was billed: for its leaders."""

from billing.models import Plan, Statement
from series.models import Project
from tests.factories import NOV, make_plan
from tests.pages import accounts
from tests.permissions.rules import Row, Scope

_PATH = "/v0/organizations/{organization}"
_PLAN = f"{_PATH}/plan"

ROWS = [
    Row(method="get", path=_PATH + path, scope=Scope.ORGANIZATION, needs="manage")
    for path in (
        "/usage/growth",
        "/usage/series",
        "/usage/simulation",
        "/statements",
        "/statements/{statement}",
    )
] + [
    # The organization has no plan: whoever may ask is told so.
    Row(
        method=method,
        path=_PLAN,
        scope=Scope.ORGANIZATION,
        needs=needs,
        success=404,
        body=body,
        sessions=True,
        mints=method == "patch",
    )
    for method, needs, body in (
        ("get", "manage", None),
        ("post", "manage", {"checkout": "cs_unknown", "level": "pro"}),
        ("patch", "manage", {"cancel_at_period_end": True}),
        ("delete", "run_server", None),
    )
]
ROWS.append(
    Row(
        method="post",
        path=f"{_PATH}/runner-minutes",
        scope=Scope.ORGANIZATION,
        needs="manage",
        success=201,
        body={
            "runner": "iron",
            "minutes": 5,
            "start_time": "2026-11-01T00:00:00Z",
            "idempotency_key": "job-1",
        },
    )
)


def objects(project: Project) -> dict[str, str]:
    """Close a period of the project's organization, once."""
    organization = project.organization
    statement = Statement.objects.filter(organization=organization).first()
    if statement is None:
        plan = make_plan(organization)
        statement = accounts.make_october_statement(plan, series=0, amount_cents=10000)
        # Other rows are about organizations that have no plan.
        Plan.objects.filter(pk=plan.pk).update(ended_at=NOV)
    return {"statement": str(statement.uuid)}
