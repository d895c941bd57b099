"""What the staff's pages must withstand: guessing by filters, odd addresses, forged posts."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import models, transaction
from django.test import Client, RequestFactory
from djstripe.models import WebhookEndpoint

from bencher import roles
from bencher.models import Change
from bencher.read_only_admin import LongListAdmin
from bencher.tenancy.models import Membership, User
from billing.models import Freeze, Plan
from tests import factories
from tests.admin.rows import NOW, make_world
from tests.admin.test_every_model import name
from tests.admin.test_roles import staff_addresses, stored
from tests.pages.reading import soup, words
from tests.staffing import desk_of, make_staff

MODELS = list(admin.site._registry)
HUGE = "9" * 30
PLANS = "/admin/billing/plan/"
STATEMENTS = "/admin/billing/statement/"
ENDPOINTS = "/admin/djstripe/webhookendpoint/"
CHANGES = "/admin/bencher/change/"
FIND_USER = {"app_label": "tenancy", "model_name": "membership", "field_name": "user"}

ODD: list[tuple[str, dict[str, str]]] = [
    (STATEMENTS, {"closed_at__year": HUGE}),
    (STATEMENTS, {"closed_at__year": "9999"}),
    (STATEMENTS, {"closed_at__year": "9999", "closed_at__month": "12"}),
    (STATEMENTS, {"closed_at__year": "2026", "closed_at__month": "13"}),
    (STATEMENTS, {"closed_at__year": "2026", "closed_at__month": "2", "closed_at__day": "x"}),
    (STATEMENTS, {"closed_at__gte": "soon"}),
    (STATEMENTS, {"kind__exact": "\0"}),
    (STATEMENTS, {"settlements__agrees__exact": "x"}),
    (STATEMENTS, {"p": "-1"}),
    (STATEMENTS, {"p": HUGE}),
    (STATEMENTS, {"o": HUGE}),
    (STATEMENTS, {"e": "1"}),
    (STATEMENTS, {"q": HUGE}),
    (STATEMENTS, {"_to_field": "amount_cents"}),
    (STATEMENTS, {"nothing": "1"}),
    (CHANGES, {"relation": "\0"}),
    (CHANGES, {"\0": "1"}),
    (PLANS, {"held_at__isempty": "x"}),
    (PLANS, {"standing": "x"}),
    ("/admin/billing/drift/", {"organization__id__exact": "x"}),
    ("/admin/billing/statementline/", {"statement": HUGE}),
    ("/admin/billing/statementline/", {"statement": "x"}),
    ("/admin/auth/group/", {"id__in": f"1,{HUGE}"}),
    ("/admin/autocomplete/", {"term": "a@\0", **FIND_USER}),
    ("/admin/autocomplete/", {"term": "a", "page": HUGE, **FIND_USER}),
    (f"{ENDPOINTS}%00/change/", {"_to_field": "id"}),
    (f"{ENDPOINTS}%00/history/", {"_to_field": "id"}),
    (f"{PLANS}{HUGE}/change/", {}),
    (f"/admin/r/{HUGE}/%00/", {}),
]


@pytest.fixture
def viewers(db: None) -> Client:
    """Return the browser of somebody who may look."""
    return desk_of(make_staff("vera", role=roles.VIEWER))


def plan_of(desk: Client) -> Plan:
    """Return a plan that is not frozen."""
    make_world(1, now=NOW)
    Freeze.objects.all().delete()
    return Plan.objects.get()


class TestGuessing:
    """A filter that answers yes or no gives a secret away letter by letter."""

    def test_no_secret_is_told_by_a_filter(self, viewers: Client) -> None:
        _make_endpoint()

        assert viewers.get(ENDPOINTS, {"secret__startswith": "whsec_c"}).status_code == 400
        assert viewers.get("/admin/mfa/authenticator/", {"data__icontains": "x"}).status_code == 400
        assert viewers.get("/admin/tenancy/userkey/", {"key_hash": "x"}).status_code == 400

    @pytest.mark.parametrize("model", MODELS, ids=name)
    def test_lists_are_filtered_only_by_what_they_offer(self, model: type[models.Model]) -> None:
        pages: Any = admin.site._registry[model]
        request = RequestFactory().get("/")
        columns = {field.name for field in model._meta.get_fields()} - _offered(pages)

        told = {
            f"{column}{lookup}"
            for column in columns
            for lookup in ("", "__startswith", "__icontains", "__gt", "__isnull")
            if pages.lookup_allowed(f"{column}{lookup}", "a", request)
        }

        assert isinstance(pages, LongListAdmin)
        assert not told

    def test_offered_columns_are_not_searched_in_either(self) -> None:
        pages, request = admin.site._registry[Plan], RequestFactory().get("/")

        assert pages.lookup_allowed("level__exact", "pro", request)
        assert not pages.lookup_allowed("level__startswith", "p", request)
        assert not admin.site._registry[Change].lookup_allowed("relation__startswith", "b", request)
        assert not pages.lookup_allowed("organization__memberships__user__email", "a", request)

    def test_objects_of_stripe_are_shown_without_their_secrets(self, viewers: Client) -> None:
        endpoint = _make_endpoint(
            secret="whsec_canary", deeper=[{"client_secret": "pi_canary", "id": "pi_1"}]
        )

        page = viewers.get(f"{ENDPOINTS}{endpoint.pk}/change/").content.decode()

        assert "pi_1" in page
        assert "canary" not in page


def _make_endpoint(**given: object) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(
        id="we_1",
        secret="whsec_canary",
        url="http://testserver/x",
        enabled_events=["*"],
        status="enabled",
        livemode=False,
        stripe_data=given,
    )


def _offered(pages: LongListAdmin) -> set[str]:
    filters = {
        filter_[0] if isinstance(filter_, tuple) else filter_ for filter_ in pages.list_filter
    }
    names = {str(getattr(filter_, "parameter_name", filter_)) for filter_ in filters}
    return names | {str(pages.date_hierarchy), *pages.linked_by}


class TestOddAddresses:
    @pytest.mark.parametrize(("page", "query"), ODD, ids=lambda value: json.dumps(value)[:60])
    def test_are_told_apart_from_what_went_wrong_on_our_side(
        self, viewers: Client, page: str, query: dict[str, str]
    ) -> None:
        viewers.raise_request_exception = False
        # As a request has it: what fails in the database must not hide behind another.
        with transaction.atomic():
            assert viewers.get(page, query).status_code in {200, 302, 400, 403, 404}

    def test_say_so(self, viewers: Client) -> None:
        page = soup(viewers.get(CHANGES, {"relation": "\0"}))

        assert "The address" in words(page.select_one("main"))

    def test_are_answered_as_programs_read_it_below_v0(self) -> None:
        stranger = Client(HTTP_HOST="evil.example")

        assert "message" in stranger.get("/v0/organizations").json()
        page = stranger.get("/sign-in/")
        assert page.status_code == 400
        assert "Go back" in words(page)

    def test_of_a_timeline_show_its_beginning(self, desk: Client) -> None:
        plan = plan_of(desk)
        query = {"at": "2026-11-01T00:00:00Z", "kind": "x\0", "id": "1"}

        assert desk.get(f"{PLANS}{plan.pk}/change/", query).status_code == 400


class TestForgedPosts:
    @pytest.mark.parametrize("rows", [["x"], ["\0"], ["{pk}", "x"]], ids=str)
    def test_of_rows_that_none_is_are_refused(self, desk: Client, rows: list[str]) -> None:
        plan = plan_of(desk)
        chosen = [row.format(pk=plan.pk) for row in rows]

        answer = desk.post(
            PLANS, {"action": "freeze", "_selected_action": chosen, "step": "act", "reason": "so"}
        )

        assert answer.status_code == 400
        assert not Freeze.objects.exists()

    @pytest.mark.parametrize("rows", [[], ["-1"], [HUGE]], ids=str)
    def test_of_no_rows_do_nothing(self, desk: Client, rows: list[str]) -> None:
        plan_of(desk)

        desk.post(
            PLANS, {"action": "freeze", "_selected_action": rows, "step": "act", "reason": "so"}
        )

        assert not Freeze.objects.exists()

    def test_of_people_that_none_is_are_refused(self, desk: Client) -> None:
        page = "/admin/tenancy/membership/add/"

        for field in ("user", "organization"):
            assert desk.get(page, {field: "x"}).status_code == 400
            assert desk.post(page, {"role": "member", field: "x"}).status_code == 400
        assert desk.post(page, {"role": "member", "user": HUGE}).status_code == 200
        assert not Membership.objects.exists()

    def test_act_on_no_row_that_the_list_leaves_out(self, desk: Client) -> None:
        plan = plan_of(desk)
        asked = {"action": "freeze", "step": "act", "reason": "so"}

        for chosen in ({"_selected_action": plan.pk}, {"select_across": "1"}):
            desk.post(f"{PLANS}?level__exact=enterprise", {**asked, **chosen})

        assert not Freeze.objects.exists()

    def test_by_link_do_nothing(self, desk: Client) -> None:
        plan = plan_of(desk)

        desk.get(f"{PLANS}?action=freeze&_selected_action={plan.pk}&step=act&reason=so")

        assert not Freeze.objects.exists()

    def test_without_a_token_are_refused(self, staff: User) -> None:
        desk = Client(enforce_csrf_checks=True)
        desk.cookies = desk_of(staff).cookies
        plan = plan_of(desk)

        for page in (PLANS, "/admin/tenancy/user/add/", "/staff/stop/", "/admin/logout/"):
            answer = desk.post(page, {"action": "freeze", "_selected_action": plan.pk})
            assert answer.status_code == 403, page

    def test_show_what_they_would_do(self, desk: Client) -> None:
        plan = plan_of(desk)

        page = soup(
            desk.post(
                PLANS,
                {"action": ["freeze", "cancel_now"], "index": "0", "_selected_action": plan.pk},
            )
        )

        hidden = page.select_one("input[name=action]")
        assert hidden is not None
        assert hidden["value"] == "freeze"


class TestEveryAddress:
    """Of the staff's site, asked for in every way by those who may not."""

    @pytest.fixture
    def pages(self, db: None) -> list[str]:
        """Return every address, and of Stripe's mirror those of one kind of object."""
        make_world(1, now=NOW)
        return [
            page
            for page in staff_addresses()
            if "/djstripe/" not in page or page.startswith(ENDPOINTS)
        ]

    @pytest.mark.parametrize("who", ["nobody", "a leader"])
    def test_is_closed_to_those_who_are_no_staff(self, pages: list[str], who: str) -> None:
        client = Client()
        if who == "a leader":
            client.force_login(User.objects.get(email="leader1@example.com"))
        before = stored()

        for page in pages:
            for method in ("get", "post", "delete"):
                answer = getattr(client, method)(page)
                assert answer.status_code == 302, (method, page)
                assert answer["Location"].startswith("/admin/login/?next="), (method, page)

        assert len(pages) > 150
        assert stored() == before

    def test_lets_billing_change_nothing_but_by_its_verbs(self, pages: list[str]) -> None:
        desk = desk_of(make_staff("bill", role=roles.BILLING))
        row = User.objects.get(email="leader1@example.com").pk
        before = stored()

        for page in pages:
            answer = desk.post(page, {"post": "yes", "name": "x", "_save": "Save"})
            assert answer.status_code in {200, 302, 403, 405}, page
        for action in ("remove_second_factor", "delete_selected"):
            desk.post(
                "/admin/tenancy/user/",
                {"action": action, "_selected_action": row, "step": "act", "reason": "so"},
            )

        assert stored() == before

    def test_is_kept_by_no_cache_and_shown_in_no_frame(self, desk: Client) -> None:
        make_world(1, now=NOW)
        rows = [f"{PLANS}{Plan.objects.get().pk}/{page}/" for page in ("change", "history")]

        for page in ("/admin/", "/admin/tiles/", PLANS, f"{PLANS}export/", *rows):
            answer = desk.get(page)
            assert "no-store" in answer["Cache-Control"], page
            assert "private" in answer["Cache-Control"], page
            assert answer["X-Frame-Options"] == "DENY", page
            assert "frame-ancestors 'none'" in answer["Content-Security-Policy"], page

    @pytest.mark.parametrize(
        "next_", ["//evil.example", "https://evil.example/", "/\\evil.example"]
    )
    def test_leads_nowhere_else(self, desk: Client, next_: str) -> None:
        asked = {"next": next_}

        assert desk.get("/admin/login/", asked)["Location"] == "/admin/"
        page = desk.post(f"/account/confirm/?{urlencode(asked)}", {"password": factories.PASSWORD})
        assert "evil" not in page["Location"]
        assert "evil" not in desk.post(f"/admin/logout/?{urlencode(asked)}").headers.get(
            "Location", ""
        )
