"""Run it: `make chaos`, or `make chaos ARGS="--seconds 3600 --seed 7"`."""

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from tests.chaos import harm, journal
from tests.chaos.held import Database
from tests.chaos.outsider import Outsider
from tests.chaos.proof import Finding, Proof
from tests.chaos.scene import Scene
from tests.chaos.stripe_account import until
from tests.chaos.system import System

DIRECTORY = Path(".benchmarks") / "chaos"
_FINISH_SECONDS = 240
_PROGRESS_SECONDS = 15
_TICK_SECONDS = 0.05


class Run:
    """One run: harm, calm, proof."""

    def __init__(self, *, seconds: float, seed: int) -> None:
        self.seconds, self.seed = seconds, seed
        self.began = time.monotonic()
        self.acts: Counter[str] = Counter()
        self.system = System(DIRECTORY)

    def tell(self, what: str) -> None:
        """Print a line with its time."""
        print(f"{time.monotonic() - self.began:7.1f} s  {what}", flush=True)

    def prove(self) -> list[Finding]:
        """Do it all and return what was found. Raises where it could not be done."""
        self.tell(f"starting everything, seed {self.seed}, logs in {self.system.directory}")
        scene = self.system.open(seed=self.seed)
        harm.fail(self.system, self.seed)
        for name in ("load", "time"):
            self.system.processes[name].start()
        self._harm(scene)
        self._settle()
        return list(self._compare(scene))

    def _harm(self, scene: Scene) -> None:
        acts = harm.acts(self.seed)
        self.tell(f"doing harm for {self.seconds:g} s")
        end = time.monotonic() + self.seconds
        next_act = next_progress = time.monotonic()
        while (now := time.monotonic()) < end:
            for name in self.system.mend():
                self.tell(f"{name} ended by itself, and was started again")
            self._check_our_own()
            if now >= next_act:
                act, dice = next(acts)
                self.acts[act.__name__] += 1
                pause = harm.pause(self.system, dice)
                self.tell(act(self.system, dice))
                next_act = time.monotonic() + pause
            if now >= next_progress:
                self._show_progress(scene)
                next_progress = now + _PROGRESS_SECONDS
            time.sleep(_TICK_SECONDS)

    def _check_our_own(self) -> None:
        for name in ("load", "time"):
            if not self.system.processes[name].is_alive:
                raise RuntimeError(f"{name} ended; see {self.system.directory / name}.log")

    def _show_progress(self, scene: Scene) -> None:
        load = Counter(line["kind"] for line in journal.read(scene.directory / "load.jsonl"))
        moved = [
            line["to"]
            for line in journal.read(scene.directory / "time.jsonl")
            if line["kind"] == "moved"
        ]
        self.tell(
            f"= {load['acknowledged']:,} reports acknowledged, {_failed(load):,} tries failed,"
            f" {load['flipped']:,} flips,"
            f" time {moved[-1] if moved else 'not moved yet'}"
        )

    def _settle(self) -> None:
        self.tell("no more harm: bringing everything up, and finishing what was begun")
        self.system.calm()
        # Time last: it may be holding back the leaders until a period is closed.
        for name in ("load", "time"):
            if not self.system.processes[name].finish(_FINISH_SECONDS):
                raise RuntimeError(f"{name} did not finish; see {self.system.directory / name}.log")
        self.system.renew()

    def _compare(self, scene: Scene) -> Iterator[Finding]:
        # Within the hour in which an invoice waits for its closing.
        self._advance(self._now() + timedelta(minutes=2))
        self.tell("time goes on to the next sweep")
        self._advance(_next_night(self._now()))
        proof = self._proof(scene)
        yield from proof.ledger()
        yield from proof.open_periods()
        self.tell("time goes on past the end of the period")
        end = max(one.ends_at for one in proof.periods)
        self._advance(end + timedelta(hours=3))
        self.tell("reconciling")
        yield self._reconciled()
        yield from self._proof(scene).closed_periods()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.system.stripe.clock()["now"], UTC)

    def _advance(self, to: datetime) -> None:
        self._drain()
        self.system.run("manage.py", "sandbox", "advance", "--to", f"{to:%FT%TZ}")
        self._drain()

    def _drain(self) -> None:
        """Wait until the sender has sent everything; it backs off in real time."""
        database = Database(self.system.env["DATABASE_URL"])
        try:
            until(lambda: database.queued() == 0, "sending what waits in the outbox")
        finally:
            database.close()

    def _proof(self, scene: Scene) -> Proof:
        outsider = Outsider()
        outsider.read_load(journal.read(scene.directory / "load.jsonl"))
        outsider.read_time(journal.read(scene.directory / "time.jsonl"))
        self.counts = outsider.counts
        database = Database(self.system.env["DATABASE_URL"])
        return Proof(scene, outsider, database, self.system.stripe)

    def _reconciled(self) -> Finding:
        """Ask the product itself; only what it says of each period counts, if it says anything."""
        done = self.system.attempt("manage.py", "reconcile", "--json")
        said = [json.loads(line) for line in done.stdout.splitlines()]
        found = [
            f"{one['organization']} from {one['start_time']}: {wrong}"
            for one in said
            if (wrong := one["differences"] or one["unknown"])
        ]
        failed = [] if done.returncode == 0 else [done.stderr[-2000:]]
        return Finding("reconcile finds nothing", len(said), next(iter([*found, *failed]), ""))


