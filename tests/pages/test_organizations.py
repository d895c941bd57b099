"""The list of organizations; founding, renaming, deleting one; its home, which lists projects."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bencher.tenancy import organizations
from bencher.tenancy.models import Membership, Organization, User
from billing import gateway, project_views
from billing.models import Cancellation
from series.models import Project, ProjectKey, Visibility
from tests.factories import NOV, bmf, make_organization, make_plan, make_project, report_body
from tests.pages import accounts
from tests.pages.reading import rows, soup, words
from tests.pages.stub import StubStripe

Browsers = Callable[[User], Client]
NEW = "/organizations/new/"
HOME = "/organizations/acme/"
SETTINGS = f"{HOME}settings/"
DELETE = f"{HOME}delete/"
NEW_PROJECT = f"{HOME}new-project/"


@pytest.fixture
def browser(alice: User, acme: Organization, browser_of: Browsers) -> Client:
    """Return the browser of Acme's leader."""
    return browser_of(alice)


class TestList:
    def test_is_where_the_site_begins(self, client: Client) -> None:
        assert client.get("/")["Location"] == "/organizations/"

    def test_needs_a_sign_in(self, client: Client) -> None:
        assert client.get("/organizations/")["Location"] == "/sign-in/?next=/organizations/"

    def test_leaders_get_to_the_billing_page(
        self, acme: Organization, alice: User, browser_of: Browsers
    ) -> None:
        page = soup(browser_of(alice).get("/organizations/"))

        link = page.find("a", href="/organizations/acme/billing/")
        assert link is not None
        assert words(link) == "Plan and usage of Acme"

    def test_members_do_not(self, bob: User, browser_of: Browsers) -> None:
        response = browser_of(bob).get("/organizations/")

        assert "Acme You are a member. Plan and usage are for its leaders." in words(response)

    def test_strangers_see_their_own_only(
        self, acme: Organization, charlie: User, browser_of: Browsers
    ) -> None:
        text = words(browser_of(charlie).get("/organizations/"))

        assert "Globex" in text
        assert "Acme" not in text

    def test_leaves_out_deleted_ones(
        self, acme: Organization, alice: User, browser_of: Browsers
    ) -> None:
        Organization.objects.filter(pk=acme.pk).update(deleted_at=acme.created_at)

        assert "You belong to no organization yet." in words(
            browser_of(alice).get("/organizations/")
        )

    def test_takes_three_queries_for_any_number(
        self,
        alice: User,
        browser_of: Browsers,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(10):
            make_organization(f"Org {number}", leader=alice)
        browser = browser_of(alice)

        with django_assert_num_queries(3):
            browser.get("/organizations/")


class TestFounding:
    def test_makes_its_founder_the_leader(self, charlie: User, browser_of: Browsers) -> None:
        response = browser_of(charlie).post(NEW, {"name": "Initech & Co", "slug": ""}, follow=True)

        founded = Organization.objects.get(name="Initech & Co")
        assert response.redirect_chain == [("/organizations/initech-co/", 302)]
        assert "Its slug is initech-co." in words(response)
        assert Membership.objects.get(organization=founded).user == charlie

    @pytest.mark.parametrize("slug", ["acme", "new"])
    def test_adds_a_suffix_to_a_slug_that_is_taken(
        self, browser: Client, acme: Organization, slug: str
    ) -> None:
        browser.post(NEW, {"name": "Second", "slug": slug})

        assert Organization.objects.get(name="Second").slug.startswith(f"{slug}-")

    @pytest.mark.parametrize(
        ("name", "slug", "why"),
        [
            ("", "", "Enter a name."),
            ("x", "Not A Slug", "A slug has at most 64 characters"),
            ("a\0b", "", "Null characters are not allowed."),
        ],
    )
    def test_is_refused_in_words(self, browser: Client, name: str, slug: str, why: str) -> None:
        response = browser.post(NEW, {"name": name, "slug": slug})

        assert response.status_code == 422
        assert why in words(response)
        assert Organization.objects.count() == 1


class TestSettings:
    def test_change_name_and_slug(self, browser: Client, acme: Organization) -> None:
        response = browser.post(SETTINGS, {"name": "Acme Two", "slug": "acme-two"}, follow=True)

        acme.refresh_from_db()
        assert (acme.name, acme.slug) == ("Acme Two", "acme-two")
        assert response.redirect_chain == [("/organizations/acme-two/settings/", 302)]

    @pytest.mark.parametrize(
        ("slug", "why"),
        [("globex", "taken by another organization"), ("new", "taken by this site")],
    )
    def test_refuse_a_slug_that_is_taken(
        self, browser: Client, acme: Organization, charlie: User, slug: str, why: str
    ) -> None:
        response = browser.post(SETTINGS, {"name": "Other", "slug": slug})

        acme.refresh_from_db()
        assert response.status_code == 409
        assert why in words(response)
        assert (acme.name, acme.slug) == ("Acme", "acme")
        forms = soup(response).select("form.form")
        assert [form["action"] for form in forms] == [SETTINGS]

    def test_an_organization_that_is_called_new_already_keeps_its_slug(
        self, alice: User, acme: Organization, now: datetime
    ) -> None:
        Organization.objects.filter(pk=acme.pk).update(slug="new")
        acme.refresh_from_db()

        organizations.change(acme, name="Newer", slug="new", now=now)

        assert Organization.objects.get(pk=acme.pk).name == "Newer"


class TestDeletion:
    def test_says_beforehand_what_goes(self, browser: Client, acme: Organization) -> None:
        accounts.make_november(make_plan(acme))
        project = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(project, 3, at=NOV)

        page = words(browser.get(DELETE))

        assert "Its project goes with it, with all reports and keys: Engine." in page
        assert "Its plan Pro is canceled at once" in page
        assert "3 active series, $100.00" in page
        assert Organization.objects.get(pk=acme.pk).deleted_at is None

    def test_wants_the_slug_typed(self, browser: Client, acme: Organization) -> None:
        response = browser.post(DELETE, {"slug": "acmee"})

        assert response.status_code == 422
        assert "This is not acme. Nothing was deleted." in words(response)
        assert Organization.objects.get(pk=acme.pk).deleted_at is None

    def test_takes_projects_with_it(self, browser: Client, acme: Organization) -> None:
        make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)

        response = browser.post(DELETE, {"slug": "acme"}, follow=True)

        assert "Acme is deleted." in words(response)
        assert Organization.objects.get(pk=acme.pk).deleted_at is not None
        assert Project.objects.get().deleted_at is not None
        assert browser.get(HOME).status_code == 404

    def test_says_that_the_subscription_does_not_fit(
        self, browser: Client, acme: Organization, stripe: StubStripe
    ) -> None:
        accounts.make_november(make_plan(acme))
        stripe.customer_id = "cus_of_somebody_else"

        response = browser.post(DELETE, {"slug": "acme"})

        assert response.status_code == 409
        assert "Stripe holds a subscription for it that does not fit." in words(response)
        assert Organization.objects.get(pk=acme.pk).deleted_at is None

    def test_says_that_stripe_does_not_answer(
        self, browser: Client, acme: Organization, stripe: StubStripe
    ) -> None:
        accounts.make_november(make_plan(acme))
        stripe.failure = gateway.TemporaryError("down", {})

        response = browser.post(DELETE, {"slug": "acme"})

        assert response.status_code == 503
        assert "Nothing was changed; try again in some minutes." in words(response)
        assert not Cancellation.objects.exists()


