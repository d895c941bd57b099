"""A project's settings: names, visibility and its price, keys, deletion."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy.models import Organization, User
from billing import usage
from billing.models import BillingPeriod
from series.models import Project, ProjectKey, Visibility
from tests.factories import make_plan, make_project, make_project_key
from tests.pages import accounts
from tests.pages.reading import rows, soup, words

Browsers = Callable[[User], Client]
PROJECT = "/organizations/acme/projects/engine/"
SETTINGS = f"{PROJECT}settings/"
VISIBILITY = f"{PROJECT}visibility/"
DELETE = f"{PROJECT}delete/"
KEYS = f"{PROJECT}keys/"


@pytest.fixture
def browser(alice: User, acme: Organization, browser_of: Browsers) -> Client:
    """Return the browser of Acme's leader."""
    return browser_of(alice)


@pytest.fixture
def engine(acme: Organization) -> Project:
    """Return Acme's private project."""
    return make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)


@pytest.fixture
def docs(acme: Organization, now: datetime) -> Project:
    """Return another private project, with 240 active series."""
    docs = make_project("Docs", organization=acme, visibility=Visibility.PRIVATE)
    accounts.make_series(docs, 240, at=now)
    return docs


def billed(acme: Organization, now: datetime) -> int:
    """Return what is billed now."""
    return usage.current(acme, now=now).count.billed


def flip(browser: Client, to: str) -> str:
    """Flip the project and return the page that follows."""
    return words(browser.post(VISIBILITY, {"visibility": to}, follow=True))


class TestNaming:
    def test_changes_name_slug_and_address(self, browser: Client, engine: Project) -> None:
        response = browser.post(
            SETTINGS,
            {"name": "Motor", "slug": "motor", "url": "https://example.com/motor"},
            follow=True,
        )

        engine.refresh_from_db()
        assert (engine.name, engine.slug) == ("Motor", "motor")
        assert engine.url == "https://example.com/motor"
        assert response.redirect_chain == [("/organizations/acme/projects/motor/settings/", 302)]

    @pytest.mark.parametrize(
        ("name", "slug", "status", "why"),
        [
            ("", "engine", 422, "Enter a name."),
            ("Engine", "Engine!", 422, "A slug has at most 64 characters"),
            ("Docs", "engine", 409, "is taken by another project of this organization"),
            ("Engine", "docs", 409, "Choose another one."),
        ],
    )
    def test_refuses_in_words(
        self,
        browser: Client,
        engine: Project,
        docs: Project,
        name: str,
        slug: str,
        status: int,
        why: str,
    ) -> None:
        response = browser.post(SETTINGS, {"name": name, "slug": slug, "url": ""})

        engine.refresh_from_db()
        assert response.status_code == status
        assert why in words(response)
        assert (engine.name, engine.slug) == ("Engine", "engine")


