"""The app that owns what is measured."""

from django.apps import AppConfig


class SeriesConfig(AppConfig):
    """Names the app and ends projects where their organization ends."""

    name = "series"
    verbose_name = "series"

    def ready(self) -> None:
        """Let projects end with their organization."""
        from bencher.tenancy import deletion
        from series import projects

        deletion.register(projects.delete_all_of)
