"""The page of a statement: what was billed, how it comes to its amount, and what proves it."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from bs4 import Tag
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher import clock
from bencher.tenancy.models import Organization, User
from billing import close
from billing.models import (
    BillingPeriod,
    Correction,
    CorrectionDecision,
    Drift,
    MeterEvent,
    Plan,
    Statement,
    Verification,
)
from ingest.models import Report
from series import projects
from series.models import Project, Visibility
from tests.factories import NOV, make_period, make_plan, make_project, make_user
from tests.pages import accounts
from tests.pages.accounts import OCT, make_report
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BILLED = b'"billed":true'


@pytest.fixture
def plan(acme: Organization) -> Plan:
    """Return Acme's plan."""
    return make_plan(acme)


@pytest.fixture
def engine(acme: Organization) -> Project:
    """Return a private project."""
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def october(plan: Plan, engine: Project) -> BillingPeriod:
    """Return Acme's October, in which Engine had three series and a public project two."""
    period = make_period(plan, starts_at=OCT, ends_at=NOV)
    make_report(engine, "a", "b", "c", at=OCT + DAY)
    open_ = make_project("Open", organization=plan.organization, visibility=Visibility.PUBLIC)
    make_report(open_, "d", "e", at=OCT + DAY)
    return period


@pytest.fixture
def statement(october: BillingPeriod, now: datetime) -> Statement:
    """Return October's statement."""
    return close.close(october.pk, now=now)


@pytest.fixture
def show(alice: User, browser_of: Browsers) -> Callable[..., Any]:
    """Return a function that shows a statement to Acme's leader."""

    browser = browser_of(alice)

    def get(statement: Statement, query: str = "") -> Any:
        response = browser.get(address(statement) + query)
        assert response.status_code == 200
        return response

    return get


def address(statement: Statement) -> str:
    return f"/organizations/acme/billing/statements/{statement.uuid}/"


def figures(response: Any) -> dict[str, str]:
    """Return the large figures by what they are."""
    found = soup(response).select(".figures > div")
    return {words(each.dt): words(each.select_one(".figure")) for each in found if each.dt}


def proofs(response: Any) -> dict[str, tuple[str, str]]:
    """Return what each holder says, and its state in a word."""
    found = {}
    for row in soup(response).select("[aria-labelledby=proofs] tbody tr"):
        holder, series, state = (row.th, *row.select("td"))
        badge = state.select_one(".badge")
        assert holder is not None
        found[str(next(holder.stripped_strings))] = (words(series), words(badge))
    return found


def deliver(statement: Statement) -> None:
    """Let Stripe have and hold what was posted, and invoice it."""
    MeterEvent.objects.filter(period=statement.period_id).update(sent_at=NOV)
    Verification.objects.create(
        period_id=statement.period_id,
        held=statement.series,
        checked_at=NOV,
        next_check_at=NOV,
        verified_at=NOV,
    )
    accounts.make_settlement(statement, difference="")


class TestFigures:
    def test_say_what_was_billed(self, statement: Statement, show: Callable[..., Any]) -> None:
        response = show(statement)

        assert figures(response) == {
            "Active series": "3",
            "Band": "0–250",
            "Amount": "$100.00",
        }
        assert "Of 5 that reported; 2 not billed." in words(response)
        assert rows(response, "shares")[1:] == [
            ["Engine", "3", "Billed"],
            ["Open", "2", "Not billed Public projects are free."],
        ]

    def test_are_frozen(
        self, statement: Statement, engine: Project, show: Callable[..., Any]
    ) -> None:
        before = words(soup(show(statement)).main)
        engine.name = "Renamed"
        engine.save(update_fields=["name"])
        projects.set_visibility(engine, Visibility.PUBLIC, now=clock.now(), by=None)

        assert words(soup(show(statement)).main) == before

    def test_lead_to_every_series(
        self, statement: Statement, alice: User, browser_of: Browsers, show: Callable[..., Any]
    ) -> None:
        (link,) = [each for each in soup(show(statement)).select("main a") if "Why" in words(each)]

        series = browser_of(alice).get(str(link["href"]))

        assert words(soup(series).select_one("#found")) == "5 series in all, 3 billed"


