"""What staff may do: a verb that is shown beforehand, needs a reason, and leaves an audit row.

A verb says in a sentence what it would do, and the same sentence once it did it. The page between
shows the sentence, asks for the reason, and remembers what it showed: where something else would
be done by then, it is shown again instead of being done.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from allauth.core.exceptions import ReauthenticationRequired
from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from bencher import auditing, clock, db, staff_log
from bencher.tenancy import second_factor
from bencher.tenancy.models import User

MAX_LENGTH = 300
# Of each its effect is shown, which may ask Stripe. Two pages of a list.
MOST_ROWS = 100

NO_FIELDS: Mapping[str, forms.Field] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for an act, why, when, and with which values of the verb's own fields."""

    by: User
    reason: str
    at: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing that staff may do to rows of a model.

    `foresee` gets a row, an instant and the values of the fields, changes nothing and returns what
    `act` would return. `anticipated` is shown as an error, and the other rows go on. What moves by
    itself, as a count does, is done as it is then, though it was shown otherwise. What moves money
    or opens an account (`is_sensitive`) is for who has shown password or code minutes ago. A verb
    with `then` is about one row, and answers with that once it is done. `check_who` raises what is
    anticipated where this person can't do it.
    """

    name: str
    permission: str
    description: str
    consequence: str
    foresee: Callable[[Any, datetime, Mapping[str, Any]], str]
    act: Callable[[Any, Asked], str]
    anticipated: tuple[type[Exception], ...]
    fields: Mapping[str, forms.Field] = field(default_factory=lambda: NO_FIELDS)
    moves: bool = False
    is_sensitive: bool = True
    then: Callable[[HttpRequest, Any], HttpResponse] | None = None
    check_who: Callable[[Any, User], None] = lambda _row, _by: None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a verb would do to a row, or why it can't."""

    row: Any
    organization: str
    sentence: str
    is_refused: bool


Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def action(verb: Verb) -> Action:
    """Return a verb as an action of the admin's lists; it is only offered to whom is permitted."""

    @admin.action(description=verb.description)
    def run(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        rows, step = list(queryset[: MOST_ROWS + 1]), request.POST.get("step")
        if refusal := _refusal(request, verb, rows):
            messages.error(request, refusal)
            return None
        if verb.is_sensitive and not second_factor.confirmed_lately(request):
            # Asks for it, and goes on with what was posted.
            raise ReauthenticationRequired
        form = _Form(verb, request.POST if step else None)
        if step != "act":
            # Showing what would be done needs no reason yet.
            form.errors.pop("reason", None)
        if step != "act" or not form.is_valid():
            return _ask(model_admin, request, verb, rows, form)
        foreseen = _foreseen(request, verb, rows, form.values() or {})
        if not (verb.moves or request.POST.get("shown") == _digest(foreseen)):
            messages.warning(request, "Something has changed since. Nothing was done; look again.")
            return _ask(model_admin, request, verb, rows, form)
        done = _act(request, verb, rows, form)
        if verb.then is not None and done:
            return verb.then(request, rows[0])
        return _back(model_admin, request, rows)

    run.__name__ = verb.name
    run.verb = verb  # type: ignore[attr-defined]
    return run


def verb_of(action: Any) -> Verb | None:
    """Return the verb that an action was made of, if it was."""
    return getattr(action, "verb", None)


def is_permitted(request: HttpRequest, verb: Verb) -> bool:
    """Tell whether who asks may do it."""
    return request.user.has_perm(verb.permission)


def _refusal(request: HttpRequest, verb: Verb, rows: Sequence[Any]) -> str:
    if not is_permitted(request, verb):
        return f"You may not do that: {verb.permission} is needed."
    if not rows:
        return "What was chosen is not in this list any more. Nothing was done."
    if len(rows) > MOST_ROWS:
        return f"That is done to {MOST_ROWS} rows at a time, and more were chosen."
    if verb.then is not None and len(rows) != 1:
        return "That is done to one at a time. Choose one."
    return ""


class ReasonedForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(
        label="Why, for those who read it later",
        max_length=MAX_LENGTH,
        widget=forms.TextInput(attrs={"size": 80}),
        error_messages={"required": "Say why: it is kept with what was done."},
    )

    @property
    def changed_data(self) -> list[str]:
        """Return the names of what was changed, to which the reason does not belong."""
        return [name for name in super().changed_data if name != "reason"]


class _Form(ReasonedForm):
    """The verb's own fields, and the reason."""

    def __init__(self, verb: Verb, posted: Mapping[str, Any] | None) -> None:
        super().__init__(posted)
        own = {name: copy.deepcopy(its) for name, its in verb.fields.items()}
        self.fields = own | self.fields
        self._own = tuple(own)

    def values(self) -> Mapping[str, Any] | None:
        """Return the values of the verb's own fields; None while they are not all valid."""
        if not self._own:
            return {}
        if not self.is_bound or any(name in self.errors for name in self._own):
            return None
        return {name: self.cleaned_data[name] for name in self._own}


def _foreseen(
    request: HttpRequest, verb: Verb, rows: Sequence[Any], values: Mapping[str, Any]
) -> list[Foreseen]:
    assert isinstance(request.user, User)
    by, at = request.user, clock.now()
    return [_foresee(verb, row, values, by=by, at=at) for row in rows]


def _foresee(
    verb: Verb, row: Any, values: Mapping[str, Any], *, by: User, at: datetime
) -> Foreseen:
    organization = str(getattr(row, "organization", ""))
    try:
        verb.check_who(row, by)
        sentence = verb.foresee(row, at, values)
    except verb.anticipated as error:
        return Foreseen(row, organization, _sentence(error), is_refused=True)
    return Foreseen(row, organization, sentence, is_refused=False)


def _digest(foreseen: Iterable[Foreseen]) -> str:
    said = "\n".join(f"{one.row.pk} {one.is_refused} {one.sentence}" for one in foreseen)
    return hashlib.sha256(said.encode()).hexdigest()


def _act(request: HttpRequest, verb: Verb, rows: Sequence[Any], form: _Form) -> bool:
    """Do it to each row, and return whether it was done to all."""
    assert isinstance(request.user, User)
    outcomes = [
        _act_on(
            row,
            verb,
            Asked(request.user, form.cleaned_data["reason"], clock.now(), form.values() or {}),
        )
        for row in rows
    ]
    for row, outcome in zip(rows, outcomes, strict=True):
        tell = messages.error if outcome.is_refused else messages.success
        tell(request, f"{row}: {outcome.sentence}")
    return not any(outcome.is_refused for outcome in outcomes)


def _act_on(row: Any, verb: Verb, asked: Asked) -> Foreseen:
    """Do it to a row, and return what was done.

    That it was asked for is kept before anything is done: an act that Stripe or a crash cuts short
    has left its row, and who reads it sees that no outcome followed.
    """
    organization = str(getattr(row, "organization", ""))
    with auditing.context(
        program=verb.name, why=asked.reason, organization=getattr(row, "organization_id", None)
    ):
        staff_log.write(
            row,
            by=asked.by,
            at=asked.at,
            said=f"{verb.description}, asked. Reason: {asked.reason}",
        )
        refusals: tuple[type[Exception], ...] = (*verb.anticipated, _BusyError)
        try:
            done = _done(row, verb, asked)
        except refusals as error:
            said = f"{verb.description}, not finished: {_sentence(error)}"
            staff_log.write(row, by=asked.by, at=asked.at, said=said)
            return Foreseen(row, organization, _sentence(error), is_refused=True)
        said = f"{verb.description}: {done} Reason: {asked.reason}"
        staff_log.write(row, by=asked.by, at=asked.at, said=said)
    return Foreseen(row, organization, done, is_refused=False)


def _sentence(error: Exception) -> str:
    """Return what an error has to say to people, where that is not what it says to the log."""
    return str(getattr(error, "sentence", error))


class _BusyError(Exception):
    """Something else works on the row, and did so for as long as was waited."""


def _done(row: Any, verb: Verb, asked: Asked) -> str:
    try:
        return verb.act(row, asked)
    except OperationalError as error:
        if not db.is_busy(error):
            raise
        raise _BusyError(
            "Something else is at work on it just now. It was not done; try again in a minute."
        ) from error


def _back(model_admin: Any, request: HttpRequest, rows: Sequence[Any]) -> HttpResponse | None:
    """Go back to the row's own page where it was asked there; else the list is shown again."""
    if "from_page" not in request.POST or len(rows) != 1:
        return None
    opts = model_admin.opts
    name = f"{model_admin.admin_site.name}:{opts.app_label}_{opts.model_name}_change"
    return HttpResponseRedirect(reverse(name, args=[rows[0].pk]))


def _ask(
    model_admin: Any, request: HttpRequest, verb: Verb, rows: Sequence[Any], form: _Form
) -> HttpResponse:
    values = form.values()
    foreseen = None if values is None else _foreseen(request, verb, rows, values)
    return TemplateResponse(
        request,
        "admin/give_reason.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": verb.description,
            "consequence": verb.consequence,
            "rows": rows,
            "foreseen": foreseen,
            "can_act": foreseen is not None and not all(one.is_refused for one in foreseen),
            "has_fields": bool(verb.fields),
            "shown": _digest(foreseen or []),
            "form": form,
            "action": verb.name,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            "from_page": "from_page" in request.POST,
            "opts": model_admin.model._meta,
        },
    )
