"""What dj-stripe mirrors of Stripe, for staff to look at.

Its own pages carry inline scripts, which our policy blocks, let staff change rows and keys, and
some fail on objects of the API version that is pinned here; so each model gets a plain page.
"""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import JSONField
from djstripe import admin as _djstripe_admin  # noqa: F401 - registers first, so that we are last
from djstripe.models import APIKey

from bencher.read_only_admin import ReadOnlyAdmin

HIDDEN = "hidden"
# With the first webhooks are verified; with the second a payment can be completed.
_SECRETS = frozenset({"secret", "client_secret"})


class MirrorAdmin(ReadOnlyAdmin):
    """An object as Stripe gave it last."""

    search_fields = ("id",)

    def get_list_display(self, request: object) -> list[Any]:
        """Show what every mirrored object has."""
        wanted = ("id", "livemode", "created")
        return [name for name in wanted if self._has(name)] or ["__str__"]

    def get_exclude(self, request: object, obj: object = None) -> tuple[str, ...]:
        """Hide the secrets that webhooks are verified with."""
        return tuple(name for name in ("secret",) if self._has(name))

    def get_object(self, request: object, object_id: str, from_field: str | None = None) -> Any:
        """Return the object without the secrets in what Stripe said of it."""
        found = super().get_object(request, object_id, from_field)  # type: ignore[arg-type]
        for field in self.model._meta.fields if found else ():
            if isinstance(field, JSONField):
                setattr(found, field.attname, _without_secrets(getattr(found, field.attname)))
        return found

    def _has(self, name: str) -> bool:
        return name in {field.name for field in self.model._meta.get_fields()}


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: HIDDEN if key in _SECRETS and inner else _without_secrets(inner)
                for key, inner in value.items()
            }
        case list():
            return [_without_secrets(inner) for inner in value]
        case _:
            return value


for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
        # Keys are the environment's, and none of them is to be read here.
        if model is not APIKey:
            admin.site.register(model, MirrorAdmin)
