"""Forms with which staff change people, memberships and roles. Users have no username."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    UserChangeForm,
)
from django.contrib.auth.models import Group

from bencher.reasoned_action import ReasonedForm
from bencher.tenancy.models import Membership, User


class _EmailInLowerCase:
    """Stores an address in its one spelling, as the database demands."""

    cleaned_data: dict[str, str]

    def clean_email(self) -> str:
        """Return the address in lower case."""
        return self.cleaned_data["email"].lower()


class _Passwordless:
    """Says what it means to have no password; Django's words speak of LDAP, which is not here."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["usable_password"]
        choice.label = "Sign in with a password"
        choice.help_text = "Otherwise they set one themselves, by a link that is mailed to them."


class UserCreateForm(ReasonedForm, _Passwordless, _EmailInLowerCase, AdminUserCreationForm):  # type: ignore[type-arg]
    """Staff add a user."""

    class Meta:
        model = User
        fields = ("email", "name")


class PasswordForm(_Passwordless, AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Staff set the password of a user."""


class UserUpdateForm(ReasonedForm, _EmailInLowerCase, UserChangeForm):  # type: ignore[type-arg]
    """Staff change a user."""

    class Meta:
        model = User
        fields = "__all__"
        widgets: ClassVar = {"groups": forms.CheckboxSelectMultiple}
        labels: ClassVar = {
            "is_active": "Active",
            "is_staff": "Staff",
            "is_superuser": "Superuser",
            "groups": "Roles",
        }
        help_texts: ClassVar = {
            "is_active": "Who is not can't sign in; nothing of theirs is removed.",
            "is_staff": "Opens the staff's pages, once they have a second factor.",
            "is_superuser": "May do everything on them, without any role.",
            "groups": "Viewers see all pages; billing acts on money, too.",
        }


class MembershipForm(ReasonedForm, forms.ModelForm):  # type: ignore[type-arg]
    """Staff add or change a membership."""

    class Meta:
        model = Membership
        fields = ("user", "organization", "role")


class GroupForm(ReasonedForm, forms.ModelForm):  # type: ignore[type-arg]
    """Staff add or change a role of staff."""

    class Meta:
        model = Group
        fields = ("name", "permissions")
