"""Forms with which staff add and change users, who have an e-mail address and no username."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    UserChangeForm,
)

from bencher.tenancy.models import User


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


class UserCreateForm(_Passwordless, _EmailInLowerCase, AdminUserCreationForm):  # type: ignore[type-arg]
    """Staff add a user."""

    class Meta:
        model = User
        fields = ("email", "name")


class PasswordForm(_Passwordless, AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Staff set the password of a user."""


class UserUpdateForm(_EmailInLowerCase, UserChangeForm):  # type: ignore[type-arg]
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
