"""What django-allauth asks this site: who a new user is, what is mailed, and in which words."""

import logging
from base64 import urlsafe_b64encode
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.urls import reverse

from bencher import clock, dates
from bencher.rest.address_limit import client_address
from bencher.tenancy.models import User

logger = logging.getLogger(__name__)

_TOO_MANY = "That was too often. Wait a few minutes, then try again."
_WRONG_CODE = (
    "That code is not right, or it was used before. Enter the code that your app shows now, or a"
    " recovery code that you have not used."
)


def name_of(user: User) -> str:
    """Return how a user is called."""
    return user.name


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of people who have an e-mail address, a name, and no username."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is switched off. Ask the people who run this site.",
        "duplicate_email": "This is your address already. Enter another one to change it.",
        "email_password_mismatch": (
            "No account has this e-mail address with this password. Check both; upper and lower"
            " case matter in the password."
        ),
        "enter_current_password": "This is not your current password. Enter it once more.",
        "incorrect_password": "This is not your password. Enter it once more.",
        "rate_limited": _TOO_MANY,
        "too_many_login_attempts": (
            "There were too many attempts to sign in. Wait five minutes, then try again, or choose"
            " a new password."
        ),
    }

    def save_user(
        self, request: HttpRequest, user: AbstractBaseUser, form: BaseForm, commit: bool = True
    ) -> User:
        """Create the user that a sign-up form describes.

        The address is still to be verified, unless an invitation that was mailed to it led here:
        whoever reads that calls `stash_verified_email`.
        """
        email = form.cleaned_data["email"]
        verified = self.is_email_verified(request, email)
        self.unstash_verified_email(request)
        return User.objects.create_user(
            email,
            name=form.cleaned_data["name"],
            password=form.cleaned_data["password1"],
            now=clock.now(),
            address_is_verified=verified,
        )

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Verify an address and make it its user's; False where another user has it by now."""
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            messages.error(
                request,
                f"{email_address.email} can't become your address: another account has it.",
            )
            return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that attempts are counted for."""
        return client_address(request)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """Return the link that verifies an address, on the site that the settings name."""
        return _site(reverse("account_confirm_email", args=[emailconfirmation.key]))

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link to a new password, on the site that the settings name."""
        uid, _, token = key.partition("-")
        return _site(reverse("account_reset_password_from_key", args=[uid, token]))

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return where one goes on after the password was changed."""
        return reverse("account")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail; where that fails, say so and go on, as the way to send it anew is known."""
        own = {
            "site": settings.BASE_URL,
            "signup_url": _site(reverse("account_signup")),
            "password_reset_request_url": _site(reverse("account_reset_password")),
        }
        try:
            super().send_mail(template_prefix, email, context | own)
        except (OSError, SMTPException):
            logger.exception("a mail about an account was not sent: %s", template_prefix)
            messages.error(
                self.request,
                "The mail could not be sent just now. Try the same again in a few minutes.",
            )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: AbstractBaseUser,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell a user by mail what was changed in their account, when, and from where."""
        written = {"timestamp": dates.moment(clock.now()).text}
        super().send_notification_mail(template_prefix, user, (context or {}) | written, email)


class SecondFactorAdapter(DefaultMFAAdapter):
    """Second factors, whose secrets are encrypted in the database."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_generate_recovery_codes": (
            "Recovery codes stand in for a second factor. Add an app or a passkey first."
        ),
        "incorrect_code": _WRONG_CODE,
        "unverified_email": "Verify your e-mail address first: follow the link that was mailed.",
    }

    def encrypt(self, text: str) -> str:
        """Return a secret as it is stored."""
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a secret that was stored. Raises InvalidToken where no key that we have fits."""
        try:
            return _fernet().decrypt(encrypted_text).decode()
        except InvalidToken:
            logger.exception("a second factor can't be read: SECRET_KEY_FALLBACKS lacks its key")
            raise

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        """Return the name that a new passkey gets where its owner gives it none."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return f"Passkey {number}"


def _site(path: str) -> str:
    # Never from the request: who asks for somebody's mail must not choose where its links lead.
    return f"{settings.BASE_URL}{path}"


def _fernet() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"bencher second factors")
    return urlsafe_b64encode(derive.derive(key.encode()))
