"""`/metrics`: the gauges in the format that Prometheus reads, for monitoring and for staff."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bencher import clock
from billing import attention


class Gauges(Collector):
    """The gauges as of an instant."""

    def __init__(self, *, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each of them, and which of them call for a person."""
        yield from attention.collect(now=self._now)

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: registering must not read the database."""
        return []


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with every gauge, to METRICS_TOKEN as a bearer token and to staff in a browser."""
    if not (_has_token(request) or admin.site.has_permission(request)):
        return HttpResponse(
            "Send METRICS_TOKEN in the header `Authorization: Bearer …`, or sign in as staff.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    registry = CollectorRegistry()
    registry.register(Gauges(now=clock.now()))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(
        encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"}
    )


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.METRICS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and constant_time_compare(token, expected)
