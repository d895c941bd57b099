"""The app that owns users, organizations, members and keys."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """Names the app."""

    name = "bencher.tenancy"
    label = "tenancy"
    verbose_name = "People and organizations"

    def ready(self) -> None:
        """Listen to what proves addresses."""
        from bencher.tenancy import address_proof  # noqa: F401 - it registers itself
