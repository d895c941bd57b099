"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from billing import urls as billing

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="organizations"), name="home"),
    path("", include("bencher.tenancy.urls")),
    path("", include(billing.pages)),
    path("v0/", include("ingest.urls")),
    path("v0/", include(billing.api)),
    path("stripe/", include("djstripe.urls", namespace="djstripe")),
    path("admin/", admin.site.urls),
]
handler404 = "bencher.errors.not_found"
handler500 = "bencher.errors.server_error"
