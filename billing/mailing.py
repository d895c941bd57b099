"""Sending notices by e-mail to an organization's leaders.

A notice is claimed by a committed update, sent outside any transaction and marked afterwards. A
crash in between sends it again after the claim has run out, under the same Message-ID, by which
mail programs know it. Claims and back-off run on the real clock: they bound real waiting.
"""

import logging
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.template.loader import render_to_string

from bencher.tenancy.models import Organization, Role, User
from billing import notice_texts
from billing.models import Notice
from billing.notice_texts import NoticeText

logger = logging.getLogger(__name__)

BATCH = 100
# Five minutes, then twice as long each time: the last attempt is about three days later.
ATTEMPTS = 10
_FIRST_WAIT_SECONDS = 300

_CLAIM = """
UPDATE billing_notice notice
SET attempts = notice.attempts + 1,
    next_attempt_at = statement_timestamp()
                      + %(wait)s * interval '1 second' * power(2, notice.attempts)
WHERE notice.id IN (
    SELECT id FROM billing_notice
    WHERE sent_at IS NULL AND given_up_at IS NULL
      AND (next_attempt_at IS NULL OR next_attempt_at <= statement_timestamp())
    ORDER BY id
    LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
)
RETURNING notice.id
"""


class NobodyToTellError(Exception):
    """The organization has no leader who can sign in."""


@dataclass(frozen=True, slots=True)
class Mailed:
    """How a round of mailing went."""

    sent: int = 0
    failed: int = 0


def send_due(*, now: datetime) -> Mailed:
    """Send every notice that waits; one that fails does not stop the others."""
    sent = failed = 0
    while claimed := _claim():
        for notice in Notice.objects.filter(pk__in=claimed).select_related(
            "organization", "period"
        ):
            if _send(notice, now=now):
                sent += 1
            else:
                failed += 1
    return Mailed(sent=sent, failed=failed)


def message(notice: Notice, leaders: Sequence[User]) -> EmailMultiAlternatives:
    """Return a notice as an e-mail with a text and an HTML part."""
    mail = _written(notice_texts.of(notice), notice.organization, leaders)
    mail.extra_headers["Message-ID"] = f"<{notice.uuid}@{urlsplit(settings.BASE_URL).hostname}>"
    return mail


def send_trial(organization: Organization, *, to: User) -> None:
    """Send somebody an e-mail in the way of notices, to see whether those would arrive.

    Raises OSError and SMTPException where the mail server does not take it.
    """
    _written(notice_texts.trial(organization), organization, [to]).send()


def _written(
    text: NoticeText, organization: Organization, to: Sequence[User]
) -> EmailMultiAlternatives:
    context = {"text": text, "organization": organization.name}
    mail = EmailMultiAlternatives(
        subject=text.subject,
        body=render_to_string("mail/notice.txt", context),
        to=[user.email for user in to],
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("mail/notice.html", context), "text/html")
    return mail


def leaders_of(organization: Organization) -> list[User]:
    """Return who is written to: the leaders that can sign in."""
    return list(
        User.objects.filter(
            memberships__organization=organization,
            memberships__role=Role.LEADER,
            is_active=True,
        ).order_by("pk")
    )


def _claim() -> list[int]:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"batch": BATCH, "wait": _FIRST_WAIT_SECONDS})
        return [row[0] for row in cursor.fetchall()]


def _send(notice: Notice, *, now: datetime) -> bool:
    leaders = leaders_of(notice.organization)
    try:
        if not leaders:
            raise NobodyToTellError("The organization has no leader who can sign in.")
        message(notice, leaders).send()
    except (OSError, smtplib.SMTPException, NobodyToTellError) as error:
        logger.warning("notice not sent", extra={"notice": notice.pk, "why": repr(error)})
        given_up_at = now if notice.attempts >= ATTEMPTS else None
        Notice.objects.filter(pk=notice.pk).update(failure=str(error), given_up_at=given_up_at)
        return False
    Notice.objects.filter(pk=notice.pk).update(
        sent_at=now, recipients=[leader.uuid for leader in leaders], failure=""
    )
    return True
