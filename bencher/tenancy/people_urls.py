"""The addresses of organizations, of their people, and of a person's keys."""

from django.urls import path

from bencher.tenancy import (
    invitation_views,
    key_views,
    member_views,
    organization_views,
    views,
)

_ORGANIZATION = "organizations/<slug:organization>/"
_MEMBER = f"{_ORGANIZATION}members/<uuid:member>/"
_INVITATIONS = f"{_ORGANIZATION}invitations/"

urlpatterns = [
    path("account/keys/", key_views.keys, name="keys"),
    path("account/keys/<uuid:key>/revoke/", key_views.revoke, name="key-revoke"),
    path("invitations/<str:token>/", invitation_views.answer, name="invitation"),
    path("organizations/", views.organizations, name="organizations"),
    # Before all that have a slug in this place.
    path("organizations/new/", organization_views.new, name="organization-new"),
    path(f"{_ORGANIZATION}settings/", organization_views.settings, name="organization-settings"),
    path(f"{_ORGANIZATION}delete/", organization_views.delete, name="organization-delete"),
    path(f"{_ORGANIZATION}members/", member_views.members_of, name="members"),
    path(f"{_MEMBER}role/", member_views.change_role, name="member-role"),
    path(f"{_MEMBER}remove/", member_views.remove, name="member-remove"),
    path(_INVITATIONS, invitation_views.invite, name="invitation-new"),
    path(
        f"{_INVITATIONS}<uuid:invitation>/resend/",
        invitation_views.resend,
        name="invitation-resend",
    ),
    path(
        f"{_INVITATIONS}<uuid:invitation>/revoke/",
        invitation_views.revoke,
        name="invitation-revoke",
    ),
]