class TestFlip:
    def test_to_private_states_the_bill_that_it_makes(
        self, browser: Client, acme: Organization, engine: Project, docs: Project, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        accounts.make_series(engine, 20, at=now)
        Project.objects.filter(pk=engine.pk).update(visibility="public")

        page = browser.get(VISIBILITY)

        assert rows(page, "bill")[1:] == [
            ["Billed series", "240", "260"],
            ["Band", "0–250", "251–375"],
            ["Estimate at this count", "$100.00", "$150.00"],
        ]
        assert "Its 20 series that were active in the period" in words(page)
        assert "count from now on, also where they reported while it was public." in words(page)
        assert billed(acme, now) == 240
        assert "Engine is private." in flip(browser, "private")
        assert billed(acme, now) == 260

    def test_to_public_states_the_bill_that_it_makes(
        self, browser: Client, acme: Organization, engine: Project, docs: Project, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        accounts.make_series(engine, 20, at=now)

        page = browser.get(VISIBILITY)

        assert rows(page, "bill")[1][1:] == ["260", "240"]
        assert "costs $100.00 instead of $150.00" in words(page)
        assert "everybody can read all of it" in words(page)
        assert "costs $100.00 instead of $150.00" in words(browser.get(SETTINGS))
        flip(browser, "public")
        assert billed(acme, now) == 240

    def test_moves_nothing_where_public_projects_are_billed_too(
        self, browser: Client, acme: Organization, engine: Project, now: datetime
    ) -> None:
        period = accounts.make_november(make_plan(acme))
        BillingPeriod.objects.filter(pk=period.pk).update(basis="all")
        accounts.make_series(engine, 20, at=now)

        assert rows(browser.get(VISIBILITY), "bill")[1][1:] == ["20", "20"]
        flip(browser, "public")
        assert billed(acme, now) == 20

    def test_in_a_trial_costs_nothing_and_says_what_it_would(
        self, browser: Client, acme: Organization, engine: Project, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme), kind=BillingPeriod.Kind.TRIAL)
        accounts.make_series(engine, 300, at=now)

        assert rows(browser.get(VISIBILITY), "bill")[3:] == [
            ["Estimate at this count", "$0.00", "$0.00"],
            ["Without the trial", "$150.00", "$100.00"],
        ]

    def test_leaves_series_of_an_earlier_period_out(
        self, browser: Client, acme: Organization, engine: Project
    ) -> None:
        accounts.make_november(make_plan(acme))
        accounts.make_series(engine, 20, at=accounts.OCT)

        assert rows(browser.get(VISIBILITY), "bill")[1][1:] == ["0", "0"]

    def test_sent_twice_does_not_flip_back(
        self, browser: Client, engine: Project, acme: Organization
    ) -> None:
        flip(browser, "public")
        flip(browser, "public")

        engine.refresh_from_db()
        assert engine.visibility == Visibility.PUBLIC
        assert engine.changes.filter(kind="made_public").count() == 1

    def test_to_private_without_a_plan_is_not_offered_and_refused(
        self, browser: Client, acme: Organization, engine: Project, now: datetime
    ) -> None:
        Project.objects.filter(pk=engine.pk).update(visibility="public")
        Organization.objects.filter(pk=acme.pk).update(private_until=now)

        page = browser.get(VISIBILITY)

        assert "Private projects need a plan, which Acme does not have." in words(page)
        assert soup(page).select("main form") == []
        assert "acme has no plan that covers private projects" in flip(browser, "private")
        engine.refresh_from_db()
        assert engine.visibility == Visibility.PUBLIC

    def test_to_something_else_is_not_found(self, browser: Client, engine: Project) -> None:
        assert browser.post(VISIBILITY, {"visibility": "secret"}).status_code == 404


class TestDeletion:
    def test_states_the_bill_that_it_makes_and_wants_the_slug(
        self, browser: Client, acme: Organization, engine: Project, docs: Project, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        accounts.make_series(engine, 20, at=now)

        page = browser.get(DELETE)
        assert rows(page, "bill")[1][1:] == ["260", "240"]
        assert "Its 20 series" in words(page)
        wrong = browser.post(DELETE, {"slug": "docs"})
        assert wrong.status_code == 422
        assert "This is not engine. Nothing was deleted." in words(wrong)
        assert billed(acme, now) == 260

        done = browser.post(DELETE, {"slug": "engine"}, follow=True)

        assert done.redirect_chain == [("/organizations/acme/", 302)]
        assert "The project Engine is deleted." in words(done)
        assert billed(acme, now) == 240
        assert browser.get(SETTINGS).status_code == 404


class TestKeys:
    def test_are_shown_once_within_the_lines_for_ci(self, browser: Client, engine: Project) -> None:
        response = browser.post(KEYS, {"name": "Actions", "ttl": ""})

        snippet = soup(response).select_one("pre")
        assert snippet is not None
        text = snippet.get_text().splitlines()[1].split()[1]
        assert "no-store" in response["Cache-Control"]
        assert response.content.decode().count(text) == 1
        later = browser.get(SETTINGS)
        assert text not in later.content.decode()
        assert rows(later, "keys")[1][:2] == ["Actions", f"{text[:16]}…"]
        headers = {"authorization": f"Bearer {text}"}
        assert Client().get("/v0/projects/engine", headers=headers).status_code == 200
        assert ProjectKey.objects.get().last_used_at is not None

    def test_are_revoked_on_a_page_that_says_what_it_means(
        self, browser: Client, engine: Project
    ) -> None:
        text = make_project_key(engine)
        address = f"{KEYS}{ProjectKey.objects.get().uuid}/revoke/"

        assert "CI jobs with it fail" in words(browser.get(address))
        response = browser.post(address, follow=True)

        assert response.redirect_chain == [(SETTINGS, 302)]
        assert "This project has no key." in words(response)
        headers = {"authorization": f"Bearer {text}"}
        assert Client().get("/v0/projects/engine", headers=headers).status_code == 401

    def test_of_another_project_are_not_found(
        self, browser: Client, engine: Project, docs: Project
    ) -> None:
        make_project_key(docs)
        address = f"{KEYS}{ProjectKey.objects.get().uuid}/revoke/"

        assert browser.post(address).status_code == 404
        assert ProjectKey.objects.get().revoked_at is None

    def test_need_a_name(self, browser: Client, engine: Project) -> None:
        response = browser.post(KEYS, {"name": "", "ttl": ""})

        assert response.status_code == 422
        assert "Enter a name that says where the key will be used." in words(response)
        assert not ProjectKey.objects.exists()


class TestQueries:
    def test_do_not_grow_with_keys_and_projects(
        self,
        browser: Client,
        acme: Organization,
        engine: Project,
        docs: Project,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        accounts.make_november(make_plan(acme))
        for _ in range(5):
            make_project_key(engine)

        with django_assert_num_queries(11):
            browser.get(SETTINGS)
