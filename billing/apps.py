"""The app that charges."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Names the app, connects what wakes it, and says what to erase."""

    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Connect what wakes billing, tie plans to organizations, register what names somebody."""
        from bencher.tenancy import deletion, organizations
        from billing import (
            bill_effects,
            canceling,
            cover,
            erasing,
            receivers,  # noqa: F401 - connects itself
        )

        organizations.register(cover.begin)
        deletion.register_ending(canceling.end_with_organization)
        deletion.register_telling(bill_effects.consequences_of_deletion)
        erasing.register_parts()
