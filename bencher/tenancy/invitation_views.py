"""Inviting people, sending again, revoking; and the page on which an invitation is accepted."""

from uuid import UUID

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bencher import clock, dates
from bencher.tenancy import access, invitation_mail, invitations, member_views, members
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.invitations import GoneError, InvitationError, OtherAddressError
from bencher.tenancy.member_forms import InvitationForm
from bencher.tenancy.models import Invitation, Organization, Role, User

_READ_OR_POST = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@login_required
@_READ_OR_POST
def invite(request: SignedInRequest, organization: str) -> HttpResponse:
    """Invite somebody. Signing in again on the way arrives here by GET."""
    found = access.led_by(request.user, organization, what="Invitations")
    if request.method != "POST":
        return redirect("members", found.slug)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return member_views.page(request, found, leads=True, form=form, status=422)
    try:
        invitation, token = invitations.invite(
            found,
            email=form.cleaned_data["email"],
            role=Role(form.cleaned_data["role"]),
            by=request.user,
            now=clock.now(),
        )
    except (InvitationError, members.AlreadyMemberError) as error:
        form.add_error("email", str(error))
        return member_views.page(request, found, leads=True, form=form, status=409)
    _send(request, invitation, token)
    return redirect("members", found.slug)


@never_cache
@login_required
@_READ_OR_POST
def resend(request: SignedInRequest, organization: str, invitation: UUID) -> HttpResponse:
    """Mail an invitation again, with a new link. Signing in again on the way comes by GET."""
    found = access.led_by(request.user, organization, what="Invitations")
    one = _find(found, invitation)
    if request.method == "POST":
        try:
            token = invitations.renew(one, now=clock.now())
        except InvitationError as error:
            messages.error(request, str(error))
        else:
            one.refresh_from_db()
            _send(request, one, token)
    return redirect("members", found.slug)


@never_cache
@login_required
@_READ_OR_POST
def revoke(request: SignedInRequest, organization: str, invitation: UUID) -> HttpResponse:
    """Revoke an invitation. Signing in again on the way arrives here by GET."""
    found = access.led_by(request.user, organization, what="Invitations")
    one = _find(found, invitation)
    if request.method == "POST":
        try:
            invitations.revoke(one, now=clock.now())
        except GoneError as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, f"The invitation of {one.email} is revoked; its link is dead."
            )
    return redirect("members", found.slug)


@never_cache
@_READ_OR_POST
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation to whoever has its link; POST by the invited person accepts it."""
    invitation = invitations.find(token)
    if invitation is None:
        raise Http404("There is no such invitation.")
    user = request.user if isinstance(request.user, User) else None
    try:
        if request.method == "POST" and user is not None:
            return _accept(request, invitation, user)
        invitations.check_is_open(invitation, now=clock.now())
        if user is not None:
            invitations.check_is_for(invitation, user)
        else:
            # Whoever has the link reads the mail of that address, so an account that is made for
            # it next need not prove it once more.
            get_adapter(request).stash_verified_email(request, invitation.email)
    except GoneError as error:
        return _refusal(request, invitation, error, status=410)
    except OtherAddressError as error:
        return _refusal(request, invitation, error, status=403)
    context = {
        "invitation": invitation,
        "inviter": invitation.invited_by,
        "role": Role(invitation.role).label.lower(),
        "expires": dates.moment(invitation.expires_at),
    }
    return render(request, "tenancy/invitation_detail.html", context)


def _accept(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    membership = invitations.accept(invitation, user, now=clock.now())
    organization = invitation.organization
    role = Role(membership.role).label.lower()
    messages.success(request, f"You belong to {organization.name} now, as a {role}.")
    return redirect("organization", organization.slug)


def _refusal(
    request: HttpRequest, invitation: Invitation, error: InvitationError, *, status: int
) -> HttpResponse:
    context = {"invitation": invitation, "why": str(error)}
    return render(request, "tenancy/invitation_refused.html", context, status=status)


def _send(request: SignedInRequest, invitation: Invitation, token: str) -> None:
    if invitation_mail.send(invitation, token, inviter=request.user.name):
        invitations.note_sent(invitation, now=clock.now())
        messages.success(request, f"The invitation is on its way to {invitation.email}.")
    else:
        messages.error(
            request,
            f"The mail server did not take the invitation to {invitation.email}. It is kept below:"
            " send it again in some minutes.",
        )


def _find(organization: Organization, invitation: UUID) -> Invitation:
    return get_object_or_404(Invitation, organization=organization, uuid=invitation)