def main() -> int:
    """Run it; return 0 where all figures agree, 1 where one differs or it could not be done."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    DIRECTORY.parent.mkdir(exist_ok=True)
    try:
        with FileLock(DIRECTORY.with_suffix(".lock"), timeout=0):
            return _run(Run(seconds=options.seconds, seed=options.seed))
    except Timeout:
        print(f"Another run uses {DIRECTORY}; wait for its end.", file=sys.stderr)
        return 1


def _run(run: Run) -> int:
    try:
        findings = run.prove()
    except KeyboardInterrupt:
        print("\nStopped; nothing was proven.", file=sys.stderr)
        return 128 + signal.SIGINT
    except (RuntimeError, TimeoutError) as error:
        print(f"\nSeed {run.seed}: {error}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        run.system.close()
    return _verdict(run, findings)


def _verdict(run: Run, findings: list[Finding]) -> int:
    print()
    for finding in findings:
        verdict = f"DIFFERS: {finding.difference}" if finding.difference else "agrees"
        print(f"  {finding.name:<46}{finding.cases:>9,}  {verdict}")
    did = (
        f"acknowledged {run.counts['acknowledged'] - run.counts['repeated']:,} reports,"
        f" {_failed(run.counts):,} tries failed, {sum(run.acts.values())} acts of harm,"
        f" {run.counts['closed']} periods closed meanwhile"
    )
    took = f"({time.monotonic() - run.began:.0f} s, seed {run.seed})"
    differing = [finding for finding in findings if finding.difference]
    if not differing:
        print(f"\n{did}: all figures agree {took}")
        return 0
    print(f"\n{did}: FIGURES DIFFER {took}")
    print(f"First difference: {differing[0].name}: {differing[0].difference}")
    print(f'Again: make chaos ARGS="--seconds {run.seconds:g} --seed {run.seed}"')
    return 1


def _failed(counts: Counter[str]) -> int:
    """Return how many requests of CI were not answered, or put off."""
    return counts["broken"] + counts["put off"]


def _next_night(now: datetime) -> datetime:
    night = now.replace(hour=3, minute=5, second=0, microsecond=0)
    return night if night > now else night + timedelta(days=1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description="Kill the product's processes at random while CI posts and time passes, and"
        " then prove from what CI wrote down that no report, series or charge is lost or doubled."
        " Exits 1 with the first difference and the seed where a figure differs.",
    )
    parser.add_argument("--seconds", type=float, default=120, help="of harm (default: 120)")
    parser.add_argument(
        "--seed",
        type=int,
        default=random.randrange(10**6),
        help="of harm, load and time (default: a new one)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
