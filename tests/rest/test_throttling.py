"""Rate limits on the real Redis."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from bencher.rest import limiting
from tests.factories import make_user, make_user_key


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    limiting.forget_failure()
    yield
    limiting.forget_failure()


class TestCount:
    def test_allows_the_amount_and_no_more(self) -> None:
        subject = str(uuid4())

        verdicts = [limiting.count("3/minute", name="key", subject=subject) for _ in range(4)]

        assert [verdict.allowed for verdict in verdicts if verdict] == [True, True, True, False]
        assert [verdict.remaining for verdict in verdicts if verdict] == [2, 1, 0, 0]

    def test_tells_the_limit_that_is_nearest(self) -> None:
        verdict = limiting.count("100/minute;5/hour", name="key", subject=str(uuid4()))

        assert verdict is not None
        assert (verdict.amount, verdict.window_seconds, verdict.remaining) == (5, 3600, 4)
        assert 3590 <= verdict.reset_seconds <= 3600

    def test_counts_each_subject_for_itself(self) -> None:
        for _ in range(3):
            verdict = limiting.count("1/minute", name="key", subject=str(uuid4()))
            assert verdict is not None
            assert verdict.allowed

    def test_is_exact_under_concurrency(self) -> None:
        subject = str(uuid4())

        def hit(_: int) -> bool:
            verdict = limiting.count("50/minute", name="key", subject=subject)
            assert verdict is not None
            return verdict.allowed

        with ThreadPoolExecutor(8) as pool:
            allowed = sum(pool.map(hit, range(100)))

        assert allowed == 50

    def test_no_limit_is_no_limit(self) -> None:
        assert limiting.count("", name="key", subject="x") is None

    def test_is_open_without_redis(self, settings: Any) -> None:
        settings.REDIS_URL = "unix:///nowhere/redis.sock?db=0"

        assert limiting.count("1/minute", name="key", subject="x") is None


@pytest.mark.django_db
class TestRequests:
    URL = "/v0/server/version"

    def test_each_answer_tells_how_the_limit_stands(self, settings: Any) -> None:
        settings.RATE_LIMIT_ADDRESS = "7/minute"

        response = Client(REMOTE_ADDR="192.0.2.1").get(self.URL)

        assert response["RateLimit-Policy"] == '"address";q=7;w=60'
        assert response["RateLimit"].startswith('"address";r=6;t=')
        assert response["X-RateLimit-Limit"] == "7"

    def test_past_the_limit_is_429_with_how_long_to_wait(self, settings: Any) -> None:
        settings.RATE_LIMIT_ADDRESS = "1/minute"
        client = Client(REMOTE_ADDR="192.0.2.2")
        client.get(self.URL)

        response = client.get(self.URL)

        assert response.status_code == 429
        assert 1 <= int(response["Retry-After"]) <= 60
        assert "address" in response.json()["message"]

    def test_a_key_has_a_limit_of_its_own(self, settings: Any) -> None:
        settings.RATE_LIMIT_KEY = "2/minute"
        key = make_user_key(make_user("alice"))
        client = Client(headers={"authorization": f"Bearer {key}"})

        statuses = [client.get("/v0/organizations/x/usage").status_code for _ in range(3)]

        assert statuses == [404, 404, 429]

    def test_only_vouched_for_proxies_name_the_caller(self, settings: Any) -> None:
        settings.RATE_LIMIT_ADDRESS = "1/minute"
        client = Client(REMOTE_ADDR="192.0.2.3")
        client.get(self.URL, headers={"x-forwarded-for": "198.51.100.1"})

        forged = client.get(self.URL, headers={"x-forwarded-for": "198.51.100.2"})
        settings.TRUSTED_PROXIES = 1
        vouched = client.get(self.URL, headers={"x-forwarded-for": "1.1.1.1, 198.51.100.3"})

        assert (forged.status_code, vouched.status_code) == (429, 200)

    def test_pages_are_not_counted(self, settings: Any) -> None:
        settings.RATE_LIMIT_ADDRESS = "1/minute"
        client = Client(REMOTE_ADDR="192.0.2.4")

        assert {client.get("/sign-in/").status_code for _ in range(3)} == {200}
