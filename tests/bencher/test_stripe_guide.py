"""The guide to Stripe: its commands run in order against the sandbox, and what it names exists."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core.management import call_command

from bencher.tenancy.models import Organization
from billing.stripe_setup import catalog
from series.models import Project
from tests.stripe_sandbox import Sandbox

ROOT = Path(site_settings.BASE_DIR)
GUIDE = ROOT / "docs" / "stripe.md"
TEXT = GUIDE.read_text()
ALERTS = TEXT.split("## 7.")[1].split("\n## ")[0]
# The tables of the test's own database are there; `check` judges the environment of a server.
NOT_RUN = {"migrate", "check"}
# A verb of HTTP, and what the tests read and the service never does.
NO_SETTINGS = {"DELETE", "STRIPE_TEST_SECRET_KEY"}


def commands() -> list[list[str]]:
    """Return every command of the guide, in its order."""
    lines = re.findall(r"python manage\.py ([^`\n]+)", TEXT)
    return [shlex.split(line) for line in lines]


def sources() -> str:
    """Return all that our programs may say."""
    return "\n".join(
        path.read_text() for room in ("billing", "bencher") for path in (ROOT / room).rglob("*.py")
    )


def test_the_guide_s_commands_run_as_they_stand(
    committed_db: str,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiers = [{**tier, "up_to": tier["up_to"] or "inf"} for tier in catalog.DEFAULT_TIERS]
    (tmp_path / "ladder.json").write_text(json.dumps(tiers))
    monkeypatch.chdir(tmp_path)
    ran = []

    for name, *arguments in commands():
        if name not in NOT_RUN:
            call_command(name, *arguments)
            ran.append(name)

    assert {"stripe_setup", "add_organization", "usage", "close_periods", "reconcile"} <= set(ran)
    assert Organization.objects.get().slug == "first-customer"
    assert Project.objects.get().organization.slug == "first-customer"
    # The ones that only look left nothing behind: one of each, of all those runs.
    assert len(sandbox.objects("webhook_endpoint")) == 1
    assert len(sandbox.objects("price")) == 4


def test_every_setting_of_the_guide_is_one() -> None:
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"`?\b([A-Z][A-Z_]{4,})\b=?`?", TEXT)) - NO_SETTINGS

    assert {name for name in named if f"\n{name}=" not in example} == set()


def test_what_the_set_up_prints_is_in_the_guide() -> None:
    for name in [wanted.setting for wanted in catalog.PRODUCTS]:
        assert f"\n{name}=" in TEXT


@pytest.mark.parametrize("gauge", sorted(set(re.findall(r"`(bencher_\w+)`", TEXT))))
def test_every_gauge_of_the_guide_is_one(gauge: str) -> None:
    assert f'"{gauge}"' in sources()


@pytest.mark.parametrize(
    "words",
    re.findall(r"^\| ([a-zA-Z][a-zA-Z ]+?)(?:;[^|]*)? \|", ALERTS, re.MULTILINE)[1:],
)
def test_every_alert_of_the_guide_is_logged_in_these_words(words: Any) -> None:
    assert f'"{words}"' in sources()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", TEXT))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (GUIDE.parent / link).exists()
