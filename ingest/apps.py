"""The app that takes reports in."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Names the app, hands over its recount, and says what to erase."""

    name = "ingest"
    verbose_name = "Reports"

    def ready(self) -> None:
        """Register the recount, what came with how many metrics, and what names somebody."""
        from ingest import erasing, recount
        from ingest import received as received_reports
        from series import received, recounting

        received.register(received_reports.SQL)
        recounting.register(series=recount.SQL, with_reports=recount.WITH_REPORTS)
        erasing.register_parts()
