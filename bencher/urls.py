"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("stripe/", include("djstripe.urls", namespace="djstripe")),
    path("v0/", include("ingest.urls")),
]
handler404 = "bencher.errors.not_found"
handler500 = "bencher.errors.server_error"
