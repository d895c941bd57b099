"""The people of an organization: their roles, removing them, leaving."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bencher import clock, dates
from bencher.dates import Written
from bencher.tenancy import access, invitations, members
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.member_forms import InvitationForm, RoleForm
from bencher.tenancy.models import Invitation, Membership, Organization, Role

_READ_OR_POST = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as the list shows them; `form` is for leaders only."""

    uuid: UUID
    name: str
    email: str
    role: str
    since: Written
    is_you: bool
    form: RoleForm | None


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation that waits."""

    uuid: UUID
    email: str
    role: str
    sent: Written | None
    expires: Written
    has_expired: bool


@never_cache
@login_required
@require_safe
def members_of(request: SignedInRequest, organization: str) -> HttpResponse:
    """List the people of an organization, and for leaders who is invited."""
    found, leads = access.joined_by(request.user, organization)
    return page(request, found, leads=leads, form=InvitationForm())


@never_cache
@login_required
@_READ_OR_POST
def change_role(request: SignedInRequest, organization: str, member: UUID) -> HttpResponse:
    """Give a member another role. Signing in again on the way arrives here by GET."""
    found = access.led_by(request.user, organization, what="Roles")
    membership = _find(found, member)
    form = RoleForm(request.POST, prefix=str(member))
    if request.method != "POST" or not form.is_valid():
        return redirect("members", found.slug)
    role = Role(form.cleaned_data["role"])
    try:
        members.change_role(membership, role, now=clock.now())
    except members.LastLeaderError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{membership.user.email} is a {role.label.lower()} now.")
    return redirect("members", found.slug)


@never_cache
@login_required
@_READ_OR_POST
def remove(request: SignedInRequest, organization: str, member: UUID) -> HttpResponse:
    """Say what removing a member means; POST does it. Members may remove only themselves."""
    found, leads = access.joined_by(request.user, organization)
    membership = _find(found, member)
    leaves = membership.user_id == request.user.pk
    if not leads and not leaves:
        raise PermissionDenied(f"Only leaders of {found.name} remove others. You may leave it.")
    if request.method != "POST":
        context = {
            "organization": found,
            "leads": leads,
            "leaves": leaves,
            "email": membership.user.email,
            "member": member,
        }
        return render(request, "tenancy/member_remove.html", context)
    try:
        members.remove(membership)
    except members.LastLeaderError as error:
        messages.error(request, str(error))
        return redirect("members", found.slug)
    if leaves:
        messages.success(request, f"You have left {found.name}.")
        return redirect("organizations")
    messages.success(request, f"{membership.user.email} is removed.")
    return redirect("members", found.slug)


def page(
    request: SignedInRequest,
    organization: Organization,
    *,
    leads: bool,
    form: InvitationForm,
    status: int = 200,
) -> HttpResponse:
    """Return the page of an organization's people, with the form that invites."""
    now = clock.now()
    people = members.of(organization).order_by("user__name", "pk")
    waiting = invitations.waiting(organization).order_by("email") if leads else ()
    context = {
        "organization": organization,
        "leads": leads,
        "form": form,
        "members": [_row(member, leads=leads, you=request.user.pk) for member in people],
        "invitations": [_invitation(one, has_expired=one.expires_at <= now) for one in waiting],
    }
    return render(request, "tenancy/member_list.html", context, status=status)


def _row(membership: Membership, *, leads: bool, you: int) -> MemberRow:
    user = membership.user
    form = RoleForm(prefix=str(user.uuid), initial={"role": membership.role}) if leads else None
    return MemberRow(
        uuid=user.uuid,
        name=user.name,
        email=user.email,
        role=Role(membership.role).label,
        since=dates.day(membership.created_at),
        is_you=user.pk == you,
        form=form,
    )


def _invitation(invitation: Invitation, *, has_expired: bool) -> InvitationRow:
    return InvitationRow(
        uuid=invitation.uuid,
        email=invitation.email,
        role=Role(invitation.role).label,
        sent=dates.day(invitation.sent_at) if invitation.sent_at else None,
        expires=dates.day(invitation.expires_at),
        has_expired=has_expired,
    )


def _find(organization: Organization, member: UUID) -> Membership:
    found = members.of(organization).filter(user__uuid=member).first()
    if found is None:
        raise Http404(f"{organization.name} has no such member.")
    # The one that the request is about already; saves a query for it.
    found.organization = organization
    return found
