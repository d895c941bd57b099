"""Forms with which staff add and change users, who have an e-mail address and no username."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm

from bencher.tenancy.models import User

if TYPE_CHECKING:
    _CreateForm, _ChangeForm = AdminUserCreationForm[User], UserChangeForm[User]
else:  # Only the type checker knows them as generic.
    _CreateForm, _ChangeForm = AdminUserCreationForm, UserChangeForm


class _EmailInLowerCase:
    """Stores an address in its one spelling, as the database demands."""

    cleaned_data: dict[str, str]

    def clean_email(self) -> str:
        """Return the address in lower case."""
        return self.cleaned_data["email"].lower()


class UserCreateForm(_EmailInLowerCase, AdminUserCreationForm):  # type: ignore[type-arg]
    """Staff add a user."""

    class Meta:
        model = User
        fields = ("email", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django's speaks of LDAP, which there is none of.
        self.fields["usable_password"].label = "Password"
        self.fields[
            "usable_password"
        ].help_text = (
            "Without one they sign in once they have set one by a link that is mailed to them."
        )


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
