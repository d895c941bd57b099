"""What holds for every page: accessible, and nothing that the strict policy would block."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.template.loader import render_to_string
from django.test import Client

from bencher.tenancy.models import Organization, User
from billing import reachability, stripe_links
from billing.models import Notice, Plan, Statement, Status
from series.models import Project, Visibility
from tests.factories import DEC, NOV, make_plan, make_project
from tests.pages import accounts, people_pages
from tests.pages.reading import soup, words

Browsers = Callable[[User], Client]
BILLING = "/organizations/acme/billing/"
ALERTS = f"{BILLING}alerts/"
SERIES = f"{BILLING}series/"
WHAT_IF = f"{BILLING}what-if/"
OCTOBER = f"{BILLING}periods/2026-10-01T00:00:00Z/series/"
PLAN = f"{BILLING}plan/"
CANCEL = f"{BILLING}cancel/"
INVOICES = f"{BILLING}invoices/"


def _without_a_plan(acme: Organization, now: datetime) -> None:
    pass


def _with_everything(acme: Organization, now: datetime) -> None:
    plan = make_plan(acme)
    statement = accounts.make_october_statement(plan, series=1, amount_cents=10000)
    accounts.make_settlement(statement, difference="")
    accounts.make_invoice(acme, str(statement.pk), created=NOV)
    accounts.make_invoice(acme, "open", created=NOV, status="open", amount_remaining=10000)
    period = accounts.make_november(plan)
    accounts.make_event(period, 3, at=now)
    Notice.objects.create(
        organization=acme,
        period=period,
        kind=Notice.Kind.TIER_CROSSED,
        about="band 2",
        figures={"band": 1, "series": 300, "counted_at": now.isoformat()},
        noticed_at=now,
    )
    project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
    accounts.make_series(project, 3, at=now)


def _statement() -> str:
    return f"{BILLING}statements/{Statement.objects.get().uuid}/"


def _report() -> str:
    engine = Project.objects.get(name="Engine")
    uuid = accounts.make_report(engine, "bench", at=DEC - timedelta(days=13))
    return f"/organizations/acme/projects/engine/reports/{uuid}/"


def _with_trouble(acme: Organization, now: datetime) -> None:
    """Let a payment have failed, staff have to look, and Stripe not answer."""
    plan = make_plan(acme, status=Status.PAST_DUE)
    Plan.objects.filter(pk=plan.pk).update(held_at=now, held_why="another price")
    accounts.make_november(plan)
    accounts.make_invoice(acme, "open", created=NOV, status="open", amount_remaining=10000)
    reachability.note_failure()


PAGES: list[Any] = [
    *people_pages.PAGES,
    pytest.param(("GET", "/sign-in/", None, _without_a_plan, 200), id="sign-in"),
    pytest.param(("POST", "/sign-in/", None, _without_a_plan, 200), id="sign-in-failed"),
    pytest.param(("GET", "/organizations/", "alice", _without_a_plan, 200), id="organizations"),
    pytest.param(("GET", BILLING, "alice", _without_a_plan, 200), id="no-usage"),
    pytest.param(("GET", BILLING, "alice", _with_everything, 200), id="usage"),
    pytest.param(("GET", PLAN, "alice", _without_a_plan, 200), id="no-plan"),
    pytest.param(("GET", PLAN, "alice", _with_everything, 200), id="plan"),
    pytest.param(("GET", PLAN, "alice", _with_trouble, 200), id="plan-in-trouble"),
    pytest.param(("GET", CANCEL, "alice", _with_everything, 200), id="plan-cancel"),
    pytest.param(("GET", INVOICES, "alice", _without_a_plan, 200), id="no-invoices"),
    pytest.param(("GET", INVOICES, "alice", _with_everything, 200), id="invoices"),
    pytest.param(
        ("GET", f"{BILLING}?period=last&by=testbed", "alice", _with_everything, 200),
        id="last-period",
    ),
    pytest.param(
        ("GET", f"{BILLING}?period=last", "alice", _without_a_plan, 200), id="no-last-period"
    ),
    pytest.param(("GET", f"{BILLING}?by=measure", "alice", _with_everything, 200), id="by-measure"),
    pytest.param(("GET", ALERTS, "alice", _without_a_plan, 200), id="no-alerts"),
    pytest.param(("GET", ALERTS, "alice", _with_everything, 200), id="alerts"),
    pytest.param(("GET", BILLING, "bob", _with_everything, 403), id="forbidden"),
    pytest.param(("GET", BILLING, "charlie", _with_everything, 404), id="not-found"),
    pytest.param(("GET", SERIES, "alice", _without_a_plan, 200), id="no-series"),
    pytest.param(("GET", SERIES, "alice", _with_everything, 200), id="series"),
    pytest.param(("GET", f"{SERIES}?show=x", "alice", _with_everything, 200), id="series-failed"),
    pytest.param(("GET", OCTOBER, "alice", _with_everything, 200), id="series-of-a-period"),
    pytest.param(("GET", _statement, "alice", _with_everything, 200), id="statement"),
    pytest.param(("GET", WHAT_IF, "alice", _without_a_plan, 200), id="what-if-no-plan"),
    pytest.param(("GET", WHAT_IF, "alice", _with_everything, 200), id="what-if"),
    pytest.param(("GET", f"{WHAT_IF}?add=x", "alice", _with_everything, 200), id="what-if-failed"),
    pytest.param(("GET", _report, "bob", _with_everything, 200), id="report"),
    pytest.param(("GET", "/nothing/", None, _without_a_plan, 404), id="not-found-signed-out"),
]


@pytest.fixture
def page(
    request: pytest.FixtureRequest, acme: Organization, browser_of: Browsers, now: datetime
) -> Any:
    """Return a page of the list."""
    method, address, name, prepare, status = request.param
    client = browser_of(request.getfixturevalue(name)) if name else Client()
    prepare(acme, now)
    address = address() if callable(address) else address
    response = client.post(address, {}) if method == "POST" else client.get(address)
    assert response.status_code == status
    return response


every_page = pytest.mark.parametrize("page", PAGES, indirect=True)


def check_document(page: BeautifulSoup) -> None:
    """Check what makes a document readable by everyone."""
    assert page.html is not None
    assert page.html["lang"] == "en"
    assert page.title is not None
    assert words(page.title).endswith(" · Bencher")
    assert len(words(page.title)) > len(" · Bencher")
    assert len(page.find_all("h1")) == 1
    levels = [int(heading.name[1]) for heading in page.find_all(["h1", "h2", "h3", "h4"])]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.find("meta", attrs={"name": "viewport"})
    assert page.find("header")
    assert page.find("main")
    ids = [str(tag["id"]) for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def check_references(page: BeautifulSoup) -> None:
    """Check that whatever is pointed at exists."""
    ids = {str(tag["id"]) for tag in page.find_all(id=True)}
    for name in ("aria-labelledby", "aria-describedby", "for"):
        for tag in page.select(f"[{name}]"):
            assert set(str(tag[name]).split()) <= ids, tag
    for link in page.find_all("a", href=True):
        assert words(link), link
        if str(link["href"]).startswith("#"):
            assert str(link["href"])[1:] in ids


def check_forms_and_tables(page: BeautifulSoup) -> None:
    """Check labels, captions and header cells."""
    labeled = {str(label["for"]) for label in page.find_all("label")}
    for field in page.find_all(["input", "select", "textarea"]):
        assert field.get("type") == "hidden" or field["id"] in labeled, field
    for button in page.find_all("button"):
        assert words(button)
    for table in page.find_all("table"):
        assert words(table.caption)
        assert all(header.get("scope") in ("col", "row") for header in table.find_all("th"))
        assert all(row.find("th") for row in table.find_all("tr"))


def check_no_inline_code(page: BeautifulSoup) -> None:
    """Check that nothing on the page would need a looser policy."""
    assert page.find_all("style") == []
    assert page.find_all(style=True) == []
    for tag in page.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")], tag
        for name in ("src", "href", "action"):
            address = str(tag.get(name, ""))
            if (tag.name, name) == ("a", "href") and stripe_links.checked(address):
                assert tag["rel"] == ["noreferrer"]
                continue
            assert not address.startswith(("http:", "https:", "//", "javascript:")), tag
    # Data are no code: nothing runs them, and the policy lets them be.
    for script in page.find_all("script"):
        assert script.get("src") or script.get("type") == "application/json", script


@every_page
class TestEveryPage:
    def test_is_accessible(self, page: Any) -> None:
        document = soup(page)

        check_document(document)
        check_references(document)
        check_forms_and_tables(document)

    def test_fits_the_strict_policy(self, page: Any) -> None:
        policy = page["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        check_no_inline_code(soup(page))

    def test_has_a_skip_link_and_a_place_for_messages(self, page: Any) -> None:
        document = soup(page)

        links = document.find_all("a")
        assert links[0]["href"] == "#content"
        assert document.find("main", id="content")
        assert document.select("[role=status]")

    def test_loads_nothing_but_its_own_stylesheet(self, page: Any) -> None:
        sheets = [str(link["href"]) for link in soup(page).find_all("link", rel="stylesheet")]

        assert sheets == ["/static/site.css"]


class TestServerError:
    def test_needs_no_context_and_no_database(self) -> None:
        page = BeautifulSoup(render_to_string("500.html"), "html.parser")

        check_document(page)
        check_references(page)
        check_no_inline_code(page)

    @pytest.mark.parametrize(
        ("address", "kind"), [("/organizations/", "text/html"), ("/v0/x", "application/json")]
    )
    def test_is_a_page_or_json_as_the_address_wants(
        self,
        monkeypatch: pytest.MonkeyPatch,
        alice: User,
        browser_of: Browsers,
        address: str,
        kind: str,
    ) -> None:
        browser = browser_of(alice)
        browser.raise_request_exception = False

        def fail(*_: object) -> None:
            raise RuntimeError("on purpose")

        monkeypatch.setattr("django.urls.resolvers.URLResolver.resolve", fail)

        response = browser.get(address)

        assert response.status_code == 500
        assert response["Content-Type"].startswith(kind)
