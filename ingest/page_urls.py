"""The addresses of pages about reports."""

from django.urls import path

from ingest import report_views

urlpatterns = [
    path(
        "organizations/<slug:organization>/projects/<slug:project>/reports/<uuid:report>/",
        report_views.report,
        name="report",
    ),
]
