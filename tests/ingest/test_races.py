"""Runs that meet at a branch's head, at a new project or at its claiming."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from bencher import clock
from bencher.tenancy.models import Membership, Organization
from ingest.models import Branch, Head, Report, Version
from series import last_seen
from series.models import Project, Visibility
from tests.concurrency.stepping import Pause, at_once, begin, done, wait_for_lock_waiters
from tests.factories import (
    bmf,
    make_organization,
    make_project,
    make_project_key,
    make_user,
    make_user_key,
    report_body,
)
from tests.ingest.conftest import Caller

pytestmark = pytest.mark.usefixtures("committed_db")


def run(**fields: Any) -> dict[str, Any]:
    """Return a run of one benchmark."""
    body = report_body(bmf(1), end_time=clock.now(), hash="a" * 40)
    return {**body, **fields}


@pytest.fixture
def key(committed_db: str) -> str:
    """Return a key of Acme's project, to which main was reported."""
    acme = make_organization("Acme", leader=make_user("alice"))
    project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
    key = make_project_key(project)
    for commit in "ab":
        assert Caller(key).post("run", run(hash=commit * 40)).status_code == 201
    return key


@pytest.fixture
def meet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Return a function that lets the second act begin while the first is about to commit."""

    def meet(
        first: Callable[[], Any], second: Callable[[], Any], *, waits: bool = True
    ) -> list[Any]:
        before_commit = Pause()
        with monkeypatch.context() as patch:
            patch.setattr(last_seen, "record", before_commit.after(last_seen.record))
            one = begin(first)
            before_commit.wait_until_reached()
            two = begin(second)
            if waits:
                wait_for_lock_waiters()
            else:
                done(two)
            before_commit.let_go()
            return [done(one), done(two)]

    return meet


def send(key: str | None, **fields: Any) -> Callable[[], Any]:
    return lambda: Caller(key).post("run", run(**fields))


class TestHeads:
    def test_two_with_one_new_start_replace_the_head_once(
        self, key: str, meet: Callable[..., list[Any]]
    ) -> None:
        Caller(key).post("run", run(branch="fix"))
        moved = send(key, branch="fix", start_point={"branch": "main"}, hash="c" * 40)

        answers = meet(moved, moved)

        assert [answer.status_code for answer in answers] == [201, 201]
        heads = {answer.json()["branch"]["head"]["uuid"] for answer in answers}
        assert len(heads) == 1
        assert Head.objects.filter(branch__name="fix").count() == 2
        assert Version.objects.filter(heads__head__uuid=heads.pop()).count() == 3

    def test_two_that_reset_it_get_a_head_each(
        self, key: str, meet: Callable[..., list[Any]]
    ) -> None:
        reset = send(key, branch="main", start_point={"reset": True})

        answers = meet(reset, reset)

        assert [answer.status_code for answer in answers] == [201, 201]
        assert len({answer.json()["branch"]["head"]["uuid"] for answer in answers}) == 2
        assert Head.objects.filter(branch__name="main", replaced_at=None).count() == 1

    def test_a_new_version_goes_to_the_head_that_replaced_its_own(
        self, key: str, meet: Callable[..., list[Any]]
    ) -> None:
        first, second = meet(
            send(key, branch="main", start_point={"reset": True}, hash="c" * 40),
            send(key, branch="main", hash="d" * 40),
        )

        assert second.json()["branch"]["head"]["uuid"] == first.json()["branch"]["head"]["uuid"]
        assert second.json()["branch"]["head"]["version"]["number"] == 1

    def test_a_known_version_waits_for_nobody_who_makes_one(
        self, key: str, meet: Callable[..., list[Any]]
    ) -> None:
        # Other series, which are waited for by whoever reports the same.
        known = send(key, hash="a" * 40, results=[bmf(1, prefix="other")])

        answers = meet(send(key, hash="c" * 40), known, waits=False)

        assert [answer.status_code for answer in answers] == [201, 201]

    @pytest.mark.parametrize(
        ("start", "status"),
        [(None, 409), ({"branch": "main"}, 204)],
        ids=["with a version to make", "with a version it shares"],
    )
    def test_a_branch_that_is_removed_meanwhile_is_kept_or_made_again(
        self,
        key: str,
        meet: Callable[..., list[Any]],
        start: dict[str, str] | None,
        status: int,
    ) -> None:
        user = Membership.objects.select_related("user").get().user
        leader = Caller(make_user_key(user))
        leader.post("projects/engine/branches", {"name": "fix", "start_point": start})
        remove = partial(leader.delete, "projects/engine/branches/fix")

        reported, removed = meet(send(key, branch="fix"), remove, waits=status == 409)

        assert (reported.status_code, removed.status_code) == (201, status)
        assert Branch.objects.filter(name="fix").count() == 1
        assert Report.objects.filter(head__branch__name="fix").count() == 1


class TestProjectsOfNobody:
    @pytest.fixture(autouse=True)
    def _allowed(self, settings: Any) -> None:
        settings.ALLOW_UNCLAIMED_PROJECTS = True

    def test_two_that_make_one_project_make_it_once(self, meet: Callable[..., list[Any]]) -> None:
        anonymous = send(None, project="rocket")

        answers = meet(anonymous, anonymous)

        assert [answer.status_code for answer in answers] == [201, 201]
        assert Project.objects.count() == Organization.objects.count() == 1
        assert Report.objects.count() == 2

    def test_two_that_claim_it_find_one_leader(self, meet: Callable[..., list[Any]]) -> None:
        assert send(None, project="rocket")().status_code == 201
        keys = [make_user_key(make_user(name)) for name in ("alice", "charlie")]

        answers = meet(*(send(key, project="rocket") for key in keys))

        assert [answer.status_code for answer in answers] == [201, 403]
        assert Membership.objects.get().user.name == "Alice"

    def test_a_crowd_makes_and_shares_one(self) -> None:
        answers = at_once([send(None, project="rocket", branch=f"b{n}") for n in range(4)])

        assert [answer.status_code for answer in answers] == [201] * 4
        assert Project.objects.count() == Organization.objects.count() == 1
