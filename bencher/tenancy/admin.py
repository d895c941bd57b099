"""Users, organizations, their people and their keys, for staff."""

from collections.abc import Callable
from functools import wraps
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, TypeVar, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern

from bencher import auditing, clock
from bencher.read_only_admin import LongListAdmin, ReadOnlyAdmin
from bencher.reasoned_action import MAX_LENGTH, action
from bencher.tenancy import impersonating, lost_factor, members, second_factor, slugs
from bencher.tenancy.forms import (
    GroupForm,
    MembershipForm,
    PasswordForm,
    UserCreateForm,
    UserUpdateForm,
)
from bencher.tenancy.models import Invitation, Membership, Organization, Role, User, UserKey

_SAFE = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})
_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])

if TYPE_CHECKING:
    _UserAdmin = auth_admin.UserAdmin[User]
else:  # Only the type checker knows it as generic.
    _UserAdmin = auth_admin.UserAdmin


class _OfSuperusers:
    """What opens accounts: changed by superusers alone, who show that it is them and say why.

    A right that is given one by one is not enough: whoever changes people could make themselves
    more than they are. Forms are `ReasonedForm`s.
    """

    delete_confirmation_template: Any = "admin/delete_with_reason.html"

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Return whether it is a superuser who asks."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether it is a superuser who asks."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether it is a superuser who asks."""
        return bool(request.user.is_superuser)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask whoever may change something for the reason, below everything else."""
        found = super().get_fieldsets(request, obj)  # type: ignore[misc]
        asked = ("Why", {"fields": ("reason",)})
        return (*found, asked) if self.has_change_permission(request, obj) else found

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or change a row, and have the audit keep why."""
        with auditing.context(why=_reason(request)):
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Delete a row for a reason, and have the audit keep it."""
        if request.POST and self.has_delete_permission(request) and not _reason(request):
            messages.error(request, "Say why: it is kept with what was deleted. Nothing was done.")
            return redirect(request.get_full_path())
        with auditing.context(why=_reason(request)):
            return super().delete_view(request, *args, **kwargs)  # type: ignore[misc]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer verbs alone: who loses a right loses it by name."""
        offered: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        return {name: found for name, found in offered.items() if name != "delete_selected"}

    def get_urls(self) -> list[URLPattern]:
        """Ask for a confirmation before anything is posted; verbs of the list ask by themselves."""
        found: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        for pattern in found:
            if not str(pattern.name).endswith("_changelist"):
                pattern.callback = _confirmed(pattern.callback)
        return found


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:MAX_LENGTH]


def _confirmed(view: _View) -> _View:
    @wraps(view)
    def confirmed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if (
            request.method in _SAFE
            or not (request.user.is_superuser and second_factor.is_shown(request))
            or second_factor.confirmed_lately(request)
        ):
            return view(request, *args, **kwargs)
        messages.warning(request, "Nothing was saved yet: show that it is you, then do it again.")
        return second_factor.ask_again(request)

    return cast(_View, confirmed)


@admin.register(User)
class UserAdmin(_OfSuperusers, LongListAdmin, _UserAdmin):
    """People, who sign in with an e-mail address."""

    add_form = UserCreateForm
    change_password_form = PasswordForm
    form = UserUpdateForm
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "slug", "uuid")
    actions = (action(impersonating.VERB), action(lost_factor.REMOVE))
    ordering = ("email",)
    # Two boxes for the roles; of single permissions there are hundreds, which nobody should need.
    filter_horizontal = ()
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

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: `manage.py erase` blanks people, and keeps what they did."""
        return False

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
for _model in (EmailAddress, Authenticator, Group):
    admin.site.unregister(_model)


@admin.register(Group)
class GroupAdmin(_OfSuperusers, LongListAdmin, auth_admin.GroupAdmin):
    """Roles of staff. `migrate` gives viewer and billing what they are meant to have."""

    form = GroupForm
    fields = ("name", "permissions")
    search_fields = ()
    # Boxes that Django's script draws can be told apart by color only, and don't say what they are.
    filter_horizontal = ()


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
class MembershipAdmin(_OfSuperusers, LongListAdmin):
    """Who belongs to which organization, and as what."""

    form = MembershipForm
    fields = ("user", "organization", "role", "created_at", "modified_at")
    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__slug", "organization__uuid")
    autocomplete_fields = ("user", "organization")
    readonly_fields = ("created_at", "modified_at")

    class Media:
        js = ("admin-autocomplete.js",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let nobody's membership become somebody else's, or one of another organization."""
        return (*self.readonly_fields, "user", "organization") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Add what the form does not ask for. Raises LastLeaderError."""
        if change:
            members.change_role(Membership.objects.get(pk=obj.pk), Role(obj.role), now=clock.now())
        else:
            obj.created_at = clock.now()
            super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Take somebody out of an organization. Raises LastLeaderError."""
        members.remove(obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or change a membership, or say why it stays. Raises BadRequest for nobody's key."""
        self._refuse_what_is_no_key(request)
        try:
            return super().changeform_view(request, *args, **kwargs)
        except members.LastLeaderError as error:
            return _refused(request, error)

    def _refuse_what_is_no_key(self, request: HttpRequest) -> None:
        # Their fields look for what was sent before anybody looks whether it is one.
        for name in self.autocomplete_fields:
            for given in (*request.GET.getlist(name), *request.POST.getlist(name)):
                if given and not given.isdecimal():
                    raise BadRequest(f"The address or the form names no {name} that exists.")

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Delete a membership, or say why it stays."""
        try:
            return super().delete_view(request, *args, **kwargs)
        except members.LastLeaderError as error:
            return _refused(request, error)


def _refused(request: HttpRequest, why: Exception) -> HttpResponse:
    messages.error(request, str(why))
    return redirect(request.get_full_path())


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
