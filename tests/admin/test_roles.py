"""Viewers look at everything and change nothing; billing acts on money; the rest is superusers'."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from bencher import roles
from bencher.reasoned_action import verb_of
from bencher.tenancy.models import User
from billing.models import Correction, Freeze, MeterEvent, Plan
from series.models import Project, Visibility
from tests import factories
from tests.admin import acting
from tests.admin.rows import NOW, make_world
from tests.admin.test_every_model import address, first
from tests.staffing import desk_of, make_staff

pytestmark = pytest.mark.django_db

MODELS = list(admin.site._registry)
# They open accounts and make members of staff.
OF_SUPERUSERS = {"tenancy.change_user"}
# About oneself, or about nothing that is stored.
WITHOUT_ROWS = {
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "jsi18n",
    "view_on_site",
}


@pytest.fixture
def viewer() -> User:
    """Return somebody who may look."""
    return make_staff("vera", role=roles.VIEWER)


@pytest.fixture
def viewers(viewer: User) -> Client:
    """Return the browser of somebody who may look."""
    return desk_of(viewer)


@pytest.fixture
def billings() -> Client:
    """Return the browser of somebody of billing."""
    return desk_of(make_staff("bill", role=roles.BILLING))


def granted(name: str) -> set[str]:
    """Return the permissions of a group, as `app.codename`."""
    rows = Permission.objects.filter(group__name=name).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def verbs() -> dict[str, tuple[type[Model], str]]:
    """Return every verb of staff's pages by its name: its model and permission."""
    return {
        verb.name: (model, verb.permission)
        for model, pages in admin.site._registry.items()
        for action in pages.actions or ()
        if (verb := verb_of(action))
    }


def stored() -> dict[str, list[dict[str, Any]]]:
    """Return all rows of ours, and what staff did."""
    kept = {"sessions", "contenttypes"}
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label not in kept and model._meta.managed
    }


def staff_addresses() -> Iterator[str]:
    """Yield the address of every page of staff, about the oldest row where it is about one."""
    for name in _names():
        if name in WITHOUT_ROWS:
            continue
        model = _model_of(name)
        if name == "app_list":
            yield from (reverse(f"admin:{name}", args=[app]) for app in ("billing", "tenancy"))
        elif model is None or name.endswith(("_changelist", "_add", "_export", "_find")):
            yield reverse(f"admin:{name}")
        else:
            row = model._default_manager.order_by("pk").first()
            yield reverse(f"admin:{name}", args=[row.pk if row else 1])


def _names() -> list[str]:
    def walk(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns)
            elif pattern.name:
                yield pattern.name

    (site,) = (
        pattern
        for pattern in get_resolver().url_patterns
        if getattr(pattern, "namespace", None) == "admin"
    )
    assert isinstance(site, URLResolver)
    return sorted(set(walk(site.url_patterns)))


def _model_of(name: str) -> type[Model] | None:
    for model in MODELS:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    # A page that the user's admin names by another scheme.
    return User if name == "auth_user_password_change" else None


class TestGroups:
    def test_viewers_may_view_what_has_a_page_and_nothing_else(self) -> None:
        pages = {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in MODELS}

        assert granted("viewer") == pages

    def test_billing_may_do_what_billing_is_about_too(self) -> None:
        assert granted("billing") - granted("viewer") == {
            "billing.cancel_plan",
            "billing.close_billingperiod",
            "billing.correct_statement",
            "billing.decide_correction",
            "billing.extend_trial_of_plan",
            "billing.freeze_plan",
            "billing.hold_meterevent",
            "billing.post_plan",
            "billing.recount_billingperiod",
            "billing.reconcile_plan",
            "billing.release_plan",
            "billing.replay_webhookreceipt",
            "billing.resend_meterevent",
            "tenancy.impersonate_user",
        }

    def test_every_verb_is_billings_or_superusers(self) -> None:
        asked = {permission for _, permission in verbs().values()}

        assert asked <= granted("billing") | OF_SUPERUSERS
        assert not asked & granted("viewer")
        assert len(verbs()) >= 16

    def test_are_set_right_by_migrate(self) -> None:
        viewer, billing = (Group.objects.get(name=name) for name in roles.NAMES)
        viewer.permissions.add(Permission.objects.get(codename="cancel_plan"))
        viewer.permissions.remove(Permission.objects.get(codename="view_plan"))
        billing.delete()
        before = granted("viewer")

        for _ in range(2):
            call_command("migrate", verbosity=0)

            assert granted("viewer") == before - {"billing.cancel_plan"} | {"billing.view_plan"}
            assert granted("billing") == granted("viewer") | roles.ACTS


