"""Budgets: set, changed, taken back, refused in words; and the log of what was sent."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from bencher.tenancy.models import Organization, User
from billing import alert_views
from billing.models import BillingPeriod, Budget, Notice
from series.models import Visibility
from tests.factories import make_member, make_plan, make_project, make_user
from tests.pages import accounts
from tests.pages.reading import soup, words

Browsers = Callable[[User], Client]
ALERTS = "/organizations/acme/billing/alerts/"
TRY = f"{ALERTS}try-mail/"
LOG = "section[aria-labelledby=notices] tbody tr"


@pytest.fixture
def browser(alice: User, acme: Organization, browser_of: Browsers) -> Client:
    """Return the browser of Acme's leader."""
    return browser_of(alice)


def put(browser: Client, unit: str, limit: str, *thresholds: int) -> Any:
    """Send the form of a budget."""
    return browser.post(
        f"{ALERTS}budget/{unit}/",
        {f"{unit}-limit": limit, f"{unit}-thresholds": [str(each) for each in thresholds]},
    )


def notice(
    acme: Organization, period: BillingPeriod | None, about: str, now: datetime, **more: Any
) -> None:
    """Store a notice, of a higher band where nothing else is said."""
    Notice.objects.create(
        organization=acme,
        period=period,
        about=about,
        noticed_at=now,
        **{
            "kind": Notice.Kind.TIER_CROSSED,
            "figures": {"band": 1, "series": 300, "counted_at": now.isoformat()},
        }
        | more,
    )


class TestBudget:
    def test_is_set_changed_and_taken_back(self, browser: Client, alice: User) -> None:
        put(browser, "series", "300", 50, 100)
        put(browser, "amount", "150.50", 90)
        assert set(Budget.objects.values_list("unit", "limit")) == {
            ("series", 300),
            ("amount", 15050),
        }
        page = soup(browser.get(ALERTS))
        assert page.select_one("input[name=amount-limit][value='150.50']")
        checked = page.find_all("input", {"name": "series-thresholds", "checked": True})
        assert [box["value"] for box in checked] == ["50", "100"]

        put(browser, "series", "400", 75)
        budget = Budget.objects.get(unit="series")
        assert (budget.limit, budget.thresholds, budget.set_by) == (400, [75], alice)

        put(browser, "series", "", 75)
        assert not Budget.objects.filter(unit="series").exists()

    @pytest.mark.parametrize(
        ("unit", "limit", "thresholds", "says"),
        [
            ("series", "0", [50], "greater than or equal to 1"),
            ("series", "1.5", [50], "whole number"),
            ("series", "100", [], "Choose at least one"),
            ("series", "100", [60], "60 is not one of the available choices"),
            ("amount", "1.234", [50], "2 decimal places"),
            ("amount", "NaN", [50], "Enter a number"),
            ("amount", "1e12", [50], "less than or equal to 10000000"),
        ],
    )
    def test_that_makes_no_sense_is_refused_in_words(
        self, browser: Client, unit: str, limit: str, thresholds: list[int], says: str
    ) -> None:
        response = put(browser, unit, limit, *thresholds)

        assert response.status_code == 422
        assert says in words(soup(response).find(class_="error-summary"))
        assert not Budget.objects.exists()

    def test_of_an_unknown_unit_does_not_exist(self, browser: Client) -> None:
        assert put(browser, "metrics", "1", 50).status_code == 404

    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
    def test_is_for_leaders(
        self, who: str, status: int, browser_of: Browsers, request: pytest.FixtureRequest
    ) -> None:
        other = browser_of(request.getfixturevalue(who))
        request.getfixturevalue("acme")

        assert other.get(ALERTS).status_code == status
        assert put(other, "series", "10", 50).status_code == status
        assert not Budget.objects.exists()


