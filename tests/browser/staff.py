"""The staff's pages in a browser: where they are, and how a leader gets in."""

from typing import Final

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Model
from django.urls import reverse

from bencher.tenancy.models import Organization, User
from billing.models import MeterEvent, Plan, Statement, WebhookReceipt
from tests.browser.visitors import Visitor
from tests.staffing import show_factor

# Django's own scripts come with its forms and lists.
TOTAL_BYTES: Final = 500_000


def addresses(slug: str) -> dict[str, str]:
    """Return the address of a staff's page of each kind, by its name."""
    organization = Organization.objects.get(slug=slug)
    plan = Plan.objects.get(organization=organization)
    statement = Statement.objects.filter(organization=organization).latest("ends_at")
    user = User.objects.get(memberships__organization=organization)
    return {
        "front": reverse("admin:index"),
        "plans": _list(Plan),
        "plan": _row(plan),
        "plan's history": _row(plan, "history"),
        "outbox": _list(MeterEvent),
        "statements": _list(Statement),
        "statement": _row(statement),
        "nothing found": f"{_list(WebhookReceipt)}?q=evt_of_nobody",
        "user": _row(user),
        "new membership": reverse("admin:tenancy_membership_add"),
    }


def become(visitor: Visitor, leader: User) -> None:
    """Let somebody who has signed in be staff, having shown a second factor."""
    leader.is_staff = leader.is_superuser = True
    leader.save(update_fields=["is_staff", "is_superuser"])
    show_factor(_session_of(visitor), leader)
    visitor.inspector.total_bytes = TOTAL_BYTES


def foresee_post(visitor: Visitor) -> None:
    """Ask, on the page of a plan, what posting its usage would do."""
    visitor.press("Post usage now")
    visitor.reads("active series are stored to be sent")


def _list(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _row(row: Model, page: str = "change") -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[row.pk])


def _session_of(visitor: Visitor) -> SessionStore:
    (key,) = (
        cookie.get("value")
        for cookie in visitor.page.context.cookies()
        if cookie.get("name") == settings.SESSION_COOKIE_NAME
    )
    return SessionStore(key)
