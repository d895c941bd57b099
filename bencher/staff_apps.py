"""Puts the staff's site in the place of Django's own, and names others' apps on it.

A module of its own: in `bencher.apps` it would compete with the project's app for being found.
"""

from typing import Any, Final

from django.apps import apps
from django.contrib.admin.apps import AdminConfig

# By label: what their pages show, in the words that staff use.
_NAMES: Final = {
    "account": "Addresses",
    "auth": "Roles",
    "djstripe": "Stripe's objects, as mirrored",
    "mfa": "Second factors",
}


class StaffConfig(AdminConfig):
    """Django's admin, with our site."""

    default_site = "bencher.staff_site.StaffSite"

    def ready(self) -> None:
        """Name the apps of others."""
        super().ready()
        for label, name in _NAMES.items():
            # Classes of our own in INSTALLED_APPS would hide from the type checker which they are.
            other: Any = apps.get_app_config(label)
            other.verbose_name = name
