"""The site as an app: the clock's offset and the commands of a local run."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Names the app, and registers the checks of the settings."""

    name = "bencher"
    verbose_name = "site"

    def ready(self) -> None:
        """Register the start-up checks."""
        from bencher import checks  # noqa: F401 - registers itself
