"""Invoices beside statements: each alone and both together, in pages and as a file."""

import csv
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from bencher.tenancy.models import Organization, User
from billing import invoice_views, stripe_links
from billing.models import BillingPeriod, Correction, CorrectionDecision, Plan, Statement
from series.models import Visibility
from tests import factories
from tests.factories import NOV, make_plan, make_project
from tests.pages import accounts
from tests.pages.accounts import OCT, SEP
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
PAGE = "/organizations/acme/billing/invoices/"
FILE = "/organizations/acme/billing/invoices.csv"


@pytest.fixture
def browser(alice: User, acme: Organization, browser_of: Browsers) -> Client:
    """Return the browser of Acme's leader."""
    return browser_of(alice)


@pytest.fixture
def plan(acme: Organization) -> Plan:
    """Return Acme's Pro plan."""
    return make_plan(acme)


@pytest.fixture
def statement(plan: Plan) -> Statement:
    """Return October's statement, for 300 series and $150.00."""
    return accounts.make_october_statement(plan, series=300, amount_cents=15000)


def listed(browser: Client, query: str = "") -> list[list[str]]:
    """Return the cells of the list, without its head."""
    return rows(browser.get(PAGE + query), "invoices")[1:]


class TestWhoMaySeeThem:
    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
    @pytest.mark.parametrize("address", [PAGE, FILE])
    def test_leaders_only(
        self,
        who: str,
        status: int,
        address: str,
        acme: Organization,
        browser_of: Browsers,
        request: pytest.FixtureRequest,
    ) -> None:
        assert browser_of(request.getfixturevalue(who)).get(address).status_code == status

    def test_shows_none_of_another_organization(
        self, browser: Client, statement: Statement, charlie: User
    ) -> None:
        globex = Organization.objects.get(slug="globex")
        accounts.make_october_statement(make_plan(globex), series=1, amount_cents=10000)
        accounts.make_invoice(globex, "GLOBEX-1", created=NOV)

        assert len(listed(browser)) == 1


