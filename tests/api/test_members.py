"""Members of an organization over the API."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bencher.tenancy.models import Membership, User
from tests.api import bencher_document
from tests.api.conftest import Api, World
from tests.factories import make_member, make_user

MEMBERS = "organizations/acme/members"


class TestList:
    def test_shows_all_with_their_roles(self, bob: Api) -> None:
        rows = bob.call("get", MEMBERS, status=200)

        bencher_document.check(rows, "JsonMember")
        assert [(row["name"], row["role"]) for row in rows] == [
            ("Alice", "leader"),
            ("Bob", "member"),
        ]

    @pytest.mark.parametrize("search", ["BOB", "bo", "uuid"])
    def test_is_searched_by_name_slug_and_uuid(self, world: World, alice: Api, search: str) -> None:
        text = str(world.bob.uuid)[:13] if search == "uuid" else search

        rows = alice.call("get", MEMBERS, {"search": text}, status=200)

        assert [row["slug"] for row in rows] == ["bob"]

    def test_takes_as_many_queries_for_many(self, world: World, alice: Api) -> None:
        counts = []
        # The first use of a key is noted, once.
        alice.call("get", MEMBERS, status=200)
        for more in ("dan", "eve", "fay"):
            with CaptureQueriesContext(connection) as captured:
                alice.call("get", MEMBERS, {"per_page": 255}, status=200)
            counts.append(len(captured))
            make_member(make_user(more), world.acme)

        assert len(set(counts)) == 1


class TestAdd:
    def test_makes_a_user_a_member_at_once(self, world: World, alice: Api) -> None:
        body = {"email": "Charlie@Example.com", "role": "member"}

        answer = alice.call("post", MEMBERS, body, status=202)

        bencher_document.check(answer, "JsonAuthAck")
        assert answer == {"email": "charlie@example.com"}
        assert Membership.objects.get(user=world.charlie, organization=world.acme).role == "member"

    def test_makes_an_account_without_a_password(self, world: World, alice: Api) -> None:
        body = {"email": "new+ci@example.com", "role": "leader"}

        alice.call("post", MEMBERS, body, status=202)

        user = User.objects.get(email="new+ci@example.com")
        assert user.name == "new ci"
        assert not user.has_usable_password()

    def test_refuses_whoever_is_in_already(self, alice: Api) -> None:
        body = {"email": "bob@example.com", "role": "leader"}

        assert "belongs to acme already" in alice.call("post", MEMBERS, body, status=409)["message"]

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({"email": "nobody", "role": "member"}, "`email` is not an e-mail address"),
            ({"email": "a@example.com", "role": "king"}, "$.role"),
            ({"email": "a@example.com"}, "`role`"),
            ({"email": "a@example.com", "role": "member", "name": " x"}, "`name` begins"),
        ],
    )
    def test_says_what_is_wrong(self, alice: Api, body: dict[str, str], told: str) -> None:
        assert told in alice.call("post", MEMBERS, body, status=400)["message"]


class TestChangeRole:
    def test_promotes(self, world: World, alice: Api) -> None:
        member = alice.call("patch", f"{MEMBERS}/bob", {"role": "leader"}, status=200)

        bencher_document.check(member, "JsonMember")
        assert member["role"] == "leader"
        assert member["modified"] > member["created"]

    def test_keeps_the_last_leader(self, alice: Api) -> None:
        refusal = alice.call("patch", f"{MEMBERS}/alice", {"role": "member"}, status=409)

        assert "last leader" in refusal["message"]

    def test_an_inactive_leader_does_not_count(self, world: World, alice: Api) -> None:
        Membership.objects.filter(user=world.bob).update(role="leader")
        User.objects.filter(pk=world.bob.pk).update(is_active=False)

        alice.call("patch", f"{MEMBERS}/alice", {"role": "member"}, status=409)


class TestRemove:
    def test_takes_access_away(self, world: World, alice: Api, bob: Api) -> None:
        alice.call("delete", f"{MEMBERS}/{world.bob.uuid}", status=204)

        bob.call("get", "organizations/acme", status=404)

    def test_keeps_the_last_leader(self, alice: Api) -> None:
        alice.call("delete", f"{MEMBERS}/alice", status=409)

    def test_lets_one_of_two_leaders_go(self, alice: Api) -> None:
        alice.call("patch", f"{MEMBERS}/bob", {"role": "leader"}, status=200)

        alice.call("delete", f"{MEMBERS}/alice", status=204)
