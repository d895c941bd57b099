"""The app that takes reports in."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Names the app, hands over its recount, and says what to erase."""

    name = "ingest"
    verbose_name = "reports"

    def ready(self) -> None:
        """Register the recount, and what names somebody."""
        from ingest import erasing, recount
        from series import recounting

        recounting.register(series=recount.SQL, with_reports=recount.WITH_REPORTS)
        erasing.register_parts()
