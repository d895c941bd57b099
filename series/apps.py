"""The app that owns what is measured."""

from django.apps import AppConfig


class SeriesConfig(AppConfig):
    """Names the app."""

    name = "series"
    verbose_name = "series"
