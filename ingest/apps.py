"""The app that takes reports in."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Names the app and hands its recount to those who must not know it."""

    name = "ingest"
    verbose_name = "reports"

    def ready(self) -> None:
        """Register the recount."""
        from ingest import recount
        from series import recounting

        recounting.register(series=recount.SQL, with_reports=recount.WITH_REPORTS)