class TestRows:
    def test_says_that_there_is_nothing(self, browser: Client) -> None:
        assert "There is no invoice and no statement yet." in words(browser.get(PAGE))

    def test_shows_an_invoice_with_its_statement(
        self, browser: Client, acme: Organization, statement: Statement
    ) -> None:
        accounts.make_settlement(statement, difference="")
        accounts.make_invoice(
            acme,
            str(statement.pk),
            created=NOV + timedelta(minutes=5),
            total=17850,
            total_taxes=[{"amount": 2000}, {"amount": 850}],
        )

        assert listed(browser) == [
            [
                "1 November 2026",
                "1 Oct – 1 Nov 2026",
                "Pro",
                "300",
                "$150.00",
                "$28.50",
                "Paid",
                "Why this amount for 1 Oct – 1 Nov 2026"
                f" Invoice {statement.pk} at Stripe PDF of invoice {statement.pk}",
            ]
        ]
        why = soup(browser.get(PAGE)).find("a", href=re.compile(f"/statements/{statement.uuid}/"))
        assert why is not None

    def test_finds_a_drafts_statement_by_its_lines(
        self, browser: Client, acme: Organization, statement: Statement
    ) -> None:
        line = {
            "pricing": {"price_details": {"price": statement.stripe_price_id}},
            "period": {"start": int(OCT.timestamp()), "end": int(NOV.timestamp())},
        }
        accounts.make_invoice(
            acme,
            "draft",
            created=NOV,
            number=None,
            status="draft",
            total=0,
            automatically_finalizes_at=int((NOV + timedelta(days=3)).timestamp()),
            hosted_invoice_url=None,
            invoice_pdf=None,
            lines={"data": [line]},
        )

        (row,) = listed(browser)

        assert row[2:5] == ["Pro", "300", "$150.00"], "the draft itself says less so far"
        assert row[6] == "Not final yet Final after 4 November 2026, 00:00:00 UTC."

    def test_shows_a_trial_that_needs_no_invoice(self, browser: Client, plan: Plan) -> None:
        period = factories.make_period(
            plan, starts_at=OCT, ends_at=NOV, kind=BillingPeriod.Kind.TRIAL
        )
        Statement.objects.create(
            period=period,
            organization=plan.organization,
            stripe_subscription_id=plan.stripe_subscription_id,
            stripe_price_id=plan.stripe_price_id,
            starts_at=OCT,
            ends_at=NOV,
            kind=BillingPeriod.Kind.TRIAL,
            series=7,
            total_series=7,
            amount_cents=0,
            evidence_sha256="0" * 64,
            closed_at=NOV,
        )

        (row,) = listed(browser)

        assert row[2:7] == [
            "Trial",
            "7",
            "$0.00",
            "",
            "Nothing to pay The trial covered it, so it needs no invoice.",
        ]

    def test_shows_a_statement_whose_invoice_has_not_come(
        self, browser: Client, statement: Statement
    ) -> None:
        (row,) = listed(browser)

        assert row[4] == "$150.00"
        assert row[6].startswith("No invoice here yet Stripe makes it within hours")

    @pytest.mark.parametrize(
        ("more", "kind", "said"),
        [
            ({}, "Other", "an older plan is billed by its metrics"),
            (
                {"billing_reason": "subscription_create", "total": 0},
                "Start of the plan",
                "Nothing is billed in advance",
            ),
            ({"status": "draft"}, "Period being closed", "the statement follows within minutes"),
        ],
    )
    def test_shows_an_invoice_without_a_statement(
        self, browser: Client, acme: Organization, more: dict[str, Any], kind: str, said: str
    ) -> None:
        accounts.make_invoice(acme, "ACME-0001", created=NOV, **more)

        (row,) = listed(browser)

        assert row[2:4] == [kind, ""]
        assert said in row[6]

    def test_says_what_is_given_back_and_corrected(
        self, browser: Client, acme: Organization, alice: User, statement: Statement
    ) -> None:
        accounts.make_settlement(statement, difference="")
        accounts.make_invoice(
            acme, str(statement.pk), created=NOV, total=15000, post_payment_credit_notes_amount=5000
        )
        correction = Correction.objects.create(
            statement=statement,
            series=200,
            amount_cents=10000,
            before_series=300,
            before_cents=15000,
            why="A runner reported by mistake.",
            proposed_by=alice,
            proposed_at=NOV,
        )
        CorrectionDecision.objects.create(
            correction=correction,
            applied=True,
            decided_by=factories.make_user("dana", is_staff=True),
            decided_at=NOV,
        )

        (row,) = listed(browser)

        assert row[6] == (
            "Paid Credit notes give back $50.00 of it. The statement was corrected by $50.00;"
            " it says why."
        )

    def test_says_where_an_invoice_differs(
        self, browser: Client, acme: Organization, statement: Statement
    ) -> None:
        accounts.make_settlement(statement, difference="The invoice charges $1.00.")
        accounts.make_invoice(acme, str(statement.pk), created=NOV, total=100)

        (row,) = listed(browser)

        assert row[6] == (
            "Paid Differs from its statement, and our staff know: The invoice charges $1.00."
        )


class TestOwed:
    def test_says_what_is_owed_and_where_to_pay(self, browser: Client, acme: Organization) -> None:
        for number, created in (("ACME-0002", NOV), ("ACME-0001", OCT)):
            accounts.make_invoice(
                acme, number, created=created, status="open", amount_remaining=9000
            )

        page = browser.get(PAGE)
        section = soup(page).find("section", attrs={"aria-labelledby": "owed"})

        assert words(section).startswith("$180.00 is still to be paid That is open on 2 invoices.")
        assert soup(page).select_one("a.button[href='https://invoice.stripe.com/i/ACME-0001']")
        assert "$90.00 is still to be paid." in listed(browser)[0][6]

    def test_is_silent_where_nothing_is(self, browser: Client, acme: Organization) -> None:
        accounts.make_invoice(acme, "ACME-0001", created=NOV)

        assert soup(browser.get(PAGE)).find(id="owed") is None


