"""Keeps a worker taking tasks after Redis did not answer it.

Kombu counts a task as under way until Redis has taken its acknowledgement. Where that fails on a
connection that lives on, as where Redis stands still for a second, nobody tries again: once as
many failed as the worker may have under way, it takes nothing any more and looks alive.
"""

from typing import Any

from kombu.transport import redis, virtual


class QoS(redis.QoS):
    """Counts a task as done also where Redis could not be told.

    Redis then gives the task to a worker again once the visibility timeout is over, and tasks are
    safe to repeat.
    """

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a task. Raises what Redis's client does."""
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Refuse a task. Raises what Redis's client does."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


def install() -> None:
    """Have all channels to Redis that this process opens from now on count so."""
    redis.Channel.QoS = QoS
