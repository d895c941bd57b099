"""The organizations of whoever is signed in."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Membership, Role


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organization as the list shows it."""

    name: str
    slug: str
    role: str
    sees_billing: bool


@never_cache
@login_required
@require_safe
def organizations(request: SignedInRequest) -> HttpResponse:
    """List the organizations of the signed-in user."""
    memberships = (
        Membership.objects.filter(user=request.user, organization__deleted_at=None)
        .select_related("organization")
        .order_by("organization__name")
    )
    rows = [
        OrganizationRow(
            name=membership.organization.name,
            slug=membership.organization.slug,
            role=membership.get_role_display(),
            sees_billing=membership.role == Role.LEADER,
        )
        for membership in memberships
    ]
    return render(request, "tenancy/organization_list.html", {"organizations": rows})
