"""Organizations over the API."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bencher import clock
from bencher.tenancy.models import Membership, Organization
from billing.models import Plan
from series.models import Project, ProjectChange
from tests.api import bencher_document
from tests.api.conftest import Api, World
from tests.factories import make_organization, make_plan


class TestList:
    def test_shows_a_member_their_own_and_staff_all(
        self, world: World, bob: Api, charlie: Api, root: Api
    ) -> None:
        bobs = bob.call("get", "organizations", status=200)
        charlies = charlie.call("get", "organizations", status=200)
        roots = root.call("get", "organizations", status=200)

        bencher_document.check(roots, "JsonOrganization")
        assert [row["slug"] for row in bobs] == ["acme"]
        assert [row["slug"] for row in charlies] == ["globex"]
        assert [row["slug"] for row in roots] == ["acme", "globex"]
        assert bobs[0]["claimed"] == "2026-11-01T00:00:00Z"

    def test_takes_as_many_queries_at_twenty_rows_as_at_one(self, world: World, alice: Api) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert alice.send("get", "organizations", {"per_page": 255}).status_code == 200
            return len(captured)

        # The first use of a key is noted, once.
        queries()
        before = queries()
        for number in range(20):
            make_organization(f"More {number}", leader=world.alice)

        assert queries() == before

    def test_asks_for_a_key(self, world: World) -> None:
        response = Client().get("/v0/organizations")

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert "bencher_user_" in response.json()["message"]

    def test_tells_a_project_key_to_use_a_user_key(self, ci: Api) -> None:
        assert "user key" in ci.call("get", "organizations", status=403)["message"]


class TestFound:
    def test_makes_the_caller_its_leader(self, world: World, charlie: Api) -> None:
        made = charlie.call("post", "organizations", {"name": "Initech"}, status=201)

        bencher_document.check(made, "JsonOrganization")
        assert (made["name"], made["slug"]) == ("Initech", "initech")
        membership = Membership.objects.get(organization__uuid=made["uuid"])
        assert (membership.user, membership.role) == (world.charlie, "leader")

    def test_takes_the_preferred_slug_or_one_with_a_suffix(self, alice: Api) -> None:
        wish = {"name": "Anything", "slug": "wish"}

        first = alice.call("post", "organizations", wish, status=201)["slug"]
        second = alice.call("post", "organizations", wish, status=201)["slug"]

        assert first == "wish"
        assert second.startswith("wish-")
        assert len(second) == len("wish-") + 8

    def test_a_name_without_letters_gets_a_slug_that_is_all_suffix(self, alice: Api) -> None:
        assert len(alice.call("post", "organizations", {"name": "!!!"}, status=201)["slug"]) == 8

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({}, "`name`"),
            ({"name": 7}, "`$.name`"),
            ({"name": ""}, "`name` is empty"),
            ({"name": " Acme"}, "`name` begins or ends with white space"),
            ({"name": "Ac\0me"}, "`name` contains a NUL"),
            ({"name": "é" * 33}, "`name` has 66 bytes"),
            ({"name": "Acme", "slug": "No Slug"}, "`slug` is not a slug"),
            ({"name": "Acme", "slug": "a" * 65}, "`slug` is not a slug"),
        ],
    )
    def test_says_what_is_wrong_with_a_field(
        self, alice: Api, body: dict[str, object], told: str
    ) -> None:
        refusal = alice.call("post", "organizations", body, status=400)

        assert told in refusal["message"]
        assert refusal.keys() == {"request_id", "message"}

    def test_counts_the_bytes_of_a_name(self, alice: Api) -> None:
        assert alice.call("post", "organizations", {"name": "é" * 32}, status=201)


class TestGet:
    def test_answers_to_uuid_and_slug(self, world: World, bob: Api) -> None:
        by_slug = bob.call("get", "organizations/acme", status=200)

        bencher_document.check(by_slug, "JsonOrganization")
        assert bob.call("get", f"organizations/{world.acme.uuid}", status=200) == by_slug

    @pytest.mark.parametrize("identifier", ["acme", "nothing", "a%00b", "%F0%9F%98%80", "{}"])
    def test_a_stranger_finds_nothing(self, charlie: Api, identifier: str) -> None:
        assert (
            "no organization"
            in charlie.call("get", f"organizations/{identifier}", status=404)["message"]
        )


class TestChange:
    def test_renames_and_keeps_what_is_not_named(self, world: World, alice: Api) -> None:
        changed = alice.call(
            "patch", "organizations/acme", {"name": "Apex", "slug": None}, status=200
        )

        bencher_document.check(changed, "JsonOrganization")
        world.acme.refresh_from_db()
        assert (world.acme.name, world.acme.slug) == ("Apex", "acme")
        assert world.acme.modified_at > world.acme.created_at

    def test_refuses_a_slug_that_is_taken(self, alice: Api) -> None:
        refusal = alice.call("patch", "organizations/acme", {"slug": "globex"}, status=409)

        assert "'globex' is taken" in refusal["message"]

    def test_refuses_a_license(self, alice: Api) -> None:
        refusal = alice.call("patch", "organizations/acme", {"license": "x.y.z"}, status=400)

        assert "license" in refusal["message"]


class TestDelete:
    def test_takes_the_projects_along_and_records_it(self, world: World, alice: Api) -> None:
        alice.call("delete", "organizations/acme", status=204)

        alice.call("get", "organizations/acme", status=404)
        alice.call("get", "projects/site", status=404)
        deleted = ProjectChange.objects.filter(kind="deleted").values_list("project__slug", "by")
        assert sorted(deleted) == [("engine", world.alice.pk), ("site", world.alice.pk)]

    def test_frees_the_slug_and_keeps_the_name(self, world: World, alice: Api) -> None:
        alice.call("delete", "organizations/acme", status=204)

        again = alice.call("post", "organizations", {"name": "Acme"}, status=201)

        assert again["slug"] == "acme"
        assert Organization.objects.filter(name="Acme", slug="acme").count() == 2
        assert Project.objects.get(slug="engine").name == "Engine"

    def test_changes_nothing_where_the_plan_cannot_be_ended(self, world: World, alice: Api) -> None:
        plan = make_plan(world.acme)
        refusal = alice.call("delete", "organizations/acme", status=503)
        assert "Stripe does not answer. Nothing was changed" in refusal["message"]
        assert Project.objects.filter(deleted_at=None).count() == 2

        Plan.objects.filter(pk=plan.pk).update(ended_at=clock.now() - timedelta(days=1))

        alice.call("delete", "organizations/acme", status=204)

    def test_is_never_hard(self, alice: Api, root: Api) -> None:
        for caller in (alice, root):
            assert (
                "evidence"
                in caller.call("delete", "organizations/acme?hard=true", status=400)["message"]
            )


class TestAllowed:
    def test_tells_leader_and_member_apart(self, alice: Api, bob: Api) -> None:
        answer = alice.call("get", "organizations/acme/allowed/manage", status=200)
        bencher_document.check(answer, "JsonAllowed")

        assert answer == {"allowed": True}
        assert bob.call("get", "organizations/acme/allowed/manage", status=200) == {
            "allowed": False
        }
        assert bob.call("get", "organizations/acme/allowed/view_role", status=200) == {
            "allowed": True
        }

    def test_names_the_permissions_there_are(self, bob: Api) -> None:
        refusal = bob.call("get", "organizations/acme/allowed/fly", status=400)

        assert "view, create, edit" in refusal["message"]
