"""The site as an app: the clock's offset and the commands of a local run."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Names the app, and registers what only the whole site knows."""

    name = "bencher"
    verbose_name = "site"

    def ready(self) -> None:
        """Register the start-up checks, and what keeps an organization from being deleted."""
        from bencher import checks, running_plans  # noqa: F401 - the checks register themselves
        from bencher.tenancy import deletion

        deletion.register(running_plans.refuse)
