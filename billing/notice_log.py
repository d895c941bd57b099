"""The log of what an organization's leaders were told, newest first."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization, User
from billing import notice_texts
from billing.models import Notice
from billing.wording import Said, Tone

_KINDS = [
    (Notice.Kind.TRIAL_ENDING, "End of the trial"),
    (Notice.Kind.TIER_CROSSED, "A higher band"),
    (Notice.Kind.BUDGET_REACHED, "Budgets"),
    (Notice.Kind.PAYMENT_FAILED, "Failed payments"),
    (Notice.Kind.STATEMENT_READY, "Statements"),
]
_STATES = {
    "sent": ("Sent", ~Q(sent_at=None)),
    "waiting": ("Still to be sent", Q(sent_at=None, given_up_at=None)),
    "not-sent": ("Not sent", ~Q(given_up_at=None)),
}


class LogFilter(forms.Form):
    """Which notices to show; what makes no sense filters nothing."""

    kind = forms.ChoiceField(label="About", required=False, choices=[("", "All"), *_KINDS])
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "All"), *((name, label) for name, (label, _) in _STATES.items())],
    )
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def chosen(self) -> dict[str, Any]:
        """Return what is chosen and makes sense."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice as the log shows it."""

    at: Written
    subject: str
    delivery: Said
    recipients: str


def page(
    organization: Organization, chosen: dict[str, Any], *, limit: int
) -> tuple[list[NoticeRow], int | None]:
    """Return up to `limit` notices, and before which one the next page begins."""
    found = list(_filtered(organization, chosen)[: limit + 1])
    shown = found[:limit]
    return _rows(shown), shown[-1].pk if len(found) > limit else None


def _filtered(organization: Organization, chosen: dict[str, Any]) -> QuerySet[Notice]:
    # Notices are stored when they happen, so their numbers are in order.
    found = Notice.objects.filter(organization=organization).order_by("-pk")
    if "kind" in chosen:
        found = found.filter(kind=chosen["kind"])
    if "state" in chosen:
        found = found.filter(_STATES[chosen["state"]][1])
    if "before" in chosen:
        found = found.filter(pk__lt=chosen["before"])
    return found.select_related("organization", "period")


def _rows(notices: list[Notice]) -> list[NoticeRow]:
    told = {uuid for notice in notices for uuid in notice.recipients}
    emails = dict(User.objects.filter(uuid__in=told).values_list("uuid", "email"))
    return [
        NoticeRow(
            at=dates.moment(notice.sent_at or notice.noticed_at),
            subject=notice_texts.of(notice).subject,
            delivery=_delivery(notice),
            recipients=", ".join(emails[uuid] for uuid in notice.recipients if uuid in emails),
        )
        for notice in notices
    ]


def _delivery(notice: Notice) -> Said:
    if notice.sent_at is not None:
        return Said("Sent", Tone.GOOD)
    if notice.given_up_at is not None:
        return Said("Not sent", Tone.ATTENTION, "The mail server refused it for three days.")
    if notice.failure:
        return Said("Tried again soon", Tone.ATTENTION)
    return Said("On its way", Tone.NEUTRAL)
