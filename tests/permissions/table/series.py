"""Projects, their keys, and their testbeds, benchmarks and measures."""

from series import projects
from series.models import Benchmark, Measure, Project, ProjectKey, Testbed
from tests.factories import NOV
from tests.permissions.rules import Row, Scope

ORGANIZATION = "/v0/organizations/{organization}/projects"
PROJECT = "/v0/projects/{project}"
KEYS = f"{PROJECT}/keys"
KEY = f"{KEYS}/{{project_key}}"


def objects(project: Project) -> dict[str, str]:
    """Make an unused entity of each kind, and a key."""
    common = {"project": project, "slug": "unused", "created_at": NOV, "modified_at": NOV}
    testbed = Testbed.objects.create(name="unused", **common)
    benchmark = Benchmark.objects.create(name="unused", **common)
    measure = Measure.objects.create(name="unused", units="s", **common)
    projects.add_key(project, name="object", now=NOV)
    return {
        "project": str(project.uuid),
        "testbed": str(testbed.uuid),
        "benchmark": str(benchmark.uuid),
        "measure": str(measure.uuid),
        "project_key": str(ProjectKey.objects.get(project=project, name="object").uuid),
    }


def _dimension(kind: str, body: dict[str, str]) -> list[Row]:
    list_path = f"{PROJECT}/{kind}s"
    one = f"{list_path}/{{{kind}}}"
    return [
        Row(method="get", path=list_path, scope=Scope.PROJECT),
        Row(
            method="post",
            path=list_path,
            scope=Scope.PROJECT,
            needs="create",
            success=201,
            body=body,
        ),
        Row(method="get", path=one, scope=Scope.PROJECT, object=kind),
        Row(
            method="patch",
            path=one,
            scope=Scope.PROJECT,
            needs="edit",
            object=kind,
            body={"name": "other"},
        ),
        Row(
            method="delete",
            path=one,
            scope=Scope.PROJECT,
            needs="delete",
            object=kind,
            success=204,
        ),
    ]


ROWS = [
    Row(method="get", path=ORGANIZATION, scope=Scope.ORGANIZATION),
    Row(
        method="post",
        path=ORGANIZATION,
        scope=Scope.ORGANIZATION,
        needs="create",
        success=201,
        body={"name": "New"},
    ),
    Row(method="get", path="/v0/projects", scope=Scope.EVERYBODY),
    Row(method="get", path=PROJECT, scope=Scope.PROJECT),
    Row(method="patch", path=PROJECT, scope=Scope.PROJECT, needs="edit", body={"name": "Other"}),
    Row(method="delete", path=PROJECT, scope=Scope.PROJECT, needs="delete", success=204),
    Row(method="get", path=f"{PROJECT}/allowed/{{permission}}", scope=Scope.PROJECT),
    Row(method="get", path=KEYS, scope=Scope.PROJECT, needs="manage", sessions=True),
    Row(
        method="post",
        path=KEYS,
        scope=Scope.PROJECT,
        needs="manage",
        sessions=True,
        mints=True,
        success=201,
        body={"name": "new"},
    ),
    *(
        Row(
            method=method,
            path=KEY,
            scope=Scope.PROJECT,
            needs="manage",
            object="project_key",
            sessions=True,
            success=204 if method == "delete" else 200,
            body={"name": "renamed"} if method == "patch" else None,
        )
        for method in ("get", "patch", "delete")
    ),
    *_dimension("testbed", {"name": "new"}),
    *_dimension("benchmark", {"name": "new"}),
    *_dimension("measure", {"name": "new", "units": "s"}),
]
