"""Forms with which staff add and change users, who have an e-mail address and no username."""

from typing import TYPE_CHECKING

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


class UserUpdateForm(_EmailInLowerCase, UserChangeForm):  # type: ignore[type-arg]
    """Staff change a user."""

    class Meta:
        model = User
        fields = "__all__"
