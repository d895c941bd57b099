"""The story: what happens, told with figures, and whether they agree."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from django.conf import settings

from bencher import clock, time_travel
from bencher.demo import reconciling
from bencher.demo.browser import Browser
from bencher.demo.processes import DemoError, run, wait_for
from billing import money
from billing.models import BillingPeriod, MeterEvent, Statement

_MARGIN = timedelta(minutes=1)
_WIDTH = 26


@dataclass
class Scene:
    """Who and what the story is about."""

    logs: Path
    browser: Browser
    leader: dict[str, Any]
    private: dict[str, Any] = field(default_factory=dict)
    public: dict[str, Any] = field(default_factory=dict)


def tell(*, logs: Path) -> bool:
    """Tell the whole story; returns whether every figure agreed."""
    scene = _organization(logs)
    _subscribe(scene)
    _report(scene, select="sha256 or crc32 or bisect")
    _posted(scene)
    trial, first = _trial_ends(scene)
    _report(scene, select="")
    _posted(scene)
    _period_ends(first)
    second = _open_period()
    # The same series again: in the ledger they leave the first period for the second.
    _report(scene, select="")
    _posted(scene)
    _period_ends(second)
    agreed = [agrees for period in (trial, first, second) for agrees in _compare(period)]
    return _reconcile() and all(agreed)


def _organization(logs: Path) -> Scene:
    _chapter("An organization signs up")
    leader = _command("add_organization", "Acme", "--leader", "alice@example.com")
    scene = Scene(logs=logs, browser=Browser(settings.BASE_URL), leader=leader)
    scene.private = _command("add_project", leader["slug"], "Engine", "--private")
    scene.public = _command("add_project", leader["slug"], "Playground")
    _say("organization", f"Acme, led by {leader['leader']}")
    _say("projects", "Engine (private, billed), Playground (public, free)")
    return scene


def _subscribe(scene: Scene) -> None:
    _chapter("Alice subscribes to Pro, in Stripe's hosted checkout")
    browser = scene.browser
    browser.open("/sign-in/")
    browser.submit("Sign in", login=scene.leader["leader"], password=scene.leader["password"])
    browser.open(f"/organizations/{scene.leader['slug']}/billing/plan/")
    browser.submit("trial")
    _say("checkout", browser.text("h1") + " (sandbox)")
    browser.submit("test card 4242", terms="accepted")
    period = _open_period()
    _say("plan", f"Pro, trial until {period.ends_at:%d %b %Y %H:%M} UTC")


def _report(scene: Scene, *, select: str) -> None:
    _chapter("CI runs a real benchmark suite and posts what it prints")
    result = _benchmark(scene.logs, select=select)
    benchmarks = len(json.loads(result)["benchmarks"])
    _say("pytest-benchmark", f"{benchmarks} benchmarks of the standard library, measured now")
    new = 0
    for testbed in ("linux-x64", "linux-arm64"):
        for _ in range(2):
            new += _post(scene.private, result, testbed=testbed)
    new += _post(scene.public, result, testbed="linux-x64")
    _say(
        "reports", f"5 posted: 2 each from 2 testbeds to Engine, 1 to Playground ({new} series new)"
    )
    used = _command("usage", scene.leader["slug"], "--json")
    _say("metrics", f"{benchmarks * 5}")
    total = sum(project["series"] for project in used["projects"].values())
    _say("series", f"{total} active in this period")
    _say("active private series", f"{used['active_series']}, which is what is billed")


def _posted(scene: Scene) -> None:
    wait_for("the worker to post the count", lambda: _latest().sent_at is not None, logs=scene.logs)
    time_travel.wait_until_idle()
    event = _latest()
    _say("meter event", f"{event.meter} = {event.value} at {event.timestamp:%F %T} UTC, sent")


def _trial_ends(scene: Scene) -> tuple[BillingPeriod, BillingPeriod]:
    _chapter("Time moves: the nightly sweeps run, the trial ends, the first paid period begins")
    trial = _open_period()
    _advance(trial.ends_at + settings.BILLING_CLOSE_DELAY + _MARGIN)
    statement = Statement.objects.get(period=trial)
    _say("statement", f"{statement.series} series, {_amount(statement)}: covered by the trial")
    return trial, _open_period()


def _period_ends(paid: BillingPeriod) -> None:
    _chapter(f"Time moves past {paid.ends_at:%d %b %Y}, the period's end, and past the invoice")
    _advance(paid.ends_at + timedelta(hours=2))
    statement = Statement.objects.get(period=paid)
    _say("statement", f"{statement.series} series, {_amount(statement)}")


_VERDICTS = {True: "agrees", False: "DIFFERS", None: "can't tell any more"}


def _compare(period: BillingPeriod) -> Iterator[bool]:
    _chapter(
        f"Every figure of the {period.kind} period,"
        f" {period.starts_at:%d %b} to {period.ends_at:%d %b %Y}"
    )
    for figure in reconciling.figures(period):
        _say(figure.name, f"{figure.shown:<24} {_VERDICTS[figure.agrees]}")
        yield figure.agrees is not False


def _reconcile() -> bool:
    _chapter("And what the nightly reconciliation says of all periods")
    found = run("manage.py", "reconcile", "--json", env=dict(os.environ)).splitlines()
    differing = [line for line in map(json.loads, found) if line["differences"]]
    _say("manage.py reconcile", f"{len(found)} periods compared, {len(differing)} differ")
    return not differing


def _advance(to: datetime) -> None:
    before = clock.now()
    sweeps = MeterEvent.objects.filter(reason=MeterEvent.Reason.SWEEP)
    had = sweeps.count()
    steps = time_travel.advance(to=to, say=lambda _: None)
    _say("sandbox clock", f"{before:%d %b %Y} to {clock.now():%d %b %Y %H:%M} in {steps} steps")
    _say("nightly sweep", f"{sweeps.count() - had} events, one a night though nobody reported")


def _benchmark(logs: Path, *, select: str) -> str:
    output = logs / "benchmark.json"
    quick = ["--benchmark-only", "--benchmark-min-time=0.0001", "--benchmark-max-time=0.01"]
    suite = str(Path(__file__).with_name("suite.py"))
    run(
        *("-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", "-c", os.devnull),
        *("--rootdir", str(logs), f"--benchmark-json={output}", "--benchmark-warmup=off"),
        *(*quick, "-k", select, suite),
        env=dict(os.environ),
    )
    return output.read_text()


def _post(project: dict[str, Any], result: str, *, testbed: str) -> int:
    now = clock.now()
    response = requests.post(
        f"{settings.BASE_URL}/v0/projects/{project['slug']}/reports",
        json={
            "branch": "main",
            "testbed": testbed,
            "start_time": (now - timedelta(seconds=20)).isoformat(),
            "end_time": now.isoformat(),
            "results": [result],
            "settings": {"adapter": "python_pytest"},
        },
        headers={"Authorization": f"Bearer {project['key']}"},
        timeout=30,
    )
    if response.status_code != 201:
        raise DemoError(f"The report was refused: {response.text[:500]}")
    return int(response.headers["X-New-Series"])


def _command(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("manage.py", *arguments, env=dict(os.environ)))
    return answer


def _open_period() -> BillingPeriod:
    now = clock.now()
    period = BillingPeriod.objects.filter(starts_at__lte=now, ends_at__gt=now).first()
    if period is None:
        raise DemoError("Stripe and we know of no period now; was the checkout completed?")
    return period


def _latest() -> MeterEvent:
    event = MeterEvent.objects.filter(superseded_at=None).order_by("-timestamp").first()
    return event or MeterEvent()


def _amount(statement: Statement) -> str:
    return money.written(statement.amount_cents, statement.currency)


def _chapter(title: str) -> None:
    bold = ("", "") if os.environ.get("NO_COLOR") or not os.isatty(1) else ("\x1b[1m", "\x1b[0m")
    print(f"\n{bold[0]}{title}{bold[1]}", flush=True)


def _say(name: str, what: str) -> None:
    print(f"  {name:<{_WIDTH}}{what}", flush=True)
