"""The tabs of an organization's pages."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse

register = template.Library()


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of an organization; `others` are the pages that belong under it."""

    label: str
    page: str
    others: frozenset[str] = frozenset()
    for_members: bool = False


@dataclass(frozen=True, slots=True)
class TabShown:
    """A tab as a link."""

    label: str
    href: str
    is_here: bool


_OF_PROJECTS = frozenset(
    {
        "project-new",
        "project-settings",
        "project-visibility",
        "project-delete",
        "project-keys",
        "project-key-revoke",
    }
)
TABS = (
    Tab("Usage", "billing"),
    Tab("Series", "billing-series", frozenset({"billing-series-period", "report"})),
    Tab("What if", "what-if"),
    Tab("Plan", "plan", frozenset({"plan-cancel"})),
    Tab("Invoices", "invoices", frozenset({"statement"})),
    Tab("Alerts", "alerts"),
    Tab("Projects", "organization", _OF_PROJECTS, for_members=True),
    Tab("People", "members", frozenset({"member-remove", "invitation-new"}), for_members=True),
    Tab("Settings", "organization-settings", frozenset({"organization-delete"})),
)


@register.inclusion_tag("_organization_tabs.html", takes_context=True)
def organization_tabs(context: dict[str, Any]) -> dict[str, list[TabShown]]:
    """Return the tabs of the organization in the page's address.

    A page that members may see says in `leads` whether its reader is a leader; all others are for
    leaders only.
    """
    match = context["request"].resolver_match
    leads = context.get("leads", True)
    return {
        "tabs": [
            TabShown(
                tab.label,
                reverse(tab.page, args=[match.kwargs["organization"]]),
                match.url_name == tab.page or match.url_name in tab.others,
            )
            for tab in TABS
            if leads or tab.for_members
        ]
    }
