"""The second factor of a local run's staff: an app that this machine is itself."""

import time
from typing import Final

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import decrypt

from bencher.tenancy import second_factor
from bencher.tenancy.models import User

STAFF: Final = "staff@example.com"
_STEP_SECONDS: Final = 30


def enroll(user: User) -> None:
    """Give a user an authenticator app, unless there is one."""
    if not second_factor.is_enrolled(user):
        totp.TOTP.activate(user, totp.generate_totp_secret())


def code_of(user: User) -> str:
    """Return the six digits that a user's app shows now. Raises Authenticator.DoesNotExist."""
    app = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
    counter = int(time.time()) // _STEP_SECONDS
    return totp.format_hotp_value(totp.hotp_value(decrypt(app.data["secret"]), counter))
