"""CI machines that post reports and leaders who flip projects, each until it has its answer.

They write down what they send before they send it, and what was answered. A report whose
connection broke is sent again with its idempotency key; some machines are impatient and never do.
"""

import json
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from tests.chaos import scene
from tests.chaos.journal import Journal
from tests.chaos.scene import Moment, Organization, Project, Scene

POSTERS = 6
BENCHMARKS = 400
TESTBEDS = ("linux-x64", "linux-arm64", "mac-arm64")
MEASURES = ("latency", "throughput")
_TIMEOUT_SECONDS = 20
# How long a report is sent again and again before it counts as never answered.
PATIENCE_SECONDS = 180
_IMPATIENT, _REPEATED, _LATE, _AT_BOUND = 0.15, 0.1, 0.1, 0.1


@dataclass(frozen=True)
class Sent:
    """A report as it is sent, however often."""

    organization: Organization
    project: Project
    key: str
    body: dict[str, Any]
    impatient: bool


@dataclass
class Poster:
    """One CI machine."""

    scene: Scene
    journal: Journal
    stopping: threading.Event
    number: int
    dice: random.Random = field(init=False)
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.scene.seed} poster {self.number}")

    def run(self) -> None:
        """Post one report after another, and finish the last one."""
        count = 0
        while not self.stopping.is_set():
            count += 1
            sent = self._measure(f"{self.number}-{count}")
            acknowledged = self._deliver(sent)
            if acknowledged and self.dice.random() < _REPEATED:
                self._deliver(sent)
            self.stopping.wait(self.dice.uniform(0, 0.2))

    def _measure(self, key: str) -> Sent:
        organization = self.dice.choice(self.scene.organizations)
        project = self.dice.choice(organization.projects)
        end_time, prefix = self._end_time(organization, key)
        first, count = self.dice.randrange(BENCHMARKS), self.dice.randint(1, 30)
        results = {
            f"{prefix}{(first + step) % BENCHMARKS}": {
                measure: {"value": self.dice.randrange(10**6)}
                for measure in MEASURES[: self.dice.randint(1, 2)]
            }
            for step in range(count)
        }
        body = {
            "branch": "main",
            "testbed": self.dice.choice(TESTBEDS),
            "start_time": (end_time - timedelta(seconds=30)).isoformat(),
            "end_time": end_time.isoformat(),
            "results": [json.dumps(results)],
            "settings": {"adapter": "json"},
            "idempotency_key": key,
        }
        return Sent(organization, project, key, body, self.dice.random() < _IMPATIENT)

    def _end_time(self, organization: Organization, key: str) -> tuple[datetime, str]:
        """Return when it was measured, and how the names of its benchmarks begin."""
        moment = Moment.load(self.scene.directory)
        now = datetime.fromtimestamp(time.time() + moment.ahead, UTC)
        dice = self.dice.random()
        if moment.bounds and dice < _AT_BOUND:
            # Under names that nobody else reports, so that they stay last seen at the bound.
            bound = moment.bounds[organization.slug]
            return datetime.fromtimestamp(bound, UTC), f"at bound {key} "
        late = timedelta(days=3) if dice < _AT_BOUND + _LATE else timedelta(seconds=60)
        return now - timedelta(seconds=self.dice.uniform(1, late.total_seconds())), "bench "

    def _deliver(self, sent: Sent) -> bool:
        """Send a report until it is answered; return whether it was acknowledged."""
        self.journal.write(
            "sent",
            key=sent.key,
            organization=sent.organization.slug,
            project=sent.project.slug,
            testbed=sent.body["testbed"],
            results=json.loads(sent.body["results"][0]),
            end_time=sent.body["end_time"],
        )
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            response = self._post(sent)
            if response is None and sent.impatient:
                self.journal.write("abandoned", key=sent.key)
                return False
            if response is not None and self._is_answered(sent, response):
                return response.status_code == 201
            time.sleep(self.dice.uniform(0.1, 0.8))
        self.journal.write("unanswered", key=sent.key)
        return False

    def _is_answered(self, sent: Sent, response: requests.Response) -> bool:
        status = response.status_code
        if status == 201:
            answer = response.json()
            self.journal.write(
                "acknowledged", key=sent.key, uuid=answer["uuid"], received_at=answer["created"]
            )
            return True
        if status == 429 or status >= 500:
            self.journal.write("put off", key=sent.key, status=status)
            return False
        self.journal.write("refused", key=sent.key, status=status, text=response.text[:500])
        return True

    def _post(self, sent: Sent) -> requests.Response | None:
        """Return the answer, None where the connection broke before there was one."""
        try:
            return self.session.post(
                f"{self.scene.site}/v0/projects/{sent.project.slug}/reports",
                json=sent.body,
                headers={"Authorization": f"Bearer {sent.project.key}"},
                timeout=_TIMEOUT_SECONDS,
            )
        except requests.RequestException:
            self.journal.write("broken", key=sent.key)
            return None


@dataclass
class Leaders:
    """Make private projects public and public ones private, one after another."""

    scene: Scene
    journal: Journal
    stopping: threading.Event
    private: dict[str, bool] = field(default_factory=dict)

    def run(self) -> None:
        """Flip a project every now and then."""
        dice = random.Random(f"{self.scene.seed} leaders")
        while not self.stopping.wait(dice.uniform(0.5, 3)):
            organization = dice.choice(self.scene.organizations)
            project = dice.choice(organization.projects)
            with scene.visibility_lock(
                self.scene.directory, give_up=self.stopping.is_set
            ) as is_held:
                if is_held:
                    self._flip(organization, project)

    def _flip(self, organization: Organization, project: Project) -> None:
        private = not self.private.get(project.slug, project.private)
        while not self._ask(organization, project, private=private):
            time.sleep(0.3)
        self.private[project.slug] = private
        self.journal.write("flipped", project=project.slug, private=private)

    def _ask(self, organization: Organization, project: Project, *, private: bool) -> bool:
        try:
            response = requests.patch(
                f"{self.scene.site}/v0/projects/{project.slug}",
                json={"visibility": "private" if private else "public"},
                headers={"Authorization": f"Bearer {organization.leader_key}"},
                timeout=_TIMEOUT_SECONDS,
            )
        except requests.RequestException:
            return False
        if response.status_code not in (200, 429) and response.status_code < 500:
            self.journal.write("flip refused", status=response.status_code, text=response.text)
        return response.status_code == 200


def main() -> None:
    """Work until SIGTERM, then finish what was begun."""
    told = scene.load(Path(sys.argv[1]))
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    journal = Journal(told.directory / "load.jsonl")
    posters = [Poster(told, journal, stopping, number) for number in range(POSTERS)]
    runs = [*(poster.run for poster in posters), Leaders(told, journal, stopping).run]
    threads = [threading.Thread(target=run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
