"""Downloads as they are in production: outside of any transaction, from a cursor of their own."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client

from bencher import clock
from bencher.dates import rfc3339
from billing import close, explaining
from tests.billing.conftest import make_subscriber, report
from tests.factories import make_user_key


def content_of(response: Any) -> Iterator[bytes]:
    pieces: Iterator[bytes] = response.streaming_content
    return pieces


def test_are_of_one_snapshot_in_pieces_of_bounded_size(committed_db: str) -> None:
    plan, project = make_subscriber("acme")
    series = explaining.CHUNK + 1
    report(project, series, ago=timedelta(hours=1))
    key = make_user_key(plan.organization.memberships.get().user)
    client = Client(headers={"authorization": f"Bearer {key}"})
    address = "/v0/organizations/acme/usage/series"

    running = client.get(address, {"format": "csv"})
    pieces = iter(content_of(running))
    begun = [next(pieces), next(pieces)]
    plan.periods.update(ends_at=clock.now())
    statement = close.close(plan.periods.get().pk, now=clock.now())
    rest = list(pieces)

    assert not connection.in_atomic_block
    assert [piece.count(b"\r\n") for piece in (*begun, *rest)] == [1, explaining.CHUNK, 1]
    closed = client.get(address, {"format": "evidence", "period": rfc3339(statement.starts_at)})
    evidence = b"".join(content_of(closed))
    assert evidence.count(b"\n") == series
    assert hashlib.sha256(evidence).hexdigest() == statement.evidence_sha256