class TestViewers:
    def test_look_at_every_list_and_row(self, viewers: Client) -> None:
        make_world(1, now=NOW)

        for model in MODELS:
            assert viewers.get(address(model, "changelist")).status_code == 200, model
            if row := model._default_manager.order_by("pk").first():
                assert viewers.get(address(model, "change", row.pk)).status_code == 200, model

    def test_change_nothing_at_any_address(self, viewers: Client) -> None:
        make_world(1, now=NOW)
        pages = list(staff_addresses())
        before = stored()

        for page in pages:
            answer = viewers.post(page, {"post": "yes", "name": "x", "_save": "Save"})
            assert answer.status_code in {200, 302, 403, 405}, page

        assert len(pages) > 4 * len(MODELS)
        assert stored() == before

    def test_are_shown_neither_buttons_nor_verbs(self, viewers: Client) -> None:
        make_world(1, now=NOW)

        for model, _ in verbs().values():
            for page in (address(model, "changelist"), address(model, "change", first(model).pk)):
                shown = viewers.get(page).content.decode()
                assert not [name for name in verbs() if f'value="{name}"' in shown], page
                assert 'value="delete_selected"' not in shown

    @pytest.mark.parametrize("step", ["show", "act"])
    def test_do_no_act(self, viewers: Client, step: str) -> None:
        make_world(1, now=NOW)
        before = stored()

        for name, (model, _) in verbs().items():
            _ask(viewers, model, name, step=step)
        for model in MODELS:
            _ask(viewers, model, "delete_selected", step=step, post="yes")

        assert stored() == before

    def test_may_no_more_than_others_over_the_api(self, viewer: User) -> None:
        leader = factories.make_user("alice")
        acme = factories.make_organization("Acme", leader=leader)
        factories.make_project("Engine", organization=acme, visibility=Visibility.PRIVATE)
        factories.make_plan(acme)
        key = factories.make_user_key(viewer)
        client = Client(headers={"authorization": f"Bearer {key}"})

        assert client.get("/v0/projects/engine").status_code == 404
        assert client.delete("/v0/organizations/acme/plan").status_code == 404
        assert client.get(f"/v0/users/{leader.slug}").status_code == 404
        assert client.get("/v0/organizations").json() == []
        assert client.get(f"/v0/users/{viewer.slug}").json()["admin"] is False
        assert Project.objects.get().deleted_at is None

    def test_correct_nothing_by_command(self, viewer: User) -> None:
        make_world(1, now=NOW)
        statement = Plan.objects.get().organization.statements.get()
        args = ["propose", str(statement.uuid), "--series", "5", "--why", "x"]
        before = Correction.objects.count()

        with pytest.raises(CommandError, match="may not propose"):
            call_command("correct_statement", *args, "--by", viewer.email)

        assert Correction.objects.count() == before


class TestBilling:
    def test_acts(self, billings: Client) -> None:
        make_world(1, now=NOW)
        Freeze.objects.all().delete()

        acting.act(billings, Plan.objects.get(), "freeze", reason="a dispute")
        acting.act(billings, MeterEvent.objects.get(), "hold")

        assert Freeze.objects.get().reason == "a dispute"
        assert MeterEvent.objects.get().held_at is not None

    def test_makes_nobody_staff(self, billings: Client) -> None:
        charlie = factories.make_user("charlie")
        page = address(User, "change", charlie.pk)

        answer = billings.post(page, {"email": charlie.email, "name": "C", "is_superuser": "on"})

        assert answer.status_code == 403
        charlie.refresh_from_db()
        assert not charlie.is_superuser


def _ask(client: Client, model: type[Model], name: str, **values: str) -> None:
    rows = [str(pk) for pk in model._default_manager.values_list("pk", flat=True)]
    data = {"action": name, "_selected_action": rows, "reason": "because", **values}
    answer = client.post(address(model, "changelist"), data)
    assert answer.status_code in {200, 302, 403}, (model, name)