class TestUpcoming:
    def test_says_what_the_next_one_comes_to(
        self, browser: Client, acme: Organization, plan: Plan, now: datetime
    ) -> None:
        accounts.make_november(plan)
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 251, at=now)

        section = words(soup(browser.get(PAGE)).select_one("[aria-labelledby=upcoming]"))

        assert "As it stands $150.00 Before tax, at the count so far" in section
        assert "Active series 251" in section

    def test_says_that_the_trial_covers_it(self, browser: Client, plan: Plan) -> None:
        accounts.make_november(plan, kind=BillingPeriod.Kind.TRIAL)

        assert "$0.00 The trial covers this period." in words(browser.get(PAGE))

    def test_is_absent_without_a_plan(self, browser: Client) -> None:
        assert soup(browser.get(PAGE)).find(id="upcoming") is None


class TestPages:
    def test_show_every_row_once_over_the_years(
        self, browser: Client, acme: Organization, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(2 * invoice_views.SHOWN + 1):
            # Two of each instant: no page may end between them and lose one.
            created = SEP + timedelta(days=number // 2)
            accounts.make_invoice(acme, f"ACME-{number:04}", created=created)
        seen, query = [], ""

        for _ in range(3):
            page = browser.get(PAGE + query)
            seen += [row[7].split()[1] for row in rows(page, "invoices")[1:]]
            older = soup(page).find("a", string="Older")
            query = str(older["href"]) if older else ""

        assert query == ""
        assert seen == [f"ACME-{number:04}" for number in reversed(range(len(seen)))]
        assert len(seen) == 2 * invoice_views.SHOWN + 1
        # Session, user, organization, membership, customer, rows, customer, owed, customer, and
        # clock, plan, count, runner minutes.
        with django_assert_num_queries(13):
            browser.get(PAGE)

    def test_that_do_not_exist_are_not_found(self, browser: Client) -> None:
        assert browser.get(f"{PAGE}?after=yesterday,in_1").status_code == 404
        assert browser.get(f"{PAGE}?after=0001-01-01T00:00:00%2B14:00,x").status_code == 404
        assert browser.get(f"{PAGE}?after=2026-11-01T00:00:00Z,in_1%00").status_code == 404

    def test_after_the_last_says_so(self, browser: Client) -> None:
        page = browser.get(f"{PAGE}?after={quote('2020-01-01T00:00:00Z,x')}")

        assert "There is nothing older." in words(page)


class TestFile:
    def test_has_every_row(self, browser: Client, acme: Organization, statement: Statement) -> None:
        accounts.make_settlement(statement, difference="")
        accounts.make_invoice(
            acme,
            str(statement.pk),
            created=NOV,
            number="=ACME",
            total=17850,
            total_taxes=[{"amount": 2850}],
        )
        accounts.make_invoice(acme, "ACME-0000", created=SEP)

        response = browser.get(FILE)

        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="acme-invoices.csv"'
        first, second = csv.DictReader(response.content.decode().splitlines())
        assert first == {
            "made_at": "2026-11-01T00:00:00Z",
            "invoice_number": "'=ACME",
            "invoice_status": "paid",
            "period_start": "2026-10-01T00:00:00Z",
            "period_end": "2026-11-01T00:00:00Z",
            "kind": "Pro",
            "active_series": "300",
            "currency": "usd",
            "amount": "150.00",
            "tax": "28.50",
            "credited": "0.00",
            "remaining": "0.00",
            "invoice_id": f"in_{statement.pk}",
            "statement_uuid": str(statement.uuid),
        }
        assert second["statement_uuid"] == ""


class TestLinks:
    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            "http://invoice.stripe.com/i/1",
            "https://stripe.com.evil.example/i/1",
            "https://evilstripe.com/i/1",
            "https://stripe.com@evil.example/",
            "//invoice.stripe.com/i/1",
            "",
        ],
    )
    def test_lead_nowhere_but_to_stripe(
        self, browser: Client, acme: Organization, url: str
    ) -> None:
        accounts.make_invoice(
            acme, "ACME-0001", created=NOV, hosted_invoice_url=url, invoice_pdf=url
        )

        assert stripe_links.checked(url) == ""
        assert soup(browser.get(PAGE)).select("ul.documents a") == []

    def test_lead_to_the_sandbox_only_where_it_stands_in(self, settings: Settings) -> None:
        url = f"{settings.STRIPE_API_BASE}/i/in_1"
        assert stripe_links.checked(url) == url

        settings.STRIPE_IS_SANDBOX = False

        assert stripe_links.checked(url) == ""
