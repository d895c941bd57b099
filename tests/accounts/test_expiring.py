"""What has expired is removed at night."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client

from bencher import clock
from bencher.celery import app
from bencher.tenancy.tasks import nightly_expiry

pytestmark = pytest.mark.django_db


def kept() -> int:
    """Return how many rows the cache's table has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bencher_cache")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


class TestExpiry:
    def test_removes_sessions_and_attempts_that_have_expired(self, alices: Client) -> None:
        old = Client()
        old.post("/sign-in/", {"login": "nobody@example.com", "password": "wrong"})
        Session.objects.create(
            session_key="old", session_data="", expire_date=clock.now() - timedelta(days=1)
        )
        cache.set("living", 1, timeout=3600)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bencher_cache SET expires = now() - interval '1 second'"
                " WHERE cache_key NOT LIKE '%living%'"
            )
        assert kept() > 1

        nightly_expiry()

        assert kept() == 1
        assert cache.get("living") == 1
        assert not Session.objects.filter(session_key="old").exists()
        assert alices.get("/account/").status_code == 200

    def test_is_what_beat_enqueues(self) -> None:
        app.loader.import_default_modules()

        scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
        assert nightly_expiry.name in scheduled
        assert scheduled <= set(app.tasks)
