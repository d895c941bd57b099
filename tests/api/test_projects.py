"""Projects over the API."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bencher import clock
from bencher.tenancy.models import Organization
from series import projects
from series.models import (
    Project,
    ProjectChange,
    ProjectMembership,
    ProjectRole,
    Visibility,
)
from tests.api import bencher_document
from tests.api.conftest import Api, World, by_key
from tests.factories import NOV, make_project, make_project_key, make_user, make_user_key

OF_ACME = "organizations/acme/projects"


def end_cover(organization: Organization) -> None:
    """Let the organization have no plan any more."""
    Organization.objects.filter(pk=organization.pk).update(
        private_until=clock.now() - timedelta(seconds=1)
    )


class TestList:
    def test_shows_each_caller_what_they_may_see(self, world: World, root: Api, ci: Api) -> None:
        vic = make_user("vic")
        ProjectMembership.objects.create(
            user=vic, project=world.engine, role=ProjectRole.VIEWER, created_at=NOV
        )
        viewer = by_key(make_user_key(vic))
        make_project("Hidden", organization=world.globex, visibility=Visibility.PRIVATE)
        see = {
            "anonymous": Api(),
            "alice": by_key(make_user_key(world.alice)),
            "bob": by_key(make_user_key(world.bob)),
            "viewer": viewer,
            "charlie": by_key(make_user_key(world.charlie)),
            "root": root,
            "ci": ci,
        }

        seen = {
            name: [row["slug"] for row in caller.call("get", "projects", status=200)]
            for name, caller in see.items()
        }

        assert seen == {
            "anonymous": ["site"],
            "alice": ["engine", "site"],
            "bob": ["engine", "site"],
            "viewer": ["engine", "site"],
            "charlie": ["hidden", "site"],
            "root": ["engine", "hidden", "site"],
            "ci": ["engine"],
        }

    def test_is_what_clients_read(self, alice: Api) -> None:
        rows = alice.call("get", "projects", status=200)

        bencher_document.check(rows, "JsonProject")
        assert rows[0]["claimed"] == rows[0]["created"] == "2026-11-01T00:00:00Z"

    @pytest.mark.parametrize("path", ["projects", OF_ACME])
    def test_takes_as_many_queries_for_many(self, world: World, alice: Api, path: str) -> None:
        counts = []
        # The first use of a key is noted, once.
        alice.call("get", path, status=200)
        for number in range(4):
            with CaptureQueriesContext(connection) as captured:
                alice.call("get", path, {"per_page": 255}, status=200)
            counts.append(len(captured))
            organization = world.globex if number % 2 else world.acme
            make_project(f"P{number}", organization=organization, visibility=Visibility.PUBLIC)

        assert len(set(counts)) == 1

    def test_of_an_organization_is_for_its_people(self, bob: Api, charlie: Api) -> None:
        assert [row["slug"] for row in bob.call("get", OF_ACME, status=200)] == ["engine", "site"]
        charlie.call("get", OF_ACME, status=404)


class TestAdd:
    def test_makes_a_public_project(self, world: World, alice: Api) -> None:
        made = alice.call(
            "post", OF_ACME, {"name": "New", "url": "https://example.com/x"}, status=201
        )

        bencher_document.check(made, "JsonProject")
        assert (made["slug"], made["visibility"], made["url"]) == (
            "new",
            "public",
            "https://example.com/x",
        )
        change = ProjectChange.objects.get(project__uuid=made["uuid"])
        assert (change.kind, change.by) == ("created", world.alice)

    def test_a_private_one_needs_cover(self, world: World, alice: Api) -> None:
        body = {"name": "Secret", "visibility": "private"}
        assert alice.call("post", OF_ACME, body, status=201)["visibility"] == "private"

        end_cover(world.acme)

        refusal = alice.call("post", OF_ACME, {**body, "name": "Again"}, status=402)
        assert "no plan that covers private projects" in refusal["message"]
        alice.call("post", OF_ACME, {"name": "Open"}, status=201)

    def test_slugs_are_global_and_get_a_suffix(self, charlie: Api) -> None:
        made = charlie.call("post", "organizations/globex/projects", {"name": "Site"}, status=201)

        assert made["slug"].startswith("site-")

    def test_names_are_unique_in_their_organization(self, alice: Api) -> None:
        assert "'Site'" in alice.call("post", OF_ACME, {"name": "Site"}, status=409)["message"]

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({"name": "x" * 65}, "`name` has 65 bytes"),
            ({"name": "x", "url": "javascript:alert(1)"}, "`url`"),
            ({"name": "x", "url": "http://example.com/\0"}, "`url`"),
            ({"name": "x", "url": "http://example.com/" + "x" * 1024}, "`url` is longer"),
            ({"name": "x", "visibility": "secret"}, "$.visibility"),
        ],
    )
    def test_says_what_is_wrong(self, alice: Api, body: dict[str, str], told: str) -> None:
        assert told in alice.call("post", OF_ACME, body, status=400)["message"]


class TestChange:
    def test_changes_what_is_named(self, alice: Api) -> None:
        alice.call("patch", "projects/site", {"url": "https://example.com"}, status=200)

        changed = alice.call(
            "patch",
            "projects/site",
            {"name": "Shop", "slug": "shop", "visibility": None},
            status=200,
        )

        bencher_document.check(changed, "JsonProject")
        assert (changed["name"], changed["slug"], changed["url"], changed["visibility"]) == (
            "Shop",
            "shop",
            "https://example.com",
            "public",
        )
        assert alice.call("patch", "projects/shop", {"url": None}, status=200)["url"] is None

    def test_records_a_flip_of_visibility(self, world: World, alice: Api) -> None:
        alice.call("patch", "projects/engine", {"visibility": "public"}, status=200)
        alice.call("patch", "projects/engine", {"visibility": "private"}, status=200)
        alice.call("patch", "projects/engine", {"visibility": "private"}, status=200)

        kinds = ProjectChange.objects.filter(project=world.engine, by=world.alice)
        assert list(kinds.order_by("pk").values_list("kind", flat=True)) == [
            "made_public",
            "made_private",
        ]

    def test_to_private_needs_cover_and_changes_nothing_without(
        self, world: World, alice: Api
    ) -> None:
        end_cover(world.acme)
        body = {"name": "Renamed", "visibility": "private"}

        alice.call("patch", "projects/site", body, status=402)

        world.site.refresh_from_db()
        assert (world.site.name, world.site.visibility) == ("Site", "public")
        alice.call("patch", "projects/engine", {"name": "Motor"}, status=200)

    @pytest.mark.parametrize("body", [{"name": "Engine"}, {"slug": "engine"}])
    def test_refuses_what_is_taken(self, alice: Api, body: dict[str, str]) -> None:
        assert "is taken" in alice.call("patch", "projects/site", body, status=409)["message"]

    def test_asks_who_is_signed_in_for_the_right_permission(self, bob: Api) -> None:
        assert "may not edit" in bob.call("patch", "projects/site", {}, status=403)["message"]
        Api().call("patch", "projects/site", {}, status=401)
        Api().call("patch", "projects/engine", {}, status=404)


class TestDelete:
    def test_hides_it_and_frees_its_names(self, world: World, alice: Api) -> None:
        alice.call("delete", "projects/engine", status=204)

        alice.call("get", "projects/engine", status=404)
        alice.call("get", f"projects/{world.engine.uuid}", status=404)
        again = alice.call("post", OF_ACME, {"name": "Engine"}, status=201)
        assert again["slug"] == "engine"
        world.engine.refresh_from_db()
        assert (world.engine.name, world.engine.slug) == ("Engine", "engine")
        assert ProjectChange.objects.get(kind="deleted").by == world.alice

    def test_is_never_hard(self, alice: Api, root: Api) -> None:
        for caller in (alice, root):
            refusal = caller.call("delete", "projects/engine?hard=true", status=400)
            assert "reports prove what was billed" in refusal["message"]
        assert Project.objects.get(slug="engine").deleted_at is None


class TestRestore:
    def test_brings_it_back(self, world: World, alice: Api) -> None:
        make_user("root", is_staff=True)
        projects.delete(world.engine, now=NOV, by=None)

        call_command(
            "restore_project", str(world.engine.uuid), by="root@example.com", stdout=StringIO()
        )

        assert alice.call("get", "projects/engine", status=200)["name"] == "Engine"
        change = ProjectChange.objects.get(kind="restored")
        assert change.by is not None
        assert change.by.slug == "root"

    def test_takes_another_slug_where_its_own_is_in_use(self, world: World) -> None:
        projects.delete(world.engine, now=NOV, by=None)
        make_project("Engine", organization=world.globex, visibility=Visibility.PUBLIC)

        projects.restore(world.engine, now=NOV, by=None)

        world.engine.refresh_from_db()
        assert world.engine.slug.startswith("engine-")
        assert world.engine.deleted_at is None

    def test_waits_where_its_name_is_in_use(self, world: World) -> None:
        make_user("root", is_staff=True)
        projects.delete(world.engine, now=NOV, by=None)
        make_project("Engine", organization=world.acme, visibility=Visibility.PUBLIC)

        with pytest.raises(CommandError, match="Rename that one first"):
            call_command("restore_project", str(world.engine.uuid), by="root@example.com")

        world.engine.refresh_from_db()
        assert world.engine.deleted_at == NOV


class TestAllowed:
    @pytest.mark.parametrize(
        ("permission", "granted"),
        [
            ("view", ["anonymous", "key", "leader"]),
            ("create", ["key", "leader"]),
            ("edit", ["leader"]),
            ("manage", ["leader"]),
        ],
    )
    def test_tells_what_a_caller_may(
        self, world: World, alice: Api, permission: str, granted: list[str]
    ) -> None:
        ci = by_key(make_project_key(world.site))
        callers = {"anonymous": Api(), "key": ci, "leader": alice}

        answers = {
            name: caller.call("get", f"projects/site/allowed/{permission}", status=200)["allowed"]
            for name, caller in callers.items()
        }

        assert [name for name, allowed in answers.items() if allowed] == granted
