"""The whole product as real processes: started, brought up again, taken down."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import requests

from bencher.demo.browser import Browser
from bencher.embedded import children, linux, places, postgres, redis
from tests.chaos.processes import Process, send
from tests.chaos.scene import Moment, Organization, Project, Scene
from tests.chaos.stripe_account import StripeAccount, until

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = ("sandbox", "web", "worker", "beat")
_CUSTOMER = """
SELECT customer.stripe_customer_id FROM billing_billingcustomer customer
JOIN tenancy_organization organization ON organization.id = customer.organization_id
JOIN billing_billingperiod period ON period.organization_id = organization.id
WHERE organization.slug = %s
"""
_HOLDER = "SELECT holder FROM billing_senderlease"
_FREE = "UPDATE billing_senderlease SET expires_at = clock_timestamp() WHERE holder = %s"
_START_SECONDS = 90


class System:
    """Everything that runs; `mend` starts what has ended and goes on with what was stopped."""

    def __init__(self, directory: Path) -> None:
        linux.adopt_orphans()
        shutil.rmtree(directory, ignore_errors=True)
        self.directory = places.make_directory(directory.absolute())
        self.places = places.find(self.directory)
        postgres.forget(self.places)
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.stripe_url, self.site = _local_url(), _local_url()
        self.env = self._environment()
        self.stripe = StripeAccount(self.stripe_url, self.env["STRIPE_SECRET_KEY"])
        self.processes = {name: self._process(name, argv) for name, argv in self._commands()}
        # Until when each is left down or stopped, by real time.
        self.down: dict[str, float] = {}
        self.stopped: dict[int, float] = {}
        # How long the site takes to start here, which says how much harm is survived in a minute.
        self.start_seconds = 0.0

    def _environment(self) -> dict[str, str]:
        # What libpq reads would win over DATABASE_URL.
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return ours | {
            "BENCHER_DATA_DIR": str(self.directory),
            "DATABASE_URL": postgres.url(self.places),
            "REDIS_URL": redis.url(self.places),
            "SECRET_KEY": "chaos" * 10,
            "HTTPS": "false",
            "BASE_URL": self.site,
            "PORT": self.site.rpartition(":")[2],
            "STRIPE_API_BASE": self.stripe_url,
            "STRIPE_SECRET_KEY": "sk_test_" + "chaos" * 5,
            "ACTIVE_SERIES_PRODUCT": "prod_pro",
            "BILLING_POST_INTERVAL": "1",
            "PRO_TRIAL_DAYS": "3",
            # Counted, on a Redis that is killed, and never reached.
            "RATE_LIMIT_REPORTS": "100000/minute",
            "RATE_LIMIT_KEY": "100000/minute",
            "RATE_LIMIT_ADDRESS": "100000/minute",
            "WEB_CONCURRENCY": "2",
            "WORKER_CONCURRENCY": "2",
            "BEAT_SCHEDULE": str(self.directory / "celerybeat-schedule"),
            "DJANGO_SETTINGS_MODULE": "bencher.settings",
            "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }

    def _commands(self) -> list[tuple[str, list[str]]]:
        port = self.stripe_url.rpartition(":")[2]
        state = str(self.directory / "stripe.json")
        python = [sys.executable, "-m"]
        return [
            ("sandbox", [*python, "tests.stripe_sandbox", "--port", port, "--state", state]),
            *procfile((ROOT / "Procfile").read_text()),
            ("load", [*python, "tests.chaos.load", str(self.directory)]),
            ("time", [*python, "tests.chaos.timekeeping", str(self.directory)]),
        ]

    def _process(self, name: str, argv: list[str]) -> Process:
        return Process(name, argv, env=self.env, log=self.directory / f"{name}.log")

    def start_postgres(self) -> None:
        """Start PostgreSQL, after a crash too, and wait until it takes connections."""
        log = self.directory / "postgres.log"
        self.servers["postgres"] = postgres.start(self.places, log, fsync=True)
        postgres.wait(self.places, self.servers["postgres"], log)

    def start_redis(self) -> None:
        """Start an empty Redis and wait until it answers."""
        log = self.directory / "redis.log"
        self.servers["redis"] = redis.start(self.places, log)
        redis.wait(self.places, self.servers["redis"], log)

    def open(self, *, seed: int) -> Scene:
        """Start everything, make the cast, and write down where they are."""
        for log in ("postgres.log", "redis.log"):
            (self.directory / log).touch()
        self.start_redis()
        self.start_postgres()
        self._start("sandbox", self.stripe.answers)
        cast = json.loads(self.run("-m", "tests.chaos.casting"))
        for name in ("worker", "beat"):
            self.processes[name].start()
        began = time.monotonic()
        self._start("web", self.site_answers)
        self.start_seconds = time.monotonic() - began
        scene = Scene(
            directory=self.directory,
            seed=seed,
            site=self.site,
            stripe=self.stripe_url,
            stripe_key=self.env["STRIPE_SECRET_KEY"],
            database_url=self.env["DATABASE_URL"],
            organizations=[self._organization(told) for told in cast],
        )
        scene.save()
        Moment().save(self.directory)
        return scene

    def _start(self, name: str, answers: Callable[[], bool]) -> None:
        self.processes[name].start()
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            if not self.processes[name].is_alive or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start; see {self.directory / name}.log")
            time.sleep(0.1)

    def site_answers(self) -> bool:
        """Tell whether the site is there, with its database."""
        try:
            return requests.get(f"{self.site}/sign-in/", timeout=10).ok
        except requests.RequestException:
            return False

    def _organization(self, told: dict[str, Any]) -> Organization:
        self._subscribe(told)
        slug = told["slug"]
        return Organization(
            slug=slug,
            leader_key=told["key"],
            customer=str(until(lambda: self._ask(_CUSTOMER, [slug]), f"the period of {slug}")),
            projects=[
                Project(one["slug"], one["key"], one["visibility"] == "private")
                for one in told["projects"]
            ],
        )

    def _subscribe(self, leader: dict[str, Any]) -> None:
        browser = Browser(self.site)
        browser.open("/sign-in/")
        browser.submit("Sign in", login=leader["leader"], password=leader["password"])
        browser.open(f"/organizations/{leader['slug']}/billing/plan/")
        browser.submit("trial")
        browser.submit("test card 4242", terms="accepted")

    def run(self, *arguments: str) -> str:
        """Run Python to its end and return what it printed. Raises RuntimeError."""
        done = self.attempt(*arguments)
        if done.returncode:
            said = (done.stdout + done.stderr)[-2000:]
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{said}")
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python to its end, well or not."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def mend(self) -> list[str]:
        """Start what has been down, and continue what has been stopped, for long enough.

        Returns the names of those that ended without being killed.
        """
        now = time.monotonic()
        for pid in [pid for pid, until_then in self.stopped.items() if until_then <= now]:
            del self.stopped[pid]
            send(pid, signal.SIGCONT)
        unasked = [name for name in self._ended() if name not in self.down]
        for name in self._ended():
            if self.down.get(name, 0) <= now:
                self._start_again(name)
        return unasked

    def _ended(self) -> list[str]:
        servers = [name for name, server in self.servers.items() if server.poll() is not None]
        return servers + [name for name in SERVICES if not self.processes[name].is_alive]

    def _start_again(self, name: str) -> None:
        self.down.pop(name, None)
        match name:
            case "postgres":
                self.start_postgres()
            case "redis":
                self.start_redis()
            case _:
                self.processes[name].start()

    def kill_senders(self, kill: Callable[[], object]) -> None:
        """Kill all that may be sending, and let the lease that a dead sender holds be over.

        It would be after five minutes, but leases run on real time, which does not move.
        """
        holder = self._ask(_HOLDER)
        kill()
        if holder is not None:
            self._ask(_FREE, [holder])

    def _ask(self, statement: str, values: Sequence[object] = ()) -> object:
        """Return the first value that the database answers with, None where it is down."""
        try:
            with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
                cursor = connection.execute(statement, values)
                row = cursor.fetchone() if cursor.description else None
        except psycopg.OperationalError:
            return None
        return row[0] if row else None

    def calm(self) -> None:
        """Bring up what is down and let Stripe never fail; what runs goes on as it is."""
        self.down.clear()
        for pid in self.stopped:
            self.stopped[pid] = 0
        self.mend()
        self.stripe.control("faults", {"clear": True})
        until(self.site_answers, "the site")

    def renew(self) -> None:
        """Start worker and Redis anew: what killed ones had taken would be theirs for hours."""
        self.kill_senders(self.processes["worker"].kill)
        self.servers["redis"].kill()
        self.servers["redis"].wait()
        self.mend()

    def close(self) -> None:
        """End everything; nothing that we started stays."""
        for pid in self.stopped:
            send(pid, signal.SIGCONT)
        for process in reversed(self.processes.values()):
            process.kill()
        for name, steps in (("postgres", postgres.STOP), ("redis", redis.STOP)):
            if name in self.servers:
                children.stop(self.servers[name], steps)
        children.end_orphans(spare=None)
        shutil.rmtree(self.places.run, ignore_errors=True)


def procfile(text: str) -> list[tuple[str, list[str]]]:
    """Return what the Procfile starts, but the release; the site for this machine only."""
    commands = [line.partition(": ") for line in text.splitlines()]
    return [
        (name, ["sh", "-c", "exec " + command.replace("0.0.0.0", "127.0.0.1")])
        for name, _, command in commands
        if name != "release"
    ]


def _local_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
