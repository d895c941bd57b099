"""The Celery app and what beat runs when."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")

app = Celery("bencher")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
