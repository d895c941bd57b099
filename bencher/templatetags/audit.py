"""The audit of a row, on its history page in the admin."""

from django import template
from django.db.models import Model

from bencher import changes

register = template.Library()


@register.simple_tag
def audit_of(row: Model) -> list[changes.ChangeShown]:
    """Return the latest changes of a row, newest first."""
    return changes.of_row(row)
