"""Making and finding users."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db import transaction

from bencher import clock
from bencher.tenancy import slugs

if TYPE_CHECKING:
    from bencher.tenancy.models import User


class UserManager(BaseUserManager["User"]):
    """Users by e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with that address; management commands come through here."""
        return self.get(email=(username or "").lower())

    def create_user(
        self,
        email: str,
        *,
        name: str,
        password: str | None,
        now: datetime,
        address_is_verified: bool = False,
        **flags: bool,
    ) -> "User":
        """Create a user with an address; without a password nobody can sign in as them yet.

        Nobody signs in with an address that is not verified: they are sent a link first. Only
        whoever answers for the address, as an operator does, may say that it is.
        """
        # Its models refer to ours.
        from allauth.account.models import EmailAddress

        slug = slugs.free_slug(name, taken=lambda slug: self.filter(slug=slug).exists())
        user = self.model(email=email.lower(), name=name, slug=slug, created_at=now, **flags)
        user.set_password(password)
        with transaction.atomic():
            user.save(force_insert=True)
            EmailAddress.objects.create(
                user=user, email=user.email, verified=address_is_verified, primary=True
            )
        return user

    def create_superuser(self, email: str, name: str, password: str, **_: Any) -> "User":
        """Create a staff user who may do everything; `manage.py createsuperuser` calls this."""
        return self.create_user(
            email,
            name=name,
            password=password,
            now=clock.now(),
            address_is_verified=True,
            is_staff=True,
            is_superuser=True,
        )
