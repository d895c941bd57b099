"""A new password that was chosen with a mailed link proves the address that it was mailed to."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import password_reset
from django.dispatch import receiver

from bencher.tenancy.models import User


@receiver(password_reset, dispatch_uid="bencher.tenancy.address_proof")
def verify_only_address(user: User, **_: Any) -> None:
    """Verify the address of a user who has no verified one, as where a leader added them."""
    addresses = EmailAddress.objects.filter(user=user)
    if not addresses.filter(verified=True).exists():
        addresses.filter(email=user.email).update(verified=True)
