"""Moving the sandbox through time: how long it waits for a worker."""

from bencher import time_travel


def test_waits_for_a_task_as_long_as_it_says() -> None:
    client = time_travel._patient_redis()
    limit = client.connection_pool.connection_kwargs["socket_timeout"]
    assert limit > time_travel._IDLE_TIMEOUT_SECONDS
