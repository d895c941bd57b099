"""Branches over HTTP, and where they start from."""

from typing import Any

import pytest

from bencher import clock
from ingest.models import Branch, Head, HeadVersion, Version
from tests.factories import NOV, bmf, report_body
from tests.ingest.conftest import Caller, Post

pytestmark = pytest.mark.django_db

BRANCHES = "projects/engine/branches"
NOT_FOR_GIT = [
    *("", " x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{b", "@", "a\0b"),
    *("/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "x" * 257, "é" * 129),
]


def report(branch: str, commit: str | None, /, **start_point: Any) -> dict[str, Any]:
    """Return a report to a branch; a commit is written as its one digit."""
    start: dict[str, Any] = {"start_point": start_point} if start_point else {}
    return report_body(
        bmf(1), end_time=clock.now(), branch=branch, hash=commit and commit * 40, **start
    )


def versions(branch: str) -> list[tuple[int, str]]:
    """Return number and commit of each version of a branch's current head, by number."""
    head = Head.objects.get(branch__name=branch, replaced_at=None)
    found = Version.objects.filter(heads__head=head).order_by("number")
    return [(number, hash[:1]) for number, hash in found.values_list("number", "hash")]


class TestStartPoint:
    @pytest.fixture(autouse=True)
    def _main(self, post: Post) -> None:
        for commit in "abc":
            assert post(report("main", commit)).status_code == 201

    def test_a_new_branch_shares_the_versions_up_to_its_start(self, post: Post) -> None:
        answer = post(report("fix", "d", branch="main", hash="b" * 40)).json()

        assert versions("fix") == [(0, "a"), (1, "b"), (2, "d")]
        assert versions("main") == [(0, "a"), (1, "b"), (2, "c")]
        main = Head.objects.get(branch__name="main")
        assert answer["branch"]["head"]["start_point"] == {
            "branch": str(main.branch.uuid),
            "head": str(main.uuid),
            "version": {"number": 1, "hash": "b" * 40},
        }
        assert answer["branch"]["head"]["version"] == {"number": 2, "hash": "d" * 40}
        assert Version.objects.count() == 4

    def test_an_unknown_commit_stands_for_the_latest_version(self, post: Post) -> None:
        for commit in "de":
            post(report("fix", commit, branch="main", hash="f" * 40))

        assert versions("fix") == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")]
        assert Head.objects.filter(branch__name="fix").count() == 1

    @pytest.mark.parametrize(("limit", "kept"), [(0, []), (2, [(1, "b"), (2, "c")])])
    def test_shares_at_most_so_many_versions(
        self, post: Post, limit: int, kept: list[tuple[int, str]]
    ) -> None:
        post(report("fix", "d", branch="main", max_versions=limit))

        assert versions("fix")[:-1] == kept

    def test_a_missing_start_is_tolerated(self, post: Post) -> None:
        response = post(report("fix", "d", branch="nowhere"))

        assert response.status_code == 201
        assert response.json()["branch"]["head"]["start_point"] is None
        assert versions("fix") == [(0, "d")]

    def test_an_empty_start_is_tolerated(self, post: Post, alice: Caller) -> None:
        assert alice.post(BRANCHES, {"name": "empty"}).status_code == 201

        assert post(report("fix", "d", branch="empty")).status_code == 201
        assert versions("fix") == [(0, "d")]

    def test_the_same_start_again_keeps_the_head(self, post: Post) -> None:
        post(report("fix", "d", branch="main", hash="b" * 40))
        post(report("fix", "e", branch="main", hash="b" * 40))
        post(report("fix", "f", branch="main"))
        post(report("fix", "0"))

        assert Head.objects.filter(branch__name="fix").count() == 1
        assert [commit for _, commit in versions("fix")] == ["a", "b", "d", "e", "f", "0"]

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"branch": "main", "hash": "c" * 40}, [(0, "a"), (1, "b"), (2, "c"), (3, "e")]),
            ({"branch": "other"}, [(0, "1"), (1, "e")]),
            ({"branch": "main", "hash": "b" * 40, "reset": True}, [(0, "a"), (1, "b"), (2, "e")]),
            ({"reset": True}, [(0, "e")]),
        ],
        ids=["another commit", "another branch", "reset to the start", "reset to nothing"],
    )
    def test_another_start_replaces_the_head(
        self, post: Post, change: dict[str, Any], expected: list[tuple[int, str]]
    ) -> None:
        post(report("other", "1"))
        post(report("fix", "d", branch="main", hash="b" * 40))
        old = Head.objects.get(branch__name="fix")

        answer = post(report("fix", "e", **change)).json()

        assert versions("fix") == expected
        old.refresh_from_db()
        assert old.replaced_at is not None
        assert answer["branch"]["head"]["uuid"] != str(old.uuid)
        assert answer["branch"]["head"]["replaced"] is None

    def test_links_versions_in_a_number_of_statements_that_does_not_grow(
        self, post: Post, django_assert_max_num_queries: Any
    ) -> None:
        head = Head.objects.get(branch__name="main")
        made = Version.objects.bulk_create(
            Version(project_id=head.branch.project_id, number=number, hash="")
            for number in range(3, 400)
        )
        HeadVersion.objects.bulk_create(HeadVersion(head=head, version=row) for row in made)

        with django_assert_max_num_queries(23):
            post(report("fix", "d", branch="main"))

        assert len(versions("fix")) == 256
        assert versions("fix")[0] == (145, "")