class TestLog:
    def test_shows_what_was_sent_and_to_whom(
        self, browser: Client, alice: User, acme: Organization, now: datetime
    ) -> None:
        Notice.objects.create(
            organization=acme,
            period=accounts.make_november(make_plan(acme)),
            kind=Notice.Kind.TIER_CROSSED,
            about="band 2",
            figures={"band": 1, "series": 300, "counted_at": now.isoformat()},
            noticed_at=now,
            sent_at=now,
            recipients=[alice.uuid],
        )

        row = words(soup(browser.get(ALERTS)).find("tbody"))

        assert "300 active series, in the band 251–375" in row
        assert "Sent" in row
        assert "alice@example.com" in row

    def test_takes_the_same_queries_for_many(
        self,
        browser: Client,
        alice: User,
        acme: Organization,
        now: datetime,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(30):
            Notice.objects.create(
                organization=acme,
                kind=Notice.Kind.PAYMENT_FAILED,
                about=str(number),
                figures={"status": "past_due", "private_until": None},
                noticed_at=now,
                sent_at=now,
                recipients=[alice.uuid],
            )

        with django_assert_max_num_queries(14):
            browser.get(ALERTS)

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("", ["waiting", "failed", "sent", "paid"]),
            ("?kind=payment-failed", ["paid"]),
            ("?state=sent", ["sent"]),
            ("?state=waiting", ["waiting", "paid"]),
            ("?state=not-sent", ["failed"]),
            ("?state=not-sent&kind=payment-failed", []),
            ("?state=lost&kind=strange&before=x", ["waiting", "failed", "sent", "paid"]),
        ],
    )
    def test_is_filtered(
        self, browser: Client, acme: Organization, now: datetime, query: str, shown: list[str]
    ) -> None:
        period = accounts.make_november(make_plan(acme))
        payment = {"status": "past_due", "private_until": None}
        notice(acme, None, "paid", now, kind=Notice.Kind.PAYMENT_FAILED, figures=payment)
        notice(acme, period, "sent", now, sent_at=now)
        notice(acme, period, "failed", now, given_up_at=now)
        notice(acme, period, "waiting", now)
        names = {"On its way": "waiting", "Not sent": "failed", "Sent": "sent"}

        found = [words(row) for row in soup(browser.get(ALERTS + query)).select(LOG)]

        assert [
            "paid"
            if "payment failed" in row
            else next(name for said, name in names.items() if said in row)
            for row in found
        ] == shown

    def test_is_shown_in_pages(self, browser: Client, acme: Organization, now: datetime) -> None:
        payment = {"status": "past_due", "private_until": None}
        for number in range(alert_views.SHOWN + 3):
            notice(acme, None, str(number), now, kind=Notice.Kind.PAYMENT_FAILED, figures=payment)
        notice(acme, accounts.make_november(make_plan(acme)), "band", now)

        first = soup(browser.get(f"{ALERTS}?kind=payment-failed"))
        older = first.find("a", string="Older")
        assert older is not None
        second = soup(browser.get(ALERTS + str(older["href"]).partition("#")[0]))

        assert [len(page.select(LOG)) for page in (first, second)] == [
            alert_views.SHOWN,
            3,
        ]
        assert second.find("a", string="Older") is None


class TestBar:
    def test_shows_what_is_used(self, browser: Client, acme: Organization, now: datetime) -> None:
        accounts.make_november(make_plan(acme))
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 30, at=now)
        put(browser, "series", "40", 50, 100)
        put(browser, "amount", "100", 90)

        series, amount = soup(browser.get(ALERTS)).select(".halves > section")

        assert "30 of 40, 75%" in words(series)
        bar = series.select_one(".bar__fill")
        assert bar is not None
        assert bar["width"] == "75.0%"
        assert "$100.00 of $100.00, 100% It is reached. Nothing is cut off." in words(amount)

    def test_says_when_no_period_runs(self, browser: Client) -> None:
        put(browser, "series", "40", 50)

        page = browser.get(ALERTS)

        assert "It is looked at while a period of Pro runs, and none does now." in words(page)
        assert soup(page).find("svg", class_="bar") is None


class TestRecipients:
    def test_are_the_leaders(self, browser: Client, bob: User) -> None:
        section = words(soup(browser.get(ALERTS)).select_one("ul.recipients"))

        assert section == "alice@example.com"


class TestTryingMail:
    def test_sends_one_to_the_reader_only(
        self, browser: Client, acme: Organization, alice: User, mailoutbox: list[Any]
    ) -> None:
        make_member(make_user("dana"), acme)

        response = browser.post(TRY, follow=True)

        assert "The mail server took an e-mail to alice@example.com." in words(response)
        (sent,) = mailoutbox
        assert sent.to == ["alice@example.com"]
        assert sent.subject == "Acme: e-mails arrive"
        assert "Nothing has happened." in sent.body
        assert not Notice.objects.exists()

    def test_sends_no_second_one_at_once(self, browser: Client, mailoutbox: list[Any]) -> None:
        browser.post(TRY)

        again = browser.post(TRY, follow=True)

        assert "You were sent one within the last minute" in words(again)
        assert len(mailoutbox) == 1

    def test_says_when_the_server_does_not_take_it(
        self, browser: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise ConnectionRefusedError("no server")

        monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)

        response = browser.post(TRY, follow=True)

        assert "The mail server did not take it, so alerts do not arrive either." in words(response)

    @pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
    def test_is_for_leaders(
        self,
        who: str,
        status: int,
        acme: Organization,
        browser_of: Browsers,
        mailoutbox: list[Any],
        request: pytest.FixtureRequest,
    ) -> None:
        assert browser_of(request.getfixturevalue(who)).post(TRY).status_code == status
        assert mailoutbox == []
