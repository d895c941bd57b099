"""The addresses of organizations, members and users, under /v0."""

from django.urls import path

from bencher.tenancy.api import members, organizations, users

urlpatterns = [
    path("organizations", organizations.OrganizationList.as_view()),
    path("organizations/<str:organization>", organizations.OrganizationDetail.as_view()),
    path(
        "organizations/<str:organization>/allowed/<str:permission>",
        organizations.OrganizationAllowed.as_view(),
    ),
    path("organizations/<str:organization>/members", members.MemberList.as_view()),
    path("organizations/<str:organization>/members/<str:user>", members.MemberDetail.as_view()),
    path("users/<str:user>", users.UserDetail.as_view()),
    path("users/<str:user>/keys", users.UserKeyList.as_view()),
    path("users/<str:user>/keys/<str:key>", users.UserKeyDetail.as_view()),
]
