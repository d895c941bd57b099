"""The app that charges."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Names the app and connects what wakes it."""

    name = "billing"
    verbose_name = "billing"

    def ready(self) -> None:
        """Connect what wakes billing, and let plans begin and end with their organizations."""
        from bencher.tenancy import deletion, organizations
        from billing import (
            canceling,
            cover,
            receivers,  # noqa: F401 - connects itself
        )

        organizations.register(cover.begin)
        deletion.register_ending(canceling.end_with_organization)
