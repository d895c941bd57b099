"""Runs: which project they report to, and what the context says where the body does not."""

from typing import Any

import pytest

from bencher import clock
from bencher.tenancy import keys
from bencher.tenancy.models import Membership, Organization, Role, User
from ingest.models import Report
from series.models import Project, ProjectChange, Visibility
from tests.factories import (
    NOV,
    bmf,
    make_member,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
    report_body,
)
from tests.ingest.conftest import Caller

pytestmark = pytest.mark.django_db

CONTEXT = {
    "bencher.dev/v0/repo/name": "My Engine",
    "bencher.dev/v0/repo/hash": "0123456789abcdef0123456789abcdef01234567",
    "bencher.dev/v0/branch/ref": "refs/heads/feature/x",
    "bencher.dev/v0/branch/ref/name": "feature/x",
    "bencher.dev/v0/branch/hash": "b" * 40,
    "bencher.dev/v0/testbed/os": "Linux",
    "bencher.dev/v0/testbed/fingerprint": "3bnrg5e17bpa0extra",
}
UUID_OF_NOTHING = "5aba59e1-9202-4819-b2a2-7b656e160122"
CONTEXT_SLUG = "my-engine-0123456-3bnrg5e17bpa0"


def run(**fields: Any) -> dict[str, Any]:
    """Return a run of one benchmark that says nothing else than `fields`."""
    body = report_body(bmf(1), end_time=clock.now())
    return {name: body[name] for name in ("start_time", "end_time", "results")} | fields


class TestDefaults:
    def test_three_fields_and_a_key_are_enough(self, ci: Caller) -> None:
        response = ci.post("run", run())

        assert response.status_code == 201, response.content
        report = response.json()
        assert report["project"]["slug"] == "engine"
        assert report["branch"]["name"] == "main"
        assert report["branch"]["head"]["version"] == {"number": 0, "hash": None}
        assert report["testbed"]["name"] == "localhost"
        assert report["adapter"] == "magic"
        assert report["user"] is None
        assert response["Location"] == f"/v0/projects/engine/reports/{report['uuid']}"
        assert response["X-New-Series"] == "1"

    def test_the_context_says_what_the_body_does_not(self, ci: Caller) -> None:
        report = ci.post("run", run(context=CONTEXT)).json()

        assert report["branch"]["name"] == "feature/x"
        assert report["branch"]["head"]["version"]["hash"] == "b" * 40
        assert report["testbed"]["name"] == "Linux"

    def test_the_body_overrules_the_context(self, ci: Caller) -> None:
        report = ci.post(
            "run", run(context=CONTEXT, branch="main", hash="c" * 40, testbed="ci")
        ).json()

        assert report["branch"]["name"] == "main"
        assert report["branch"]["head"]["version"]["hash"] == "c" * 40
        assert report["testbed"]["name"] == "ci"

    def test_nulls_mean_nothing(self, ci: Caller) -> None:
        optional = "project idempotency_key branch hash start_point testbed job spec_reset"
        nothing = dict.fromkeys([*optional.split(), "thresholds", "settings", "context"])

        assert ci.post("run", run(**nothing)).status_code == 201
        settings = {"adapter": None, "average": None, "fold": None}
        assert ci.post("run", run(settings=settings, spec_reset=True)).status_code == 201

    def test_a_context_without_a_commit_is_no_fault(self, ci: Caller) -> None:
        context = CONTEXT | {"bencher.dev/v0/branch/hash": "not a commit"}

        assert ci.post("run", run(context=context)).status_code == 201

    def test_a_bare_metal_job_is_refused(self, ci: Caller) -> None:
        response = ci.post("run", run(job={"image": "alpine:3.18"}))

        assert response.status_code == 400
        assert "bare metal" in response.json()["message"]
        assert Report.objects.count() == 0

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"idempotency_key": "run-1"}, "idempotency_key"),
            ({"project": "No Slug!"}, "project"),
            ({"results": None}, "results"),
            ({"branch": "a b"}, "branch"),
            ({"testbed": "x" * 65}, "testbed"),
            ({"context": {"a": 1}}, "context"),
        ],
    )
    def test_names_the_field_that_it_can_not_read(
        self, alice: Caller, fields: dict[str, Any], named: str
    ) -> None:
        response = alice.post("run", run(**({"project": "engine"} | fields)))

        assert response.status_code == 400
        assert named in response.json()["message"]


