"""The site: settings, addresses, the clock, Celery and what a local run needs."""

from bencher.celery import app as celery_app

__all__ = ["celery_app"]
