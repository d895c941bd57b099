"""Members of staff and their browsers, past the second factor."""

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.test import Client

from bencher.tenancy.models import User
from tests import factories


def make_staff(name: str, *, role: str) -> User:
    """Create a member of staff who may do what that role allows."""
    user = factories.make_user(name, is_staff=True)
    user.is_superuser = False
    user.save(update_fields=["is_superuser"])
    user.groups.add(Group.objects.get(name=role))
    return user


def desk_of(user: User) -> Client:
    """Return a browser in which a user has just signed in, with a second factor."""
    client = Client()
    client.force_login(user)
    show_factor(client.session, user)
    return client


def show_factor(session: SessionBase, user: User) -> None:
    """Note in a user's session that a second factor was shown just now."""
    Authenticator.objects.get_or_create(
        user=user, type=Authenticator.Type.TOTP, defaults={"data": {}}
    )
    request = HttpRequest()
    request.session = session
    record_authentication(request, user, method="mfa", type=Authenticator.Type.TOTP)
    session.save()
