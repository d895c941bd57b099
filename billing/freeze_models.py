"""That billing of an organization stands still, by a member of staff."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from bencher.tenancy.models import Organization


class Freeze(models.Model):
    """While it lasts nothing of the organization is sent to Stripe; all is counted and closed.

    At most one lasts. It is ended, never deleted.
    """

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="freezes")
    begun_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300)
    begun_at = models.DateTimeField()
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    ended_why = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(ended_at=None),
                name="one_lasting_freeze_per_organization",
            ),
        ]

    def __str__(self) -> str:
        return "lasts" if self.ended_at is None else "ended"
