"""Inviting people by e-mail, and accepting an invitation.

The mailed link is the only place where the token is in clear. It opens nothing by itself: whoever
accepts must be signed in with the address that it was mailed to.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from bencher.db import transaction_required
from bencher.tenancy import members
from bencher.tenancy.models import Invitation, Membership, Organization, Role, User

LIFETIME = timedelta(days=7)
# Nobody's mailbox is to be filled from here.
_MAIL_AGAIN_AFTER = timedelta(minutes=1)
_OPEN_AT_MOST = 100
_TOKEN_BYTES = 32


class InvitationError(Exception):
    """Something can't be done with an invitation; the message says what and what to do."""


class AlreadyInvitedError(InvitationError):
    """The address has an open invitation to the organization."""


class TooManyError(InvitationError):
    """The organization has as many open invitations as it may, or has just sent this one."""


class GoneError(InvitationError):
    """The invitation was accepted or revoked, or has expired, or its organization is deleted."""


class OtherAddressError(InvitationError):
    """The invitation was mailed to somebody else."""


def waiting(organization: Organization) -> QuerySet[Invitation]:
    """Return the invitations that are neither accepted nor revoked, expired ones included."""
    return Invitation.objects.filter(organization=organization, accepted_at=None, revoked_at=None)


def find(token: str) -> Invitation | None:
    """Return the invitation of a link, whatever has become of it, None where there is none."""
    found = Invitation.objects.select_related("organization", "invited_by")
    return found.filter(token_hash=_hash(token)).first()


def invite(
    organization: Organization, *, email: str, role: Role, by: User, now: datetime
) -> tuple[Invitation, str]:
    """Store an invitation and return it with the token of its link, which is yet to be mailed.

    Raises AlreadyMemberError, AlreadyInvitedError and TooManyError.
    """
    email = email.lower()
    if members.of(organization).filter(user__email=email).exists():
        raise members.AlreadyMemberError(email, organization)
    _check_rate(organization, email, now=now)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                organization=organization,
                email=email,
                role=role,
                token_hash=_hash(token),
                invited_by=by,
                created_at=now,
                expires_at=now + LIFETIME,
            )
    except IntegrityError as error:
        raise AlreadyInvitedError(
            f"{email} has an invitation already. Send it again, or revoke it to change the role."
        ) from error
    return invitation, token


def renew(invitation: Invitation, *, now: datetime) -> str:
    """Give an invitation a new link and its full time again; returns the token, yet to be mailed.

    The old link stops working. Raises GoneError and TooManyError.
    """
    with transaction.atomic():
        locked = _lock(invitation)
        _check_waits(locked)
        if locked.sent_at is not None and now - locked.sent_at < _MAIL_AGAIN_AFTER:
            raise TooManyError(_wait(locked.email))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        locked.token_hash, locked.expires_at = _hash(token), now + LIFETIME
        locked.save(update_fields=["token_hash", "expires_at"])
    return token


def note_sent(invitation: Invitation, *, now: datetime) -> None:
    """Remember that a mail server has taken the invitation."""
    Invitation.objects.filter(pk=invitation.pk).update(sent_at=now)


def revoke(invitation: Invitation, *, now: datetime) -> None:
    """Make the link of an invitation useless. Raises GoneError where somebody has accepted it."""
    with transaction.atomic():
        locked = _lock(invitation)
        if locked.accepted_at is not None:
            raise GoneError(
                f"{locked.email} has accepted the invitation: remove the member instead."
            )
        if locked.revoked_at is None:
            locked.revoked_at = now
            locked.save(update_fields=["revoked_at"])


def check_is_open(invitation: Invitation, *, now: datetime) -> None:
    """Refuse an invitation that can't be accepted any more. Raises GoneError."""
    _check_waits(invitation)
    if invitation.expires_at <= now:
        raise GoneError(
            f"This invitation has expired. Ask a leader of {invitation.organization.name} to send"
            " it again."
        )


def check_is_for(invitation: Invitation, user: User) -> None:
    """Refuse whoever has another address than the invited one. Raises OtherAddressError."""
    if user.email != invitation.email:
        raise OtherAddressError(
            f"This invitation was sent to {invitation.email}, and you are signed in as"
            f" {user.email}. Sign out and in again with that address, or ask a leader of"
            f" {invitation.organization.name} to invite {user.email}."
        )


def accept(invitation: Invitation, user: User, *, now: datetime) -> Membership:
    """Make a user a member; who is one already keeps the role. A repeat changes nothing.

    Raises GoneError and OtherAddressError.
    """
    with transaction.atomic():
        # Locked: of two who accept at once the second must see that it is taken.
        locked = _lock(invitation)
        if locked.accepted_by_id == user.pk:
            joined = members.of(locked.organization).filter(user=user).first()
            if joined is not None:
                return joined
        check_is_open(locked, now=now)
        check_is_for(locked, user)
        membership = _join(locked, user, now=now)
        locked.accepted_at, locked.accepted_by = now, user
        locked.save(update_fields=["accepted_at", "accepted_by"])
    return membership


@transaction_required
def _join(invitation: Invitation, user: User, *, now: datetime) -> Membership:
    try:
        return members.join(invitation.organization, user, role=Role(invitation.role), now=now)
    except members.AlreadyMemberError:
        return members.of(invitation.organization).get(user=user)


@transaction_required
def _lock(invitation: Invitation) -> Invitation:
    found = Invitation.objects.select_related("organization")
    return found.select_for_update(of=("self",)).get(pk=invitation.pk)


def _check_waits(invitation: Invitation) -> None:
    name = invitation.organization.name
    if invitation.organization.deleted_at is not None:
        raise GoneError(f"{name} does not exist any more.")
    if invitation.accepted_at is not None:
        raise GoneError("This invitation was accepted already; it can be used only once.")
    if invitation.revoked_at is not None:
        raise GoneError(
            f"This invitation was taken back. Ask a leader of {name} if you should have another."
        )


def _check_rate(organization: Organization, email: str, *, now: datetime) -> None:
    # Counted without a lock: two at once may pass, and one more does no harm.
    if waiting(organization).count() >= _OPEN_AT_MOST:
        raise TooManyError(
            f"{_OPEN_AT_MOST} invitations are open, and more can't be. Revoke some of them first."
        )
    sent = Invitation.objects.filter(organization=organization, email=email)
    if sent.filter(sent_at__gt=now - _MAIL_AGAIN_AFTER, accepted_at=None).exists():
        raise TooManyError(_wait(email))


def _wait(email: str) -> str:
    return f"{email} was written to less than a minute ago. Wait a minute, then send again."


def _hash(token: str) -> bytes:
    """Return the SHA-256 of a token; it is random, so it needs no salt and no stretching."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
