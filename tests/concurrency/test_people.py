"""Leaders who leave at the same moment, and an invitation that two want at once."""

from collections.abc import Callable
from functools import partial

import pytest

from bencher import clock
from bencher.tenancy import invitations, members
from bencher.tenancy.models import Invitation, Membership, Organization, Role, User
from tests import factories
from tests.concurrency.stepping import Pause, at_once, begin, done, wait_for_lock_waiters


@pytest.fixture
def leaders(committed_db: str) -> list[Membership]:
    """Return the two leaders of Acme."""
    alice, bob = factories.make_user("alice"), factories.make_user("bob")
    acme = factories.make_organization("Acme", leader=alice)
    members.join(acme, bob, role=Role.LEADER, now=clock.now())
    return list(members.of(acme).order_by("pk"))


def leave(membership: Membership) -> bool:
    """Leave; False where that is refused."""
    try:
        members.remove(membership)
    except members.LastLeaderError:
        return False
    return True


def demote(membership: Membership) -> bool:
    """Become a member; False where that is refused."""
    try:
        members.change_role(membership, Role.MEMBER, now=clock.now())
    except members.LastLeaderError:
        return False
    return True


class TestLastLeader:
    @pytest.mark.parametrize("first", [leave, demote])
    @pytest.mark.parametrize("second", [leave, demote])
    def test_of_two_who_go_at_once_the_second_stays(
        self,
        leaders: list[Membership],
        monkeypatch: pytest.MonkeyPatch,
        first: Callable[[Membership], bool],
        second: Callable[[Membership], bool],
    ) -> None:
        checked = Pause()
        monkeypatch.setattr(members, "_check_not_last", checked.after(members._check_not_last))
        going = begin(partial(first, leaders[0]))
        checked.wait_until_reached()

        following = begin(partial(second, leaders[1]))
        wait_for_lock_waiters()
        checked.let_go()

        assert (done(going), done(following)) == (True, False)
        assert Membership.objects.get(role=Role.LEADER) == leaders[1]


class TestInvitation:
    @pytest.fixture
    def invitation(self, leaders: list[Membership]) -> Invitation:
        """Return an invitation for Dave."""
        acme = Organization.objects.get()
        return invitations.invite(
            acme, email="dave@example.com", role=Role.MEMBER, by=leaders[0].user, now=clock.now()
        )[0]

    @pytest.fixture
    def joined(self, monkeypatch: pytest.MonkeyPatch) -> Pause:
        """Return the point at which somebody has joined and not committed."""
        pause = Pause()
        monkeypatch.setattr(members, "join", pause.after(members.join))
        return pause

    def test_that_the_same_person_accepts_twice_at_once_is_accepted_once(
        self, invitation: Invitation, joined: Pause
    ) -> None:
        dave = factories.make_user("dave")
        accept = partial(invitations.accept, invitation, dave, now=clock.now())
        first = begin(accept)
        joined.wait_until_reached()

        second = begin(accept)
        wait_for_lock_waiters()
        joined.let_go()

        assert done(first) == done(second)
        assert Membership.objects.filter(user=dave).count() == 1

    def test_that_another_person_gets_hold_of_is_accepted_once(
        self, invitation: Invitation, joined: Pause
    ) -> None:
        dave = factories.make_user("dave")
        first = begin(partial(invitations.accept, invitation, dave, now=clock.now()))
        joined.wait_until_reached()
        # The address moves to another account while the first acceptance is under way.
        eve = factories.make_user("eve")
        eve.email = "dave@example.com"

        second = begin(partial(invitations.accept, invitation, eve, now=clock.now()))
        wait_for_lock_waiters()
        joined.let_go()

        assert done(first).user == dave
        with pytest.raises(invitations.GoneError, match="accepted already"):
            done(second)
        assert not Membership.objects.filter(user=eve).exists()

    def test_that_is_revoked_while_it_is_accepted_stays_accepted(
        self, invitation: Invitation, joined: Pause
    ) -> None:
        dave = factories.make_user("dave")
        accepting = begin(partial(invitations.accept, invitation, dave, now=clock.now()))
        joined.wait_until_reached()

        revoking = begin(partial(invitations.revoke, invitation, now=clock.now()))
        wait_for_lock_waiters()
        joined.let_go()

        done(accepting)
        with pytest.raises(invitations.GoneError, match="remove the member instead"):
            done(revoking)
        assert Invitation.objects.get().revoked_at is None

    def test_that_two_leaders_send_at_once_is_sent_once(
        self, leaders: list[Membership], invitation: Invitation
    ) -> None:
        acme = Organization.objects.get()

        def invite(by: User) -> str:
            try:
                invitations.invite(
                    acme, email="eve@example.com", role=Role.MEMBER, by=by, now=clock.now()
                )
            except invitations.AlreadyInvitedError:
                return "refused"
            return "sent"

        sent = at_once([partial(invite, leader.user) for leader in leaders])

        assert sorted(sent) == ["refused", "sent"]
