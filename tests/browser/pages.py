"""The pages of an organization: where they are, and what a leader does on them."""

import re
from typing import Any
from urllib.parse import quote

from django.core import mail
from django.urls import reverse

from billing.models import Statement
from ingest.models import Report
from tests.browser.visitors import Visitor
from tests.factories import PASSWORD
from tests.scenario.conftest import Customer

TABS = ".tabs"


def addresses(slug: str) -> dict[str, str]:
    """Return the address of each page for an organization that has a statement, by its name."""
    statement = Statement.objects.filter(organization__slug=slug).latest("ends_at")
    report = Report.objects.filter(project__slug="engine").latest("received_at")
    wanted: dict[str, list[Any]] = {
        "organizations": [],
        "account": [],
        "account_email": [],
        "account_change_password": [],
        "mfa_index": [],
        "keys": [],
        "organization-new": [],
        "organization": [slug],
        "members": [slug],
        "organization-settings": [slug],
        "organization-delete": [slug],
        "project-new": [slug],
        "project-settings": [slug, "engine"],
        "project-visibility": [slug, "engine"],
        "project-delete": [slug, "engine"],
        "billing": [slug],
        "billing-series": [slug],
        "billing-series-period": [slug, statement.starts_at],
        "statement": [slug, statement.uuid],
        "what-if": [slug],
        "report": [slug, "engine", report.uuid],
        "plan": [slug],
        "plan-cancel": [slug],
        "invoices": [slug],
        "alerts": [slug],
    }
    return {name: reverse(name, args=values) for name, values in wanted.items()}


def sign_up(visitor: Visitor, *, name: str, email: str) -> None:
    """Make an account, follow the link in the mail, and be signed in."""
    visitor.open("/")
    visitor.follow("Create an account")
    visitor.fill("Name", name)
    visitor.fill("E-mail", email)
    visitor.fill("Password", PASSWORD)
    visitor.press("Create the account")
    found = re.search(r"https?://\S+", str(mail.outbox[-1].body))
    assert found is not None
    visitor.open(found.group())
    visitor.press("Verify the address")


def found_organization(visitor: Visitor, name: str) -> None:
    """Found an organization from the list of one's organizations, which has none yet."""
    visitor.follow("New organization")
    visitor.fill("Name", name)
    visitor.press("Found it")


def make_private_project(visitor: Visitor, name: str) -> str:
    """Make the first project and return its key, which is shown this once."""
    visitor.follow("Projects", within=TABS)
    visitor.reads("No projects yet")
    visitor.fill("Name", name)
    visitor.tick("Private: only your people see it")
    visitor.press("Make the project")
    found = re.search(r"bencher_run_\w+", visitor.text("main"))
    assert found is not None
    return found.group()


def sign_in(visitor: Visitor, customer: Customer) -> None:
    """Come to the billing page, be asked who one is, and arrive."""
    billing = reverse("billing", args=[customer.slug])
    visitor.open(billing)
    visitor.fill("E-mail", customer.leader["leader"])
    visitor.fill("Password", customer.leader["password"])
    visitor.press("Sign in")
    assert visitor.seen[-1] == billing


def buy_trial(visitor: Visitor) -> None:
    """Start the trial on the plan's page, pay on Stripe's, and come back to a plan."""
    visitor.follow("Plan", within=TABS)
    visitor.press("trial")
    visitor.tick("I agree")
    visitor.press("test card 4242")
    visitor.reads("Trial")


def think_better_of_it(visitor: Visitor) -> None:
    """Cancel the plan, having read what that means, and resume it."""
    visitor.follow("Plan", within=TABS)
    visitor.follow("Cancel")
    visitor.reads("What that means")
    visitor.press("Cancel at the end")
    visitor.reads("ends")
    visitor.press("Resume")


def set_budget(visitor: Visitor, series: int) -> None:
    """Ask to be told of parts of a number of series."""
    visitor.follow("Alerts", within=TABS)
    visitor.fill("Active series in a period", str(series))
    visitor.press("Save")


def read_statement(visitor: Visitor, *, series: int) -> None:
    """Go from the invoices to the latest statement."""
    visitor.follow("Invoices", within=TABS)
    visitor.follow("Why this amount", within="tbody")
    visitor.reads(str(series), within="section[aria-labelledby=billed]")
    visitor.reads("SHA-256")


def find_cause(visitor: Visitor, benchmark: str) -> None:
    """Go from the billing page to the report that made a series of a benchmark billable."""
    visitor.follow("Series", within=TABS)
    visitor.fill("Search in all names", benchmark)
    if not visitor.has_script:
        visitor.press("Show", within="main")
    visitor.page.wait_for_url(f"**search={quote(benchmark, safe='')}*")
    visitor.look()
    visitor.leave_by(visitor.page.locator("#results td[data-label='First report'] a").first)
    visitor.reads(benchmark)
