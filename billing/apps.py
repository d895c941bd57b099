"""The app that charges."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Names the app and connects what wakes it."""

    name = "billing"
    verbose_name = "billing"

    def ready(self) -> None:
        """Connect the receivers of report hints and of Stripe's webhooks."""
        from billing import receivers  # noqa: F401 - connects itself
