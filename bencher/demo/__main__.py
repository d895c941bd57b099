"""Run the demo: `make demo`, or `python manage.py embedded -- python -m bencher.demo`."""

import os
import shutil
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import requests
from psycopg import sql

from bencher.demo.processes import DemoError, run, running, wait_for

DATABASE = "bencher_demo"
ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Tell the story; returns 0 only if every figure agreed."""
    began = time.monotonic()
    if not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
        sys.stderr.write("Run this through `make demo`, which starts PostgreSQL and Redis.\n")
        return 2
    logs = Path(os.environ.get("BENCHER_DATA_DIR", ROOT / ".data")) / "demo"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    env = _environment()
    os.environ.update(env)
    try:
        with ExitStack() as processes:
            _start(processes, env=env, logs=logs)
            agreed = _tell(logs)
    except (DemoError, requests.RequestException, LookupError) as error:
        sys.stderr.write(f"\nThe demo stopped: {error}\nThe logs are in {logs}.\n")
        return 1
    print(
        f"\n{'All figures agree' if agreed else 'FIGURES DIFFER'}"
        f" ({time.monotonic() - began:.0f} s)."
    )
    return 0 if agreed else 1


def _environment() -> dict[str, str]:
    web, stripe = _free_port(), _free_port()
    base, _, database = os.environ["REDIS_URL"].partition("?db=")
    return os.environ | {
        "DATABASE_URL": _database_url(DATABASE),
        # Its own database there too: a local run may be using the first one.
        "REDIS_URL": f"{base}?db={int(database or 0) + 15}" if base.startswith("unix") else base,
        "SECRET_KEY": os.environ.get("SECRET_KEY", "demo"),
        "HTTPS": "false",
        "BASE_URL": f"http://127.0.0.1:{web}",
        "PORT": str(web),
        "STRIPE_API_BASE": f"http://127.0.0.1:{stripe}",
        "STRIPE_SECRET_KEY": "sk_test_" + "demo" * 6,
        "ACTIVE_SERIES_PRODUCT": "prod_pro",
        "BILLING_POST_INTERVAL": "1",
        "LOG_LEVEL": "INFO",
        "DJANGO_SETTINGS_MODULE": "bencher.settings",
    }


def _start(processes: ExitStack, *, env: dict[str, str], logs: Path) -> None:
    _fresh_database()
    run("manage.py", "migrate", "--verbosity", "0", env=env)
    port = env["STRIPE_API_BASE"].rpartition(":")[2]
    start = processes.enter_context
    start(running("stripe", "tests.stripe_sandbox", "--port", port, env=env, logs=logs))
    wait_for(
        "the Stripe sandbox",
        lambda: _answers(env["STRIPE_API_BASE"] + "/_sandbox/clock"),
        logs=logs,
    )
    run("manage.py", "stripe_setup", env=env)
    gunicorn = (
        "gunicorn",
        "bencher.wsgi",
        "--no-control-socket",
        "--worker-class",
        "gthread",
        "--threads",
        "4",
    )
    start(running("web", *gunicorn, "--bind", f"127.0.0.1:{env['PORT']}", env=env, logs=logs))
    worker = ("celery", "-A", "bencher", "worker", "--loglevel", "INFO", "--concurrency", "2")
    start(running("worker", *worker, env=env, logs=logs))
    wait_for("the web server", lambda: _answers(env["BASE_URL"] + "/sign-in/"), logs=logs)


def _tell(logs: Path) -> bool:
    import django

    django.setup()
    from bencher.demo.story import tell

    return tell(logs=logs)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _database_url(name: str) -> str:
    before, mark, after = os.environ["DATABASE_URL"].partition("?")
    return f"{before.rpartition('/')[0]}/{name}{mark}{after}"


def _fresh_database() -> None:
    """Make the demo's database anew: nobody else's data is touched, and no run sees another's."""
    name = sql.Identifier(DATABASE)
    with psycopg.connect(_database_url("postgres"), autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))


if __name__ == "__main__":
    sys.exit(main())