class TestWithAKey:
    def test_a_user_reports_to_a_project_by_slug_and_uuid(
        self, alice: Caller, project: Project
    ) -> None:
        for identifier in (project.slug, str(project.uuid)):
            report = alice.post("run", run(project=identifier)).json()
            assert report["project"]["uuid"] == str(project.uuid)
            assert report["user"]["name"] == "Alice"

    def test_a_project_key_reports_to_its_own_project_only(
        self, ci: Caller, project: Project
    ) -> None:
        make_project("Other", organization=project.organization, visibility=Visibility.PUBLIC)

        for identifier in (project.slug, str(project.uuid)):
            assert ci.post("run", run(project=identifier)).status_code == 201
        for identifier in ("other", "nothing"):
            refused = ci.post("run", run(project=identifier))
            assert refused.status_code == 401
            assert "project engine" in refused.json()["message"]
        Project.objects.filter(pk=project.pk).update(deleted_at=NOV)
        assert ci.post("run", run()).status_code == 401

    def test_strangers_and_members_do_not_report(self, project: Project) -> None:
        charlie, bob = make_user("charlie"), make_user("bob")
        make_organization("Globex", leader=charlie)
        make_member(bob, project.organization)

        assert self.status(charlie, project) == 404
        assert self.status(bob, project) == 403
        Project.objects.update(visibility=Visibility.PUBLIC)
        assert self.status(charlie, project) == 403
        assert self.status(None, project) == 401

    def status(self, user: User | None, project: Project) -> int:
        caller = Caller(make_user_key(user) if user else None)
        status: int = caller.post("run", run(project=project.slug)).status_code
        return status


class TestNewProjects:
    def test_are_made_public_in_the_organization_that_the_user_leads(
        self, alice: Caller, project: Project
    ) -> None:
        response = alice.post("run", run(project="rocket"))

        assert response.status_code == 201, response.content
        made = Project.objects.get(slug="rocket")
        assert made.organization == project.organization
        assert (made.name, made.visibility) == ("rocket", Visibility.PUBLIC)
        assert made.changes.get().kind == ProjectChange.Kind.CREATED
        assert response.json()["project"]["claimed"] is not None
        assert alice.post("run", run(project="rocket")).json()["project"]["slug"] == "rocket"

    def test_are_named_by_the_repository(self, alice: Caller) -> None:
        assert alice.post("run", run(project="rocket", context=CONTEXT)).status_code == 201
        assert alice.post("run", run(context=CONTEXT)).status_code == 201
        assert alice.post("run", run(context=CONTEXT)).status_code == 201

        names = dict(Project.objects.values_list("slug", "name"))
        assert names == {
            "engine": "Engine",
            "rocket": "My Engine",
            # The name is taken by then.
            CONTEXT_SLUG: CONTEXT_SLUG,
        }

    def test_are_not_left_behind_by_a_report_that_is_refused(self, alice: Caller) -> None:
        refused = alice.post("run", run(project="rocket", results=["not a benchmark"]))
        ambiguous = '{"a_b": {"l": {"value": 1}}, "a-b": {"l": {"value": 1}}, "A B": {}}'
        alice.post("run", run(project="rocket", results=[ambiguous], branch=UUID_OF_NOTHING))

        assert refused.status_code == 400
        assert Project.objects.count() == 1

    def test_need_a_single_organization_to_be_made_in(self, alice: Caller) -> None:
        user = User.objects.get()
        make_organization("Another", leader=user)
        several = alice.post("run", run(project="rocket"))
        Membership.objects.update(role=Role.MEMBER)
        none = alice.post("run", run(project="rocket"))

        assert (several.status_code, none.status_code) == (404, 404)
        assert "several" in several.json()["message"]
        assert "no organization" in none.json()["message"]
        assert Project.objects.count() == 1

    def test_are_not_made_for_a_uuid_or_for_nothing(self, alice: Caller) -> None:
        assert alice.post("run", run(project=UUID_OF_NOTHING)).status_code == 404
        nothing: list[Any] = [None, {}]
        for context in nothing:
            response = alice.post("run", run(context=context))
            assert response.status_code == 400
            assert "project" in response.json()["message"]

    def test_nobody_makes_them_without_a_key(self, project: Project) -> None:
        anonymous = Caller(None)

        for fields in ({"project": "rocket"}, {"project": "engine"}, {"context": CONTEXT}):
            response = anonymous.post("run", run(**fields))
            assert response.status_code == 401
            assert "--key" in response.json()["message"]
        assert Project.objects.count() == 1


