"""Making and finding users."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager

from bencher import clock
from bencher.tenancy import slugs

if TYPE_CHECKING:
    from bencher.tenancy.models import User


class UserManager(BaseUserManager["User"]):
    """Users by e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with that address; sign-in comes through here."""
        return self.get(email=(username or "").lower())

    def create_user(
        self, email: str, *, name: str, password: str | None, now: datetime, **flags: bool
    ) -> "User":
        """Create a user; without a password nobody can sign in as them yet."""
        slug = slugs.free_slug(name, taken=lambda slug: self.filter(slug=slug).exists())
        user = self.model(email=email.lower(), name=name, slug=slug, created_at=now, **flags)
        user.set_password(password)
        user.save(force_insert=True)
        return user

    def create_superuser(self, email: str, name: str, password: str, **_: Any) -> "User":
        """Create a staff user who may do everything; `manage.py createsuperuser` calls this."""
        return self.create_user(
            email, name=name, password=password, now=clock.now(), is_staff=True, is_superuser=True
        )
