"""The addresses of runs, reports and branches, under /v0."""

from django.urls import path

from ingest import branch_api, report_api, run_api

urlpatterns = [
    path("run", run_api.Run.as_view(), name="run"),
    path("projects/<str:project>/reports", report_api.ReportList.as_view(), name="reports"),
    path("projects/<str:project>/reports/<str:report>", report_api.ReportDetail.as_view()),
    path("projects/<str:project>/branches", branch_api.BranchList.as_view()),
    path("projects/<str:project>/branches/<str:branch>", branch_api.BranchDetail.as_view()),
]
