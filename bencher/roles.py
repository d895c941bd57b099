"""What staff may do, by role: viewers look, billing acts too, superusers do everything.

The roles are groups. `migrate` ends by giving each exactly what is written here, as permissions
are made there too: a model that is new can be looked at, and what was added by hand is taken away.
"""

from typing import Any, Final

from django.apps import AppConfig
from django.apps import apps as installed
from django.contrib import admin
from django.contrib.auth.management import create_permissions

VIEWER: Final = "viewer"
BILLING: Final = "billing"
NAMES: Final = (VIEWER, BILLING)

# What staff's verbs ask for, each on the page of what it acts on.
ACTS: Final = frozenset(
    {
        "billing.post_plan",
        "billing.reconcile_plan",
        "billing.extend_trial_of_plan",
        "billing.freeze_plan",
        "billing.release_plan",
        "billing.cancel_plan",
        "billing.recount_billingperiod",
        "billing.close_billingperiod",
        "billing.correct_statement",
        "billing.decide_correction",
        "billing.resend_meterevent",
        "billing.hold_meterevent",
        "billing.replay_webhookreceipt",
        "tenancy.impersonate_user",
    }
)


def viewing() -> frozenset[str]:
    """Return the permissions to look at whatever has a page for staff."""
    opened = (model._meta for model in admin.site._registry)
    return frozenset(f"{meta.app_label}.view_{meta.model_name}" for meta in opened)


def permissions() -> dict[str, frozenset[str]]:
    """Return what each role may do, as `app.codename`."""
    return {VIEWER: viewing(), BILLING: viewing() | ACTS}


def establish(sender: AppConfig, *, apps: Any = installed, using: str, **_: Any) -> None:
    """Make the groups, each with exactly its permissions; a repeat changes nothing.

    Receives `post_migrate`.
    """
    try:
        group, permission = (apps.get_model("auth", name) for name in ("Group", "Permission"))
    except LookupError:  # Migrated to a time before there were groups.
        return
    for app in installed.get_app_configs():
        create_permissions(app, verbosity=0, using=using, apps=apps)
    known = permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    pks = {f"{label}.{codename}": pk for label, codename, pk in known}
    for name, wanted in permissions().items():
        role, _made = group.objects.using(using).get_or_create(name=name)
        role.permissions.set(sorted(pks[one] for one in wanted if one in pks))
