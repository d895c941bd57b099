"""The forms of accounts, as django-allauth checks them and as this site words them."""

from typing import Any

from allauth.account import forms as account
from allauth.account.adapter import get_adapter
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings as second_factors
from allauth.mfa.adapter import get_adapter as get_second_factor_adapter
from allauth.mfa.base import forms as second_factor
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from bencher.tenancy.models import User

_GOOD = "At least 12 characters, and not one that many people use."


class _Worded(forms.Form):
    """Gives fields this site's labels and autocomplete; placeholders vanish when one types."""

    # For each field: its label, its help, and what a browser may fill in.
    words: dict[str, tuple[str, str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            attributes = field.widget.attrs
            attributes.pop("placeholder", None)
            if name in self.words:
                field.label, field.help_text, attributes["autocomplete"] = self.words[name]
            if attributes.get("autocomplete") == "one-time-code":
                attributes |= {"inputmode": "numeric", "autocapitalize": "off"}


class SignInForm(_Worded, account.LoginForm):
    """Signing in by e-mail address and password."""

    words = {
        "login": ("E-mail address", "", "username"),
        "password": ("Password", "", "current-password"),
    }


class SignUpForm(_Worded, account.SignupForm):  # type: ignore[misc]
    """Making an account."""

    name = forms.CharField(max_length=64)
    field_order = ("name", "email", "password1")
    words = {
        "name": ("Your name", "Shown to the people of your organizations.", "name"),
        "email": ("E-mail address", "You are sent a link to verify it.", "username"),
        "password1": ("Password", _GOOD, "new-password"),
    }

    def save(self, request: HttpRequest) -> AbstractBaseUser:
        """Create the user, together with the address."""
        return get_adapter().save_user(request, User(), self)

    def try_save(self, request: HttpRequest) -> tuple[AbstractBaseUser | None, HttpResponse | None]:
        """Create the account, or answer as if where the address has one, also since a moment."""
        try:
            with transaction.atomic():
                return super().try_save(request)  # type: ignore[no-any-return]
        except IntegrityError:
            if not User.objects.filter(email=self.cleaned_data["email"]).exists():
                raise
            self.account_already_exists = True
            return super().try_save(request)  # type: ignore[no-any-return]


class ChangeEmailForm(_Worded, account.AddEmailForm):
    """Wanting another e-mail address."""

    words = {"email": ("New e-mail address", "You are sent a link to verify it.", "email")}


class ChangePasswordForm(_Worded, account.ChangePasswordForm):
    """Changing the password."""

    words = {
        "oldpassword": ("Current password", "", "current-password"),
        "password1": ("New password", _GOOD, "new-password"),
        "password2": ("New password again", "", "new-password"),
    }


class SetPasswordForm(_Worded, account.SetPasswordForm):
    """Choosing a first password."""

    words = {
        "password1": ("Password", _GOOD, "new-password"),
        "password2": ("Password again", "", "new-password"),
    }


class ResetPasswordForm(_Worded, account.ResetPasswordForm):
    """Asking for a link to a new password."""

    words = {"email": ("E-mail address", "", "username")}


class ResetPasswordKeyForm(_Worded, account.ResetPasswordKeyForm):
    """Choosing a new password by a mailed link."""

    words = {
        "password1": ("New password", _GOOD, "new-password"),
        "password2": ("New password again", "", "new-password"),
    }


class ConfirmPasswordForm(_Worded, account.ReauthenticateForm):
    """Confirming with the password that it is really you."""

    words = {"password": ("Password", "", "current-password")}


_CODE = {"code": ("Code", "Six digits from your app, or a recovery code.", "one-time-code")}


class _Once(second_factor.BaseAuthenticateForm):
    """Takes no code twice, for as long as it is right.

    django-allauth remembers a code for one period only, as if none beside it were taken.
    """

    def clean_code(self) -> str:
        """Return the code. Raises ValidationError where it is wrong or was used."""
        code = super().clean_code()
        seconds = second_factors.TOTP_PERIOD * (2 * second_factors.TOTP_TOLERANCE + 1)
        # "123 456" is the same code.
        used = f"used-code-{self.user.pk}-{normalize_user_code(code)}"
        if not cache.add(used, True, timeout=seconds):
            raise get_second_factor_adapter().validation_error("incorrect_code")
        return code


class SecondFactorForm(_Worded, _Once, second_factor.AuthenticateForm):
    """The second step of signing in."""

    words = _CODE


class ConfirmSecondFactorForm(_Worded, _Once, second_factor.ReauthenticateForm):
    """Confirming with a second factor that it is really you."""

    words = _CODE


class ActivateAppForm(_Worded, ActivateTOTPForm):
    """Showing that an authenticator app has the secret."""

    words = {"code": ("Code", "The six digits that your app shows now.", "one-time-code")}


_PASSKEY_NAME = ("Name", "To tell it from your others, such as “work laptop”.", "off")


class AddPasskeyForm(_Worded, AddWebAuthnForm):
    """Adding a passkey or a security key."""

    words = {
        "name": _PASSKEY_NAME,
        "passwordless": (
            "Sign in with it alone, without the password",
            "Then it asks for your fingerprint, face or PIN.",
            "off",
        ),
    }


class RenamePasskeyForm(_Worded, EditWebAuthnForm):
    """Renaming a passkey."""

    words = {"name": _PASSKEY_NAME}


class NameForm(_Worded, forms.ModelForm):  # type: ignore[type-arg]
    """Changing one's name."""

    words = {"name": ("Your name", "Shown to the people of your organizations.", "name")}

    class Meta:
        model = User
        fields = ("name",)
