"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from bencher import api_reference, server_api
from billing import urls as billing
from billing.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="organizations"), name="home"),
    path("", include("bencher.tenancy.urls")),
    path("", include("bencher.tenancy.people_urls")),
    path("", include("billing.project_urls")),
    path("", include(billing.pages)),
    path("organizations/<slug:organization>/billing/", include("billing.explanation_urls")),
    path("", include("ingest.page_urls")),
    path("metrics", metrics, name="metrics"),
    path("v0/openapi.json", api_reference.openapi, name="openapi"),
    path("v0/docs", api_reference.docs, name="api-docs"),
    path("v0/server/version", server_api.Version.as_view(), name="server-version"),
    path("v0/server/config/console", server_api.Console.as_view(), name="server-console"),
    path("v0/", include("bencher.tenancy.api_urls")),
    path("v0/", include("series.urls")),
    path("v0/", include("ingest.urls")),
    path("v0/", include(billing.api)),
    path("stripe/", include(billing.webhooks)),
    path("stripe/", include("djstripe.urls", namespace="djstripe")),
    path("admin/", admin.site.urls),
]
handler400 = "bencher.errors.bad_request"
handler404 = "bencher.errors.not_found"
handler500 = "bencher.errors.server_error"
