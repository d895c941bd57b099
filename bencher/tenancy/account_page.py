"""What the page of one's own account says."""

from collections.abc import Iterable
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator

from bencher.tenancy.models import User


@dataclass(frozen=True, slots=True)
class AccountPage:
    """An account as its owner sees it."""

    email: str
    # The address that was asked for and waits to be verified; empty for none.
    new_email: str
    has_password: bool
    second_factor: str
    is_protected: bool


def present(
    user: User, *, addresses: Iterable[EmailAddress], authenticators: Iterable[Authenticator]
) -> AccountPage:
    """Return what the page of an account says."""
    waiting = [row.email for row in addresses if not row.verified and row.email != user.email]
    types = [row.type for row in authenticators]
    apps = types.count(Authenticator.Type.TOTP)
    passkeys = types.count(Authenticator.Type.WEBAUTHN)
    return AccountPage(
        email=user.email,
        new_email=waiting[-1] if waiting else "",
        has_password=user.has_usable_password(),
        second_factor=_second_factor(apps=apps, passkeys=passkeys),
        is_protected=bool(apps or passkeys),
    )


def _second_factor(*, apps: int, passkeys: int) -> str:
    factors = ["an authenticator app"] if apps else []
    if passkeys:
        factors.append("a passkey" if passkeys == 1 else f"{passkeys} passkeys")
    return f"On, with {' and '.join(factors)}" if factors else "Off"
