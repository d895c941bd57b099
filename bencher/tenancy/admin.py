"""Users, organizations, their people and their keys, for staff."""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.db import transaction
from django.http import HttpRequest

from bencher import clock
from bencher.read_only_admin import LongListAdmin, ReadOnlyAdmin
from bencher.reasoned_action import action
from bencher.tenancy import impersonating, lost_factor, slugs
from bencher.tenancy.forms import UserCreateForm, UserUpdateForm
from bencher.tenancy.models import Invitation, Membership, Organization, User, UserKey

if TYPE_CHECKING:
    _UserAdmin = auth_admin.UserAdmin[User]
else:  # Only the type checker knows it as generic.
    _UserAdmin = auth_admin.UserAdmin


@admin.register(User)
class UserAdmin(LongListAdmin, _UserAdmin):
    """People, who sign in with an e-mail address."""

    add_form = UserCreateForm
    form = UserUpdateForm
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "slug", "uuid")
    actions = (action(impersonating.VERB), action(lost_factor.REMOVE))
    ordering = ("email",)
    readonly_fields = ("uuid", "slug", "created_at", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Permissions one by one", {"fields": ("user_permissions",), "classes": ("collapse",)}),
        ("Set by the system", {"fields": ("uuid", "slug", "created_at", "last_login")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Add what the form does not ask for; another address is still to be verified."""
        if not change:
            obj.slug = slugs.free_slug(
                obj.name, taken=lambda slug: User.objects.filter(slug=slug).exists()
            )
            obj.created_at = clock.now()
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if "email" in form.changed_data:
                # In its place: the old one must not sign in any more.
                EmailAddress.objects.filter(user=obj).delete()
                EmailAddress.objects.create(user=obj, email=obj.email, primary=True)


# Theirs would let staff verify and write anything, without a reason.
for _model in (EmailAddress, Authenticator):
    admin.site.unregister(_model)


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    """Addresses of people, and those that are to take their place."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    search_fields = ("email",)
    list_select_related = ("user",)
    ordering = ("email",)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Apps, passkeys and recovery codes; their secrets are not shown."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("user__email", "type")
    fields = ("user", "type", "created_at", "last_used_at")


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Customers. They are founded by `manage.py add_organization`, with their leader."""

    list_display = ("name", "slug", "private_until", "created_at", "deleted_at")
    search_fields = (
        "slug",
        "uuid",
        "memberships__user__email",
        "billing_customer__stripe_customer_id",
        "plans__stripe_subscription_id",
    )
    fields = (
        "name",
        "slug",
        "uuid",
        "private_until",
        "created_at",
        "modified_at",
        "deleted_at",
    )


@admin.register(Membership)
class MembershipAdmin(LongListAdmin):
    """Who belongs to which organization, and as what."""

    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__slug", "organization__uuid")
    autocomplete_fields = ("user", "organization")
    readonly_fields = ("created_at", "modified_at")

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Add what the form does not ask for."""
        now = clock.now()
        if change:
            obj.modified_at = now
        else:
            obj.created_at = now
        super().save_model(request, obj, form, change)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Who was asked to join which organization. The hash of the link is never shown."""

    list_display = (
        "email",
        "organization",
        "role",
        "created_at",
        "sent_at",
        "expires_at",
        "accepted_at",
        "revoked_at",
    )
    list_select_related = ("organization",)
    search_fields = ("email", "organization__slug", "organization__uuid")
    fields = (
        "email",
        "organization",
        "role",
        "uuid",
        "invited_by",
        "created_at",
        "sent_at",
        "expires_at",
        "accepted_at",
        "accepted_by",
        "revoked_at",
    )


@admin.register(UserKey)
class UserKeyAdmin(ReadOnlyAdmin):
    """Keys of users. The hash is never shown."""

    list_display = ("prefix", "name", "user", "created_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("prefix", "user__email", "uuid")
    fields = (
        "prefix",
        "name",
        "uuid",
        "user",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
