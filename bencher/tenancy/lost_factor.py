"""Staff take away the second factor of somebody who lost it, once they are sure who asks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from bencher.reasoned_action import Asked, Verb
from bencher.tenancy import second_factor
from bencher.tenancy.models import User


class UnprotectedError(Exception):
    """There is no second factor to take away."""


def _foresee(user: User, at: datetime, values: Mapping[str, Any]) -> str:
    if not second_factor.is_enrolled(user):
        raise UnprotectedError("The account has no second factor.")
    return "The password alone opens the account; app, passkeys and recovery codes end."


def _act(user: User, asked: Asked) -> str:
    sentence = _foresee(user, asked.at, asked.values)
    with transaction.atomic():
        Authenticator.objects.filter(user=user).delete()
    get_adapter().send_mail("mfa/email/removed_by_staff", user.email, {"user": user})
    return sentence


REMOVE = Verb(
    name="remove_second_factor",
    permission="tenancy.change_user",
    description="Take away the second factor",
    consequence="Whoever knows the password gets in. Be sure that it is the owner who asks, such as"
    " by a call to a number that you knew before. The owner is told by mail.",
    foresee=_foresee,
    act=_act,
    anticipated=(UnprotectedError,),
)
