"""A worker goes on after Redis did not answer its acknowledgements."""

import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery.signals import worker_init
from kombu import Connection, Queue
from kombu.transport import redis as transport
from redis.exceptions import TimeoutError as RedisTimeoutError

from bencher import acknowledging, broker, celery


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a worker's channel, which may have one task under way."""
    monkeypatch.setattr(transport.Channel, "QoS", transport.QoS)
    acknowledging.install()
    with Connection(broker.celery_url(os.environ["REDIS_URL"])) as connection:
        channel: Any = connection.channel()
        channel.basic_qos(0, 1, False)
        yield channel


@pytest.fixture
def message(channel: Any) -> Iterator[Any]:
    """Return the task that is under way."""
    queue = Queue(f"acknowledging-{uuid4()}", auto_delete=True)(channel)
    queue.declare()
    channel.connection.client.Producer(channel).publish("task", routing_key=queue.name)
    message = queue.get()
    assert message is not None
    assert not channel.qos.can_consume()
    yield message
    queue.delete()


def fall_silent(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Redis not answer."""

    def time_out(*_: object, **__: object) -> None:
        raise RedisTimeoutError("Timeout reading from socket")

    monkeypatch.setattr(channel.qos, "_remove_from_indices", time_out)


def test_takes_the_next_task_where_redis_did_not_answer(
    channel: Any, message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_silent(channel, monkeypatch)
    with pytest.raises(RedisTimeoutError):
        channel.basic_ack(message.delivery_tag)
    assert channel.qos.can_consume()


def test_takes_the_next_task_where_a_refusal_was_not_answered(
    channel: Any, message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_silent(channel, monkeypatch)
    with pytest.raises(RedisTimeoutError):
        channel.basic_reject(message.delivery_tag)
    assert channel.qos.can_consume()


def test_tells_redis_as_before(channel: Any, message: Any) -> None:
    assert channel.client.hexists(channel.unacked_key, message.delivery_tag)
    channel.basic_ack(message.delivery_tag)
    assert not channel.client.hexists(channel.unacked_key, message.delivery_tag)
    assert channel.qos.can_consume()


def test_workers_count_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.Channel, "QoS", transport.QoS)
    assert celery.keep_taking_tasks in [receiver() for _, receiver in worker_init.receivers]
    celery.keep_taking_tasks()
    assert transport.Channel.QoS is acknowledging.QoS
