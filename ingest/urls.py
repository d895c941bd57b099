"""The addresses that CI talks to, under /v0."""

from django.urls import path

from ingest import api

urlpatterns = [
    path("projects/<str:project>/reports", api.ReportList.as_view(), name="reports"),
]