class TestUnclaimed:
    @pytest.fixture(autouse=True)
    def _allowed(self, settings: Any, db: None) -> None:
        settings.ALLOW_UNCLAIMED_PROJECTS = True

    def test_anybody_makes_a_project_of_nobody(self) -> None:
        response = Caller(None).post("run", run(project="rocket"))
        again = Caller(None).post("run", run(project="rocket"))

        assert (response.status_code, again.status_code) == (201, 201)
        project = Project.objects.get()
        organization = Organization.objects.get()
        assert project.uuid == organization.uuid
        assert (project.slug, organization.slug) == ("rocket", "rocket")
        assert project.visibility == Visibility.PUBLIC
        assert response.json()["project"]["claimed"] is None
        assert not Membership.objects.exists()

    def test_is_named_by_the_context(self) -> None:
        report = Caller(None).post("run", run(context=CONTEXT)).json()

        assert report["project"]["slug"] == CONTEXT_SLUG
        assert report["project"]["name"] == "My Engine"

    def test_the_first_user_who_reports_claims_it(self) -> None:
        Caller(None).post("run", run(project="rocket"))
        alice, charlie = make_user("alice"), make_user("charlie")

        claimed = Caller(make_user_key(alice)).post("run", run(project="rocket"))

        assert claimed.json()["project"]["claimed"] is not None
        membership = Membership.objects.get()
        assert (membership.user, membership.role) == (alice, Role.LEADER)
        second = Caller(make_user_key(charlie)).post("run", run(project="rocket"))
        assert second.status_code == 403
        assert Caller(None).post("run", run(project="rocket")).status_code == 401

    def test_staff_reports_and_claims_nothing(self) -> None:
        Caller(None).post("run", run(project="rocket"))
        staff = Caller(make_user_key(make_user("staff", is_staff=True)))

        assert staff.post("run", run(project="rocket")).status_code == 201
        assert not Membership.objects.exists()

    def test_a_report_that_is_refused_claims_nothing(self) -> None:
        Caller(None).post("run", run(project="rocket"))
        alice = Caller(make_user_key(make_user("alice")))

        assert alice.post("run", run(project="rocket", results=["?"])).status_code == 400
        assert not Membership.objects.exists()

    def test_an_organization_that_lost_its_last_member_is_not_claimed(
        self, project: Project
    ) -> None:
        Membership.objects.all().delete()
        charlie = Caller(make_user_key(make_user("charlie")))

        assert charlie.post("run", run(project="engine")).status_code == 404
        assert Caller(None).post("run", run(project="engine")).status_code == 401
        assert not Membership.objects.exists()

    def test_switched_off_nobody_claims(self, settings: Any) -> None:
        Caller(None).post("run", run(project="rocket"))
        settings.ALLOW_UNCLAIMED_PROJECTS = False

        assert Caller(None).post("run", run(project="rocket")).status_code == 401
        charlie = Caller(make_user_key(make_user("charlie")))
        assert charlie.post("run", run(project="rocket")).status_code == 403

    def test_a_dead_key_is_refused_and_not_taken_for_nobody(self, project: Project) -> None:
        for key in (keys.PROJECT_PREFIX + "x" * 30, keys.USER_PREFIX + "x" * 30, "nonsense"):
            assert Caller(key).post("run", run(project="rocket")).status_code == 401
        revoked = make_project_key(project)
        project.keys.update(revoked_at=NOV)
        assert Caller(revoked).post("run", run(project="rocket")).status_code == 401
