"""Gives each test worker its own Redis database and Stripe sandbox address.

It only fills in the environment and then is the site's settings, which know nothing of tests.
"""

import os
import socket


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _worker_number() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


if "REDIS_URL" in os.environ:
    _base, _, _ = os.environ["REDIS_URL"].partition("?")
    os.environ["REDIS_URL"] = f"{_base}?db={_worker_number() + 1}"
os.environ["STRIPE_API_BASE"] = f"http://127.0.0.1:{_free_port()}"
os.environ["STRIPE_SECRET_KEY"] = "sk_test_" + "0123456789abcdefghijklmn"
os.environ["ACTIVE_SERIES_PRODUCT"] = "prod_pro"
os.environ["BASE_URL"] = "http://testserver"
os.environ["ALLOWED_HOSTS"] = "testserver,127.0.0.1,localhost"
os.environ["HTTPS"] = "false"
# A test that is about limits sets its own.
for _limit in ("ADDRESS", "KEY", "REPORTS"):
    os.environ[f"RATE_LIMIT_{_limit}"] = ""
os.environ.setdefault("LOG_LEVEL", "CRITICAL")

from bencher.settings import *  # noqa: E402, F403 - after the environment is set

# Sign-in is tested for what it lets in, not for how slowly it hashes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