class TestBranches:
    def test_are_listed_by_name_with_their_latest_versions(self, post: Post, alice: Caller) -> None:
        for branch, commit in (("main", "a"), ("main", "b"), ("fix", "c")):
            post(report(branch, commit))
        alice.post(BRANCHES, {"name": "zoo"})

        response = alice.get(BRANCHES)

        assert response["X-Total-Count"] == "3"
        assert [
            (row["name"], (row["head"]["version"] or {}).get("hash", "")[:1])
            for row in response.json()
        ] == [("fix", "c"), ("main", "b"), ("zoo", "")]
        assert [row["name"] for row in alice.get(BRANCHES, search="MAI").json()] == ["main"]
        assert [row["name"] for row in alice.get(BRANCHES, name="fix").json()] == ["fix"]

    def test_a_page_takes_a_fixed_number_of_queries(
        self, alice: Caller, django_assert_num_queries: Any
    ) -> None:
        alice.post(BRANCHES, {"name": "first"})
        for number in range(20):
            alice.post(BRANCHES, {"name": f"b{number}", "start_point": {"branch": "first"}})

        with django_assert_num_queries(8):
            alice.get(BRANCHES, per_page=1)
        with django_assert_num_queries(8):
            assert len(alice.get(BRANCHES, per_page=255).json()) == 21

    def test_are_made_with_a_start(self, post: Post, alice: Caller) -> None:
        post(report("main", "a"))

        made = alice.post(BRANCHES, {"name": "fix/1", "start_point": {"branch": "main"}})

        assert made.status_code == 201
        assert made.json()["slug"] == "fix-1"
        assert made.json()["head"]["version"] == {"number": 0, "hash": "a" * 40}
        assert made.json()["head"]["start_point"]["version"]["number"] == 0

    def test_a_taken_slug_gets_a_suffix_and_a_taken_name_is_a_conflict(self, alice: Caller) -> None:
        assert alice.post(BRANCHES, {"name": "main", "slug": "trunk"}).status_code == 201

        beside = alice.post(BRANCHES, {"name": "other", "slug": "trunk"})
        again = alice.post(BRANCHES, {"name": "main"})

        assert beside.json()["slug"].startswith("trunk-")
        assert again.status_code == 409
        assert Branch.objects.count() == 2

    @pytest.mark.parametrize(
        "name",
        NOT_FOR_GIT,
    )
    def test_names_are_those_that_git_takes(self, alice: Caller, post: Post, name: str) -> None:
        response = alice.post(BRANCHES, {"name": name})

        assert response.status_code == 400, name
        assert "name" in response.json()["message"]
        assert post(report(name, "a")).status_code == 400

    def test_are_found_by_slug_and_uuid_and_at_old_heads(self, post: Post, alice: Caller) -> None:
        first = post(report("fix/1", "a")).json()["branch"]
        post(report("fix/1", "b", reset=True))

        by_slug = alice.get(f"{BRANCHES}/fix-1").json()
        by_uuid = alice.get(f"{BRANCHES}/{first['uuid']}").json()
        old = alice.get(f"{BRANCHES}/fix-1", head=first["head"]["uuid"]).json()

        assert by_slug == by_uuid
        assert by_slug["head"]["version"] == {"number": 0, "hash": "b" * 40}
        assert old["head"]["version"] == {"number": 0, "hash": "a" * 40}
        assert old["head"]["replaced"] is not None
        assert alice.get(f"{BRANCHES}/fix-1", head=first["uuid"]).status_code == 404
        assert alice.get(f"{BRANCHES}/nothing").status_code == 404

    def test_are_renamed_and_archived_and_in_use_again_when_reported_to(
        self, post: Post, alice: Caller
    ) -> None:
        post(report("main", "a"))

        renamed = alice.patch(f"{BRANCHES}/main", {"name": "trunk", "slug": "trunk"}).json()
        archived = alice.patch(f"{BRANCHES}/trunk", {"archived": True}).json()

        assert (renamed["name"], renamed["slug"]) == ("trunk", "trunk")
        assert archived["archived"] is not None
        assert alice.get(BRANCHES).json() == []
        assert len(alice.get(BRANCHES, archived="true").json()) == 1
        assert post(report("trunk", "b")).json()["branch"]["archived"] is None
        assert Branch.objects.get().archived_at is None

    def test_a_name_of_another_branch_is_a_conflict(self, alice: Caller) -> None:
        for name in ("one", "two"):
            alice.post(BRANCHES, {"name": name})

        assert alice.patch(f"{BRANCHES}/two", {"name": "one"}).status_code == 409
        assert alice.patch(f"{BRANCHES}/two", {"slug": "one"}).status_code == 409

    def test_are_moved_to_another_start(self, post: Post, alice: Caller) -> None:
        post(report("main", "a"))
        post(report("fix", "b"))

        moved = alice.patch(f"{BRANCHES}/fix", {"start_point": {"branch": "main"}}).json()
        again = alice.patch(f"{BRANCHES}/fix", {"start_point": {"branch": "main"}}).json()

        assert moved["head"]["start_point"]["version"]["hash"] == "a" * 40
        assert again["head"]["uuid"] == moved["head"]["uuid"]
        assert versions("fix") == [(0, "a")]

    def test_are_removed_unless_they_have_reports(self, post: Post, alice: Caller) -> None:
        post(report("main", "a"))
        alice.post(BRANCHES, {"name": "fix", "start_point": {"branch": "main"}})
        alice.post(BRANCHES, {"name": "on-fix", "start_point": {"branch": "fix"}})

        assert alice.delete(f"{BRANCHES}/main").status_code == 409
        assert alice.delete(f"{BRANCHES}/fix").status_code == 204

        assert alice.get(f"{BRANCHES}/fix").status_code == 404
        assert versions("on-fix") == [(0, "a")]
        assert Version.objects.count() == 1

    def test_a_project_key_makes_and_archives_but_neither_renames_nor_removes(
        self, ci: Caller
    ) -> None:
        assert ci.post(BRANCHES, {"name": "main"}).status_code == 201
        assert ci.patch(f"{BRANCHES}/main", {"archived": True}).status_code == 200
        assert ci.patch(f"{BRANCHES}/main", {"name": "trunk"}).status_code == 403
        assert ci.patch(f"{BRANCHES}/main", {"slug": "trunk"}).status_code == 403
        assert ci.delete(f"{BRANCHES}/main").status_code == 403

    def test_a_version_made_long_ago_is_found_by_its_commit(self, post: Post) -> None:
        for commit in "abc":
            post(report("main", commit))
        Branch.objects.update(archived_at=NOV)

        assert post(report("main", "A")).json()["branch"]["head"]["version"]["number"] == 0
        assert Version.objects.count() == 3
