"""Mailing an invitation."""

import logging
import smtplib

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from bencher import dates
from bencher.tenancy.models import Invitation, Role

logger = logging.getLogger(__name__)


def send(invitation: Invitation, token: str, *, inviter: str) -> bool:
    """Mail an invitation with its link; False where the mail server does not take it.

    Not through the queue: the token is in clear nowhere but in the mail.
    """
    mail = message(invitation, token, inviter=inviter)
    try:
        mail.send()
    except (smtplib.SMTPException, OSError) as error:
        logger.warning(
            "invitation not sent", extra={"invitation": invitation.pk, "why": str(error)}
        )
        return False
    return True


def message(invitation: Invitation, token: str, *, inviter: str) -> EmailMultiAlternatives:
    """Return an invitation as an e-mail with a text and an HTML part."""
    name = _on_one_line(invitation.organization.name)
    context = {
        "subject": f"Join {name} on Bencher",
        "organization": name,
        "inviter": _on_one_line(inviter),
        "role": Role(invitation.role).label.lower(),
        "link": settings.BASE_URL + reverse("invitation", args=[token]),
        "email": invitation.email,
        "expires": dates.moment(invitation.expires_at).text,
    }
    mail = EmailMultiAlternatives(
        subject=context["subject"],
        body=render_to_string("mail/invitation.txt", context),
        to=[invitation.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("mail/invitation.html", context), "text/html")
    return mail


def _on_one_line(text: str) -> str:
    """Return a name fit for a header, whatever white space it holds."""
    return " ".join(text.split())
