"""Keys of users and projects over the API: shown once, made by people, revoked for good."""

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bencher.tenancy.models import UserKey
from series.models import ProjectKey
from tests.api import bencher_document
from tests.api.conftest import Api, World, by_key
from tests.factories import make_project_key, make_user_key

USER_KEYS = "users/alice/keys"
PROJECT_KEYS = "projects/engine/keys"


def mint(browser: Api, path: str, body: dict[str, Any], *, status: int) -> Any:
    """Post with the CSRF token, as a page does."""
    browser.cookies["csrf"] = "a" * 32
    response = browser.post(
        f"/v0/{path}", body, content_type="application/json", headers={"X-CSRFToken": "a" * 32}
    )
    assert response.status_code == status, response.content
    return response.json()


class TestMint:
    def test_a_person_makes_a_user_key_that_works(self, world: World, browser: Api) -> None:
        made = mint(browser, USER_KEYS, {"name": "laptop"}, status=201)

        bencher_document.check(made, "JsonUserKeyCreated")
        assert made["key"].startswith("bencher_user_")
        assert by_key(made["key"]).call("get", "users/alice", status=200)["slug"] == "alice"

    def test_a_person_makes_a_project_key_that_works(self, world: World, browser: Api) -> None:
        made = mint(browser, PROJECT_KEYS, {"name": "ci", "ttl": 60}, status=201)

        bencher_document.check(made, "JsonProjectKeyCreated")
        assert by_key(made["key"]).call("get", "projects/engine", status=200)["slug"] == "engine"
        assert ProjectKey.objects.get(uuid=made["uuid"]).creator == world.alice
        lives = datetime.fromisoformat(made["expiration"]) - datetime.fromisoformat(
            made["creation"]
        )
        assert lives.total_seconds() == 60

    def test_an_expired_key_is_refused(self, browser: Api) -> None:
        made = mint(browser, USER_KEYS, {"name": "short", "ttl": 0}, status=201)

        by_key(made["key"]).call("get", "users/alice", status=401)

    def test_without_ttl_it_lives_for_over_128_years(self, browser: Api) -> None:
        made = mint(browser, USER_KEYS, {"name": "laptop"}, status=201)

        assert made["expiration"] > "2160"
        assert UserKey.objects.get(uuid=made["uuid"]).expires_at is None

    @pytest.mark.parametrize("path", [USER_KEYS, PROJECT_KEYS])
    def test_a_key_mints_none(self, alice: Api, root: Api, path: str) -> None:
        for caller in (alice, root):
            refusal = caller.call("post", path, {"name": "more"}, status=403)
            assert "must not mint" in refusal["message"]

    @pytest.mark.parametrize("path", [USER_KEYS, PROJECT_KEYS])
    def test_a_browser_without_the_token_mints_none(self, browser: Api, path: str) -> None:
        refusal = browser.call("post", path, {"name": "forged"}, status=403)

        assert "CSRF" in refusal["message"]
        assert not UserKey.objects.filter(name="forged").exists()

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({"name": ""}, "`name` is empty"),
            ({"name": "x", "ttl": -1}, "$.ttl"),
            ({"name": "x", "ttl": 2**32}, "$.ttl"),
        ],
    )
    def test_says_what_is_wrong(self, browser: Api, body: dict[str, Any], told: str) -> None:
        assert told in mint(browser, USER_KEYS, body, status=400)["message"]


class TestSessions:
    @pytest.mark.parametrize(
        "path", ["organizations", "organizations/acme", "users/alice", "projects/engine/testbeds"]
    )
    def test_count_for_keys_alone(self, browser: Api, path: str) -> None:
        assert browser.send("get", path).status_code in (401, 404)

    def test_see_all_keys_of_their_user(self, world: World, browser: Api) -> None:
        make_user_key(world.alice)
        make_user_key(world.alice)

        assert len(browser.call("get", USER_KEYS, status=200)) == 2


class TestUserKeys:
    def test_a_key_sees_itself_alone(self, world: World, alice: Api) -> None:
        mine = UserKey.objects.get(user=world.alice)
        make_user_key(world.alice)
        other = UserKey.objects.filter(user=world.alice).exclude(pk=mine.pk).get()

        rows = alice.call("get", USER_KEYS, status=200)

        bencher_document.check(rows, "JsonUserKey")
        assert [row["uuid"] for row in rows] == [str(mine.uuid)]
        alice.call("get", f"{USER_KEYS}/{other.uuid}", status=404)
        alice.call("delete", f"{USER_KEYS}/{other.uuid}", status=404)

    def test_a_key_revokes_itself(self, world: World, alice: Api) -> None:
        key = UserKey.objects.get(user=world.alice)

        alice.call("delete", f"{USER_KEYS}/{key.uuid}", status=204)

        alice.call("get", "users/alice", status=401)

    def test_never_show_the_key_again(self, world: World, browser: Api) -> None:
        made = mint(browser, USER_KEYS, {"name": "laptop"}, status=201)

        assert made["key"] not in browser.get(f"/v0/{USER_KEYS}").content.decode()


class TestProjectKeys:
    def test_are_listed_renamed_and_revoked(self, world: World, alice: Api) -> None:
        ci = by_key(make_project_key(world.engine))
        rows = alice.call("get", PROJECT_KEYS, status=200)
        bencher_document.check(rows, "JsonProjectKey")
        path = f"{PROJECT_KEYS}/{rows[0]['uuid']}"

        renamed = alice.call("patch", path, {"name": "nightly"}, status=200)
        alice.call("delete", path, status=204)

        assert renamed["name"] == "nightly"
        ci.call("get", "projects/engine", status=401)
        assert alice.call("get", PROJECT_KEYS, status=200) == []
        revoked = alice.call("get", PROJECT_KEYS, {"revoked": "true"}, status=200)
        assert [row["name"] for row in revoked] == ["nightly"]

    def test_stay_revoked_since_the_first_time(self, world: World, alice: Api) -> None:
        make_project_key(world.engine)
        key = ProjectKey.objects.get(project=world.engine)
        alice.call("delete", f"{PROJECT_KEYS}/{key.uuid}", status=204)
        first = ProjectKey.objects.get(pk=key.pk).revoked_at

        alice.call("delete", f"{PROJECT_KEYS}/{key.uuid}", status=204)

        assert ProjectKey.objects.get(pk=key.pk).revoked_at == first

    def test_take_as_many_queries_for_many(self, world: World, alice: Api) -> None:
        counts = []
        # The first use of a key is noted, once.
        alice.call("get", PROJECT_KEYS, status=200)
        for _ in range(3):
            with CaptureQueriesContext(connection) as captured:
                alice.call("get", PROJECT_KEYS, status=200)
            counts.append(len(captured))
            key = make_project_key(world.engine)
            assert key
            ProjectKey.objects.update(creator=world.alice)

        assert len(set(counts)) == 1


class TestUser:
    def test_is_seen_by_themselves_and_staff(self, world: World, alice: Api, root: Api) -> None:
        me = alice.call("get", f"users/{world.alice.uuid}", status=200)

        bencher_document.check(me, "JsonUser")
        assert root.call("get", "users/alice", status=200) == me
        assert (me["email"], me["admin"], me["locked"]) == ("alice@example.com", False, False)

    def test_is_nobody_to_others(self, charlie: Api) -> None:
        charlie.call("get", "users/alice", status=404)
        charlie.call("get", USER_KEYS, status=404)
