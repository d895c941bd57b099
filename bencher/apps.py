"""The site as an app: the clock's offset and the commands of a local run."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SiteConfig(AppConfig):
    """Names the app, and registers what only the whole site knows."""

    name = "bencher"
    verbose_name = "Audit and clock"

    def ready(self) -> None:
        """Register start-up checks, roles, and what keeps an organization from being deleted."""
        from bencher import checks, roles, running_plans  # noqa: F401 - checks register themselves
        from bencher.tenancy import deletion

        deletion.register(running_plans.refuse)
        post_migrate.connect(roles.establish, sender=self)
