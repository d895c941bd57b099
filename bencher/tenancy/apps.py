"""The app that owns users, organizations, members and keys."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """Names the app."""

    name = "bencher.tenancy"
    label = "tenancy"