class TestHome:
    def test_lists_projects_with_series_and_last_report(
        self, browser: Client, acme: Organization, now: datetime
    ) -> None:
        accounts.make_november(make_plan(acme))
        for name, visibility in (("Engine", Visibility.PRIVATE), ("Docs", Visibility.PUBLIC)):
            make_project(name, organization=acme, visibility=visibility)
        engine = Project.objects.get(slug="engine")
        accounts.make_series(engine, 3, at=now)
        gone = make_project("Gone", organization=acme, visibility=Visibility.PUBLIC)
        Project.objects.filter(pk=gone.pk).update(deleted_at=now)

        listed = rows(browser.get(HOME), "projects")

        assert [row[:4] for row in listed[1:]] == [
            ["Docs docs", "Public", "0", "None yet"],
            ["Engine engine", "Private", "3", "18 November 2026, 12:03:07 UTC"],
        ]

    def test_counts_what_is_active_now_and_shows_what_was_last(
        self, browser: Client, acme: Organization
    ) -> None:
        accounts.make_november(make_plan(acme))
        engine = make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        accounts.make_series(engine, 2, at=accounts.OCT)

        listed = rows(browser.get(HOME), "projects")

        assert listed[1][2:4] == ["0", "1 October 2026, 00:00:00 UTC"]

    def test_is_for_members_without_the_way_to_settings(
        self, bob: User, acme: Organization, browser_of: Browsers
    ) -> None:
        make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)

        page = soup(browser_of(bob).get(HOME))

        tabs = [words(tab) for tab in page.select(".tabs a")]
        assert tabs == ["Projects", "People"]
        assert page.select("main a[href*=settings]") == []
        assert page.select("main a[href*=new-project]") == []

    def test_has_a_page_for_each_hundred(
        self, browser: Client, acme: Organization, now: datetime
    ) -> None:
        Project.objects.bulk_create(
            Project(
                organization=acme,
                name=f"p{number:03}",
                slug=f"p{number:03}",
                visibility="public",
                created_at=now,
                modified_at=now,
            )
            for number in range(101)
        )

        assert len(rows(browser.get(HOME), "projects")) == 101
        assert rows(browser.get(HOME, {"page": "2"}), "projects")[1][0] == "p100 p100"

    def test_queries_do_not_grow_with_projects(
        self,
        browser: Client,
        acme: Organization,
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        accounts.make_november(make_plan(acme))
        for number in range(5):
            project = make_project(f"p{number}", organization=acme, visibility=Visibility.PRIVATE)
            accounts.make_series(project, 2, at=now)

        with django_assert_num_queries(11):
            browser.get(HOME)


class TestFirstProject:
    def test_is_offered_where_there_is_none(self, browser: Client) -> None:
        page = browser.get(HOME)

        assert "No projects yet" in words(page)
        snippet = soup(page).select_one("pre")
        assert snippet is not None
        assert len(snippet.get_text().splitlines()) == 3

    def test_comes_with_a_key_that_the_lines_for_ci_hold(
        self, browser: Client, acme: Organization, now: datetime
    ) -> None:
        response = browser.post(
            NEW_PROJECT, {"name": "Engine", "slug": "", "visibility": "private"}
        )

        snippet = soup(response).select_one("pre")
        assert snippet is not None
        lines = snippet.get_text().splitlines()
        assert len(lines) == 3
        assert lines[0].startswith("bencher run --host http")
        key = lines[1].split()[1]
        assert lines[2].split()[:2] == ["--project", "engine"]
        assert "no-store" in response["Cache-Control"]
        assert response.content.decode().count(key) == 1
        reported = Client(headers={"authorization": f"Bearer {key}"}).post(
            "/v0/projects/engine/reports",
            report_body(bmf(2), end_time=now),
            content_type="application/json",
        )
        assert reported.status_code == 201
        assert ProjectKey.objects.get().creator == acme.memberships.get().user

    def test_sent_twice_is_made_once(self, browser: Client) -> None:
        form = {"name": "Engine", "slug": "", "visibility": "public"}
        browser.post(NEW_PROJECT, form)

        response = browser.post(NEW_PROJECT, form)

        assert response.status_code == 409
        assert "has a project of this name" in words(response)
        assert Project.objects.count() == ProjectKey.objects.count() == 1

    def test_is_private_only_where_a_plan_covers_it(
        self, browser: Client, acme: Organization, now: datetime
    ) -> None:
        Organization.objects.filter(pk=acme.pk).update(private_until=now)

        assert "Private projects need a plan" in words(browser.get(HOME))
        response = browser.post(
            NEW_PROJECT, {"name": "Engine", "slug": "", "visibility": "private"}
        )

        assert response.status_code == 422
        assert "Private projects need a plan" in words(response)
        assert not Project.objects.exists()

    def test_is_refused_where_the_plan_ends_while_the_form_is_sent(
        self, browser: Client, acme: Organization, monkeypatch: pytest.MonkeyPatch, now: datetime
    ) -> None:
        Organization.objects.filter(pk=acme.pk).update(private_until=now)
        monkeypatch.setattr(project_views, "_may_be_private", lambda _: True)

        response = browser.post(
            NEW_PROJECT, {"name": "Engine", "slug": "", "visibility": "private"}
        )

        assert response.status_code == 409
        assert "no plan that covers private projects" in words(response)
        assert not Project.objects.exists()
