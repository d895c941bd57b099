"""What holds for every admin page of ours: it opens, stays fast and changes nothing."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bencher.models import ClockOffset
from bencher.read_only_admin import ReadOnlyAdmin
from bencher.tenancy.models import Membership, User, UserKey
from billing.models import (
    BillingPeriod,
    Correction,
    MeterEvent,
    Plan,
    Statement,
    StatementLine,
    WebhookReceipt,
)
from series.models import ProjectKey
from tests import factories
from tests.admin.rows import NOW, make_world
from tests.pages.reading import soup
from tests.pages.test_every_page import check_no_inline_code
from tests.staffing import desk_of

OURS = ("admin", "bencher", "tenancy", "series", "ingest", "billing")
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]
EDITABLE = {User, Membership}
READ_ONLY = [model for model in MODELS if model not in EDITABLE]
# Composite keys have no admin page; the others are seen through what they belong to, or are locks.
WITHOUT_A_PAGE = {
    "series.serieslastseen",
    "ingest.metriccolumn",
    "ingest.head",
    "ingest.headversion",
    "ingest.version",
    "series.fence",
    "series.expiredevidence",
    # Draws a chart, and nothing is billed by it.
    "billing.firstreports",
    # Shown on the page of what they belong to.
    "billing.correctiondecision",
    "billing.metererrorsample",
    "billing.senderlease",
}

# Staff act on these, and give a reason.
WITH_ACTIONS = {Plan, BillingPeriod, MeterEvent, Statement, Correction, WebhookReceipt}


def address(model: type[models.Model], page: str, *args: object) -> str:
    """Return the address of a model's admin page."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def name(model: type[models.Model]) -> str:
    """Name a model in the output of the tests."""
    return model._meta.label_lower


def queries(client: Client, address: str) -> int:
    """Return how many queries a page takes that must open, once content types are known."""
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200, address
    return len(captured)


class TestLists:
    def test_take_as_many_queries_at_30_rows_as_at_3(self, desk: Client) -> None:
        at = {}
        for rows in (3, 30):
            for number in range(User.objects.count(), rows + 1):
                make_world(number, now=NOW)
            at[rows] = {
                name(model): queries(desk, address(model, "changelist")) for model in MODELS
            }

        assert at[3] == at[30]
        assert max(at[30].values()) <= 9

    def test_show_rows(self, desk: Client) -> None:
        make_world(1, now=NOW)

        for model in MODELS:
            response = desk.get(address(model, "changelist"))

            assert soup(response).select("#result_list tbody tr"), model

    @pytest.mark.parametrize("model", MODELS, ids=name)
    def test_can_be_searched(self, desk: Client, model: type[models.Model]) -> None:
        if admin.site._registry[model].search_fields:
            assert desk.get(address(model, "changelist"), {"q": "acme"}).status_code == 200

    def test_leave_nothing_out(self) -> None:
        ours = {model for model in apps.get_models() if model._meta.app_label in OURS}

        assert {name(model) for model in ours - set(MODELS)} == WITHOUT_A_PAGE


class TestDetails:
    def test_take_as_many_queries_at_30_rows_as_at_3(self, desk: Client) -> None:
        at = {}
        for rows in (3, 30):
            for number in range(User.objects.count(), rows + 1):
                make_world(number, now=NOW)
            at[rows] = {
                name(model): queries(desk, address(model, "change", first(model).pk))
                for model in MODELS
            }

        assert at[3] == at[30]

    def test_never_show_the_hash_of_a_key(self, desk: Client) -> None:
        make_world(1, now=NOW)

        for model in (UserKey, ProjectKey):
            key: Any = first(model)
            page = desk.get(address(model, "change", key.pk)).content.decode()

            assert key.prefix in page
            assert bytes(key.key_hash).hex() not in page
            assert "key_hash" not in page


def first(model: type[models.Model]) -> models.Model:
    """Return the oldest row."""
    row = model._default_manager.order_by("pk").first()
    assert row is not None, model
    return row


@pytest.mark.parametrize("model", READ_ONLY, ids=name)
class TestReadOnly:
    def test_offers_no_way_to_change_anything(
        self, desk: Client, model: type[models.Model]
    ) -> None:
        make_world(1, now=NOW)
        row = first(model)

        page = soup(desk.get(address(model, "change", row.pk)))

        assert isinstance(admin.site._registry[model], ReadOnlyAdmin)
        assert page.select("#content-main input:not([type=hidden]), #content-main select") == []
        assert desk.get(address(model, "add")).status_code == 403
        assert desk.get(address(model, "delete", row.pk)).status_code == 403
        assert desk.post(address(model, "change", row.pk), {}).status_code == 403

    def test_has_no_actions(self, desk: Client, model: type[models.Model]) -> None:
        if model in WITH_ACTIONS:
            pytest.skip("Staff act on these, giving a reason: life/test_staff_verbs.py.")
        make_world(1, now=NOW)

        page = soup(desk.get(address(model, "changelist")))

        assert page.select("select[name=action], input.action-select") == []


class TestPolicy:
    def test_every_page_works_under_it(self, desk: Client) -> None:
        make_world(1, now=NOW)
        pages = [reverse("admin:index"), address(User, "add"), address(Membership, "add")]
        for model in MODELS:
            pages += [address(model, "changelist"), address(model, "change", first(model).pk)]

        for page in pages:
            response = desk.get(page)

            assert "unsafe" not in response["Content-Security-Policy"], page
            check_no_inline_code(soup(response))


class TestWhoMayEnter:
    @pytest.mark.parametrize("model", MODELS, ids=name)
    def test_leaders_are_no_staff(self, client: Client, model: type[models.Model]) -> None:
        client.force_login(factories.make_user("charlie"))

        response = client.get(address(model, "changelist"))

        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")

    def test_staff_without_permissions_see_no_money(self) -> None:
        dora = factories.make_user("dora", is_staff=True)
        User.objects.filter(pk=dora.pk).update(is_superuser=False)
        client = desk_of(dora)

        for model in (Statement, StatementLine, MeterEvent, ClockOffset):
            assert client.get(address(model, "changelist")).status_code == 403