TIERS = [
    {"up_to": 2, "flat_amount_decimal": "1000.5", "unit_amount_decimal": "0.25"},
    {"up_to": None, "flat_amount": 0, "unit_amount": 40000},
]


class TestArithmetic:
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
    @pytest.mark.parametrize("kind", BillingPeriod.Kind)
    def test_adds_up_to_the_amount(
        self,
        plan: Plan,
        engine: Project,
        show: Callable[..., Any],
        now: datetime,
        count: int,
        kind: BillingPeriod.Kind,
    ) -> None:
        period = make_period(plan, starts_at=OCT, ends_at=NOV, kind=kind)
        BillingPeriod.objects.update(tiers=TIERS)
        if count:
            make_report(engine, *(f"b{number}" for number in range(count)), at=OCT + DAY)
        statement = close.close(period.pk, now=now)

        *steps, (_, amount) = rows(show(statement), "arithmetic")[1:]

        flat, unit = (Decimal("10.005"), Decimal("0.0025")) if count <= 2 else (0, Decimal(400))
        exact = flat + unit * count
        rounded = Decimal(exact).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert [cents(step) for _, step in steps[:2]] == [flat, unit * count]
        assert cents(amount) == (0 if kind == "trial" else rounded)
        if kind == "trial":
            assert steps[-1][0] == "Covered by the trial"
            assert cents(steps[-1][1]) == -rounded

    def test_marks_the_band_of_the_price_that_was_in_force(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        assert rows(show(statement), "price")[1:] == [
            ["0–250 this one", "$100.00"],
            ["251–375", "$150.00"],
            ["376–500", "$200.00"],
            ["501 and more", "$0.40 per series"],
        ]


def cents(text: str) -> Decimal:
    """Return an amount as it is written."""
    return Decimal(text.replace("$", "").replace(",", ""))


AGREE = {
    "Statement": ("3", "Frozen"),
    "Its lines": ("3", "Agrees"),
    "Recount": ("3", "Agrees"),
    "Posted value": ("3", "Received by Stripe"),
    "Stripe’s meter": ("3", "Agrees"),
    "Invoice line": ("3", "Agrees"),
}


class TestProofs:
    def test_all_say_the_same(self, statement: Statement, show: Callable[..., Any]) -> None:
        deliver(statement)

        assert proofs(show(statement)) == AGREE

    def test_wait_until_stripe_has_answered(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        assert proofs(show(statement)) == AGREE | {
            "Posted value": ("3", "Waiting to be sent"),
            "Stripe’s meter": ("Not read yet", "Waiting"),
            "Invoice line": ("None yet", "Not final yet"),
        }

    def test_each_shows_when_it_differs(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        deliver(statement)
        Report.objects.filter(project__name="Engine").update(seen_at=NOV)
        MeterEvent.objects.update(value=4)
        Verification.objects.update(held=5)

        assert proofs(show(statement)) == AGREE | {
            "Recount": ("0", "Differs"),
            "Posted value": ("4", "Differs"),
            "Stripe’s meter": ("5", "Differs"),
        }

    def test_an_invoice_that_differs_says_how(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        accounts.make_settlement(statement, difference="The invoice was voided.")

        response = show(statement)

        assert proofs(response)["Invoice line"] == ("3", "Differs")
        assert "The invoice was voided." in words(response)

    def test_many_series_are_counted_again_when_that_is_asked_for(
        self, statement: Statement, show: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("billing.statement_views.RECOUNTED_AT_ONCE", 4)

        response = show(statement)
        (link,) = [each for each in soup(response).select("main a") if "again now" in words(each)]

        assert proofs(response)["Recount"] == ("Not counted", "Not counted")
        assert str(link["href"]).startswith(address(statement))
        assert proofs(show(statement, "?recount=yes"))["Recount"] == ("3", "Agrees")

    def test_a_difference_that_was_found_at_night_is_told(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        assert "nightly check found" not in words(show(statement))
        Drift.objects.create(
            organization=statement.organization,
            period=statement.period,
            reason=Drift.Reason.STRIPE,
            differences="Stripe holds 5.",
            figures={},
            found_at=NOV,
            checked_at=NOV,
        )

        assert "nightly check found" in words(show(statement))


class TestEvidence:
    def test_its_download_has_the_hash(
        self, statement: Statement, alice: User, browser_of: Browsers, show: Callable[..., Any]
    ) -> None:
        page = soup(show(statement))
        link = page.select_one("a[download]")
        assert isinstance(link, Tag)

        evidence = browser_of(alice).get(str(link["href"])).getvalue()

        assert words(page.select_one("code.hash")) == hashlib.sha256(evidence).hexdigest()
        commands = words(page.pre)
        assert f"sha256sum evidence.ndjson # {hashlib.sha256(evidence).hexdigest()}" in commands
        assert f"# {len(evidence.splitlines())}" in commands
        assert f"# {evidence.count(BILLED)}" in commands


class TestChanges:
    def test_a_late_flip_is_told_with_what_it_decided(
        self, october: BillingPeriod, engine: Project, show: Callable[..., Any], now: datetime
    ) -> None:
        projects.set_visibility(engine, Visibility.PUBLIC, now=NOV - HOUR, by=None)
        statement = close.close(october.pk, now=now)

        response = show(statement)

        assert ["Engine", "made public", "31 October 2026, 23:00:00 UTC", "3"] in rows(
            response, "shares"
        )
        assert figures(response)["Active series"] == "0"


class TestCorrections:
    def correct(self, statement: Statement, *, applied: bool) -> None:
        """Correct a statement from three series to two, at a hundred dollars less."""
        correction = Correction.objects.create(
            statement=statement,
            series=2,
            amount_cents=0,
            before_series=3,
            before_cents=10000,
            why="A testbed was <counted> twice.",
            proposed_by=make_user("sam", is_staff=True),
            proposed_at=NOV,
        )
        CorrectionDecision.objects.create(
            correction=correction,
            applied=applied,
            stripe_credit_note_id="cn_1" if applied else "",
            decided_by=make_user("sue", is_staff=True),
            decided_at=NOV + DAY,
        )

    def test_are_listed_with_what_was_given_back(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        self.correct(statement, applied=True)

        response = show(statement)

        assert rows(response, "corrections")[1:] == [
            [
                "2 November 2026, 00:00:00 UTC",
                "2",
                "$0.00",
                "$100.00 Credit note cn_1",
                "A testbed was <counted> twice.",
            ]
        ]
        assert "This statement was corrected" in words(response)
        assert figures(response)["Active series"] == "3"

    def test_that_were_declined_are_not(
        self, statement: Statement, show: Callable[..., Any]
    ) -> None:
        self.correct(statement, applied=False)

        assert "corrected" not in words(show(statement))


class TestAccess:
    def test_is_for_leaders_of_the_organization(
        self,
        statement: Statement,
        alice: User,
        bob: User,
        charlie: User,
        browser_of: Browsers,
    ) -> None:
        assert browser_of(bob).get(address(statement)).status_code == 403
        assert browser_of(charlie).get(address(statement)).status_code == 404
        assert Client().get(address(statement)).status_code == 302
        theirs = address(statement).replace("acme", "globex")
        assert browser_of(charlie).get(theirs).status_code == 404

    def test_takes_as_many_queries_however_much_there_is(
        self,
        statement: Statement,
        show: Callable[..., Any],
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        deliver(statement)

        with django_assert_num_queries(14):
            show(statement)
