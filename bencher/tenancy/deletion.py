"""Deleting an organization. What else must end with it registers here when it starts.

Tenancy knows neither projects nor plans; this is the seam through which they end first, or say why
they can't.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from bencher.tenancy.models import Organization, User

# Called in the deletion's transaction with the locked organization.
Step = Callable[[Organization, datetime, User | None], None]
_steps: list[Step] = []
# Called before that transaction, for what asks others. True where there is nothing left to end;
# False where ending takes a while, and whoever ends it deletes the organization then.
Ending = Callable[[Organization, datetime, User], bool]
_endings: list[Ending] = []
# What a deletion would mean, in sentences for people; each asks nobody but the database.
Telling = Callable[[Organization, datetime], list[str]]
_tellings: list[Telling] = []


class StillInUseError(Exception):
    """Something has to end before the organization can be deleted; the message says what."""


class UnavailableError(Exception):
    """What has to end first can't be asked at the moment; nothing was changed."""


def register(step: Step) -> None:
    """Take a step in each deletion; it may refuse with StillInUseError."""
    if step not in _steps:
        _steps.append(step)


def register_ending(ending: Ending) -> None:
    """End something before each deletion; it may refuse as `delete` does."""
    if ending not in _endings:
        _endings.append(ending)


def register_telling(telling: Telling) -> None:
    """Say beforehand what each deletion would end."""
    if telling not in _tellings:
        _tellings.append(telling)


def consequences(organization: Organization, *, now: datetime) -> list[str]:
    """Return what deleting an organization now would mean, in sentences for its leader."""
    return [sentence for telling in _tellings for sentence in telling(organization, now)]


def delete(organization: Organization, *, now: datetime, by: User) -> bool:
    """Delete an organization softly, with what it owns; False while something is being ended.

    It keeps its name and slug, so that statements read as they did, and frees both for others.
    Raises StillInUseError and UnavailableError.
    """
    # Each is begun, even where another one takes its time.
    ended = [ending(organization, now, by) for ending in _endings]
    if not all(ended):
        return False
    complete(organization, now=now, by=by)
    return True


def complete(organization: Organization, *, now: datetime, by: User | None) -> None:
    """Delete an organization of which nothing is left to end. Raises StillInUseError otherwise."""
    with transaction.atomic():
        # Not against reports, which only refer to the row, but against a plan that begins now.
        locked = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        for step in _steps:
            step(locked, now, by)
        Organization.objects.filter(pk=locked.pk, deleted_at=None).update(
            deleted_at=now, modified_at=now
        )
