"""The app that owns what is measured."""

from django.apps import AppConfig


class SeriesConfig(AppConfig):
    """Names the app, ends projects with their organization, and says what to erase."""

    name = "series"
    verbose_name = "Projects and series"

    def ready(self) -> None:
        """Let projects end with their organization, and register what names somebody."""
        from bencher.tenancy import deletion
        from series import erasing, projects

        deletion.register(projects.delete_all_of)
        deletion.register_telling(projects.consequences_of_deleting_all)
        erasing.register_parts()
