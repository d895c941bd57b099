"""The staff's front page: what runs, what waits, what differs, a tile for each.

A tile takes its figure and its tone from the gauges that monitoring reads.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from bencher import dates
from billing import attention, gauges, wording
from billing.models import Drift, ScheduledRun, WebhookReceipt
from billing.wording import Tone

# The row has all of it.
_FAILURE_SHOWN = 80

MayView = Callable[[str], bool]

# Neutral is what has no limit.
WORDS = {Tone.GOOD: "Well", Tone.ATTENTION: "Look at it", Tone.NEUTRAL: ""}


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure, what it is of, and where its rows are."""

    title: str
    figure: str
    detail: str
    address: str
    tone: Tone

    @property
    def word(self) -> str:
        """Return what its tone says, so that it is not the color alone."""
        return WORDS[self.tone]


@dataclass(frozen=True, slots=True)
class Group:
    """Tiles of one kind."""

    title: str
    tiles: list[Tile]


@dataclass(frozen=True, slots=True)
class Front:
    """The tiles that somebody may see, and how many of them call for a person."""

    groups: list[Group]
    attention: int
    read_at: str
    # Where a plan is searched for; empty for who may not view plans.
    find: str


@dataclass(frozen=True, slots=True)
class _Tile:
    """A tile before it is read: its model, the rows of its list, and the gauges of its tone.

    A gauge with a label stands as `name/label`.
    """

    title: str
    model: str
    rows: dict[str, str]
    gauges: tuple[str, ...]
    show: Callable[["_Read"], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Read:
    values: attention.Readings
    runs: dict[str, ScheduledRun]
    webhook_at: datetime | None
    now: datetime

    def one(self, gauge: str) -> float:
        return self.values[gauge][""]

    def count(self, gauge: str) -> int:
        return int(self.one(gauge))

    def aged(self, gauge: str) -> str:
        """Say how old the oldest is, where there is one."""
        seconds = self.one(gauge)
        return f"oldest {dates.lasting(timedelta(seconds=seconds))} ago" if seconds else ""


def _counted(gauge: str, detail: str) -> Callable[[_Read], tuple[str, str]]:
    return lambda read: (f"{read.count(gauge):,}", detail)


def _with_age(gauge: str, age: str, otherwise: str) -> Callable[[_Read], tuple[str, str]]:
    return lambda read: (f"{read.count(gauge):,}", read.aged(age) or otherwise)


def _webhooks(read: _Read) -> tuple[str, str]:
    waiting = read.count("bencher_webhooks_waiting")
    if waiting:
        return f"{waiting:,}", read.aged("bencher_webhooks_oldest_age_seconds")
    last = read.webhook_at
    return "0", f"last one {_ago(last, read.now)}" if last else "none received yet"


def _sending(read: _Read) -> tuple[str, str]:
    if not settings.BILLING_CONFIGURED:
        return "Off", "STRIPE_SECRET_KEY is empty"
    paused = bool(read.count("bencher_sending_paused"))
    return ("Paused", "Stripe refuses our key") if paused else ("Going", "Stripe takes our key")


def _billed(read: _Read) -> tuple[str, str]:
    if read.count("bencher_active_series_billed"):
        return "On", "a product is configured"
    return "Off", "ACTIVE_SERIES_PRODUCT is empty"


def _final(read: _Read) -> tuple[str, str]:
    unprotected = read.count("bencher_final_tables_unprotected")
    return ("No", f"{unprotected} tables lack triggers") if unprotected else ("Yes", "by triggers")


def _finalizes(read: _Read) -> tuple[str, str]:
    seconds = read.one("bencher_unverified_invoice_seconds_left")
    if seconds == float("inf"):
        return "None", "no draft waits to be verified"
    return _minutes(seconds), "until Stripe finalizes it; its count is not seen there yet"


def _minutes(seconds: float) -> str:
    return dates.lasting(timedelta(seconds=max(seconds, 0)))


def _run(name: str, read: _Read) -> tuple[str, str]:
    run = read.runs.get(name)
    if run is None:
        return "Never", "it has not run yet"
    if run.failure:
        return "Failed", f"{_ago(run.started_at, read.now)}: {run.failure[:_FAILURE_SHOWN]}"
    if run.finished_at is None:
        return "Running", f"since {dates.moment(run.started_at).text}"
    took = dates.lasting(run.finished_at - run.started_at)
    return _ago(run.finished_at, read.now), f"took {took}: {wording.ran(run.result)}"


def _ledger(read: _Read) -> tuple[str, str]:
    wrong = int(read.values["bencher_drift_unresolved"][Drift.Reason.LEDGER])
    run = read.runs.get("reconcile")
    if run is None or run.result is None:
        figure, detail = _run("reconcile", read)
        return _wrong(wrong, "Unchecked"), f"reconciliation: {figure}, {detail}"
    periods = run.result.get("periods", 0)
    checked = f"{periods:,} periods compared with their reports {_ago(run.started_at, read.now)}"
    return _wrong(wrong, "Agrees"), checked


def _wrong(number: int, otherwise: str) -> str:
    return f"{number:,} wrong" if number else otherwise


def _drift(read: _Read) -> tuple[str, str]:
    found = {reason: int(n) for reason, n in read.values["bencher_drift_unresolved"].items() if n}
    why = ", ".join(str(Drift.Reason(reason).label) for reason in found)
    return f"{sum(found.values()):,}", why or "every figure agrees"


def _ago(at: datetime, now: datetime) -> str:
    return f"{dates.lasting(max(now - at, timedelta(0)))} ago"


def _gauges_of_run(name: str) -> tuple[str, ...]:
    return f"bencher_run_finished_timestamp_seconds/{name}", f"bencher_run_failed/{name}"


def _nightly(title: str, name: str) -> _Tile:
    show = partial(_run, name)
    return _Tile(title, "scheduledrun", {"name": name}, _gauges_of_run(name), show)


_GROUPS: dict[str, list[_Tile]] = {
    "Usage": [
        _Tile(
            "Active series billed now",
            "plan",
            {"level__exact": "pro", "standing": "live"},
            (),
            _counted("bencher_active_series_posted", "of all current periods, as stored last"),
        ),
        _Tile(
            "Plans past due",
            "plan",
            {"standing": "past-due"},
            (),
            _counted("bencher_plans_past_due", "past due or unpaid"),
        ),
        _Tile(
            "Plans held",
            "plan",
            {"standing": "held"},
            ("bencher_plans_held",),
            _counted("bencher_plans_held", "billed otherwise at Stripe; no period opens"),
        ),
        _Tile(
            "Plans being canceled",
            "cancellation",
            {"finished_at__isempty": "1"},
            ("bencher_cancellations_oldest_age_seconds",),
            _with_age(
                "bencher_cancellations_waiting",
                "bencher_cancellations_oldest_age_seconds",
                "none ends at once",
            ),
        ),
        _Tile(
            "Billing",
            "plan",
            {},
            ("bencher_active_series_billed",),
            _billed,
        ),
    ],
    "To Stripe and back": [
        _Tile(
            "Outbox waiting",
            "meterevent",
            {"outbox": "goes-out"},
            ("bencher_outbox_oldest_age_seconds",),
            _with_age(
                "bencher_outbox_waiting",
                "bencher_outbox_oldest_age_seconds",
                "everything is delivered",
            ),
        ),
        _Tile(
            "Rejected events",
            "meterevent",
            {"outbox": "refused"},
            ("bencher_outbox_rejected",),
            _counted("bencher_outbox_rejected", "last values, of periods that are not settled"),
        ),
        _Tile(
            "Undecided events",
            "meterevent",
            {"state": "undecided"},
            ("bencher_outbox_undecided",),
            _counted("bencher_outbox_undecided", "of which nobody knows whether Stripe has them"),
        ),
        _Tile(
            "Held back by staff",
            "meterevent",
            {"outbox": "held-back"},
            (),
            _counted("bencher_outbox_held_back", "events, or of organizations that are frozen"),
        ),
        _Tile(
            "Sending",
            "meterevent",
            {"outbox": "goes-out"},
            ("bencher_sending_paused",),
            _sending,
        ),
        _Tile(
            "Webhooks waiting",
            "webhookreceipt",
            {"handled_at__isempty": "1"},
            ("bencher_webhooks_oldest_age_seconds",),
            _webhooks,
        ),
    ],
    "Bills": [
        _Tile(
            "Periods to close",
            "billingperiod",
            {"due": "yes"},
            ("bencher_periods_to_close_oldest_age_seconds",),
            _with_age(
                "bencher_periods_to_close",
                "bencher_periods_to_close_oldest_age_seconds",
                "none has ended",
            ),
        ),
        _Tile(
            "Not seen at Stripe yet",
            "statement",
            {"proof": "not-seen"},
            ("bencher_closings_unverified_oldest_age_seconds",),
            _with_age(
                "bencher_closings_unverified",
                "bencher_closings_unverified_oldest_age_seconds",
                "every statement is verified",
            ),
        ),
        _Tile(
            "Next unverified invoice",
            "verification",
            {"proof": "draft"},
            ("bencher_unverified_invoice_seconds_left",),
            _finalizes,
        ),
        _Tile(
            "Final without proof",
            "verification",
            {"proof": "passed"},
            ("bencher_invoices_final_unverified",),
            _counted("bencher_invoices_final_unverified", "invoices final before their count"),
        ),
        _Tile(
            "Invoices that differ",
            "settlement",
            {"differs": "lately"},
            ("bencher_settlements_disagreeing",),
            _counted("bencher_settlements_disagreeing", "from their statement, in 62 days"),
        ),
        _Tile(
            "Corrections to decide",
            "correction",
            {"decided": "no"},
            (),
            _counted("bencher_corrections_undecided", "each waits for a second person"),
        ),
    ],
    "Checks": [
        _nightly("Last sweep", "sweep"),
        _nightly("Last reconciliation", "reconcile"),
        _Tile(
            "Drift",
            "drift",
            {"resolved_at__isempty": "1"},
            ("bencher_drift_unresolved",),
            _drift,
        ),
        _Tile(
            "Ledger against reports",
            "drift",
            {"resolved_at__isempty": "1", "reason__exact": Drift.Reason.LEDGER},
            # It is as good as the reconciliation is young.
            ("bencher_drift_unresolved/ledger", *_gauges_of_run("reconcile")),
            _ledger,
        ),
        _Tile(
            "Statements final",
            "statement",
            {},
            ("bencher_final_tables_unprotected",),
            _final,
        ),
        _nightly("Last count of days", "days"),
        _nightly("Last pruning", "prune"),
    ],
}


def front(*, may_view: MayView, now: datetime) -> Front:
    """Return the tiles whose rows somebody may view, in a fixed number of queries."""
    seen = {
        title: [tile for tile in tiles if may_view(f"billing.view_{tile.model}")]
        for title, tiles in _GROUPS.items()
    }
    read = _read(now=now) if any(seen.values()) else None
    groups = [
        Group(title, [_shown(tile, read) for tile in tiles])
        for title, tiles in seen.items()
        if tiles and read
    ]
    tones = [tile.tone for group in groups for tile in group.tiles]
    find = reverse("admin:billing_plan_find") if may_view("billing.view_plan") else ""
    return Front(groups, tones.count(Tone.ATTENTION), dates.moment(now).text, find)


def _read(*, now: datetime) -> _Read:
    runs = ScheduledRun.objects.filter(name__in=gauges.NIGHTLY).order_by("name", "-started_at")
    latest = WebhookReceipt.objects.order_by("-pk").values_list("received_at", flat=True)
    return _Read(
        values=attention.read(gauges.read(now=now)),
        runs={run.name: run for run in runs.distinct("name")},
        webhook_at=latest.first(),
        now=now,
    )


def _shown(tile: _Tile, read: _Read) -> Tile:
    figure, detail = tile.show(read)
    rows = urlencode(tile.rows)
    address = reverse(f"admin:billing_{tile.model}_changelist")
    return Tile(
        tile.title, figure, detail, f"{address}?{rows}" if rows else address, _tone(tile, read)
    )


def _tone(tile: _Tile, read: _Read) -> Tone:
    if not tile.gauges:
        return Tone.NEUTRAL
    return Tone.ATTENTION if any(_is_crossed(gauge, read) for gauge in tile.gauges) else Tone.GOOD


def _is_crossed(gauge: str, read: _Read) -> bool:
    name, _, label = gauge.partition("/")
    return attention.is_needed(read.values, name, now=read.now, label=label or None)


def gauges_shown() -> Iterator[str]:
    """Yield the gauges that tiles take their tone from."""
    for tiles in _GROUPS.values():
        for tile in tiles:
            yield from (gauge.partition("/")[0] for gauge in tile.gauges)
