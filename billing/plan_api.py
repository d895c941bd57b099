"""Plans over the API, at Bencher's paths: checkout, and the plan of an organization."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
from django.conf import settings
from django.http import HttpResponse
from msgspec import Meta
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from bencher import clock
from bencher.errors import ApiError
from bencher.rest import answering, reading
from bencher.rest.documenting import endpoint
from bencher.tenancy import api_access
from bencher.tenancy.models import Organization, User
from bencher.tenancy.permissions import Permission
from bencher.tenancy.wire import JsonEnding
from billing import (
    adopting,
    canceling,
    checkouts,
    gateway,
    plan_answers,
    plans,
    pricing,
    resubscribing,
)
from billing.models import Level, Plan
from billing.usage import open_period
from billing.wire import JsonPlan, Text


class JsonNewCheckout(msgspec.Struct, kw_only=True):
    """What to subscribe which organization to."""

    organization: Text
    level: Text
    entitlements: int | None = None
    self_hosted: Text | None = None


class JsonCheckout(msgspec.Struct, kw_only=True):
    """A checkout at Stripe, and the address of its page."""

    session: str
    url: str


class JsonNewPlan(msgspec.Struct, kw_only=True):
    """A completed checkout; with `remote` false, a subscription that is there already."""

    checkout: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_]+$")]
    level: Text
    entitlements: int | None = None
    self_hosted: Text | None = None
    remote: bool = True


class JsonUpdatePlan(msgspec.Struct, kw_only=True):
    """Whether the plan ends with its period."""

    cancel_at_period_end: bool


class PlanDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to cancel at Stripe; without it only a plan that is gone there is ended here."""

    remote: bool = True


class CheckoutList(APIView):
    """Checkouts."""

    permission_classes = (AllowAny,)

    @endpoint(
        summary="Open a checkout at Stripe",
        answer=JsonCheckout,
        status=201,
        body=JsonNewCheckout,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415, 423, 503),
    )
    def post(self, request: Request) -> HttpResponse:
        """Open a checkout, or return the open one. Leaders only; 409 with a live plan."""
        user = api_access.user(request)
        new = reading.body(request, JsonNewCheckout)
        organization = api_access.organization(request, new.organization, Permission.MANAGE)
        level = _level(new)
        with _answered():
            _check_is_configured()
            session = checkouts.start(organization, user=user, now=clock.now(), level=level)
        return answering.one(JsonCheckout(session=session.id, url=session.url), status=201)


class PlanDetail(APIView):
    """The plan of an organization."""

    permission_classes = (AllowAny,)
    authentication_classes = api_access.KEYS_AND_SESSIONS

    @endpoint(
        summary="The plan of an organization",
        answer=JsonPlan,
        refusals=(401, 403, 404, 423),
    )
    def get(self, request: Request, organization: str) -> HttpResponse:
        """Answer with the live plan. Leaders only; 404 without one, 423 without billing."""
        found = api_access.organization(request, organization, Permission.MANAGE)
        with _answered():
            _check_is_configured()
        return _answer(found, _live(found))

    @endpoint(
        summary="Take up the plan of a completed checkout",
        answer=JsonPlan,
        status=201,
        body=JsonNewPlan,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415, 423, 503),
    )
    def post(self, request: Request, organization: str) -> HttpResponse:
        """Store the subscription of a checkout. Leaders only; `remote` false is for superusers.

        A repeat is harmless. 409 where the organization has another live plan.
        """
        found = api_access.organization(request, organization, Permission.MANAGE)
        new = reading.body(request, JsonNewPlan)
        level = _level(new)
        if not new.remote:
            _check_is_superuser(request, "take up a subscription by its id")
        with _answered():
            _check_is_configured()
            plan = adopting.adopt(found, new.checkout, remote=new.remote, now=clock.now())
        if plan.level != level:
            raise ApiError(
                400,
                f"The plan was taken up, and it is {plan.level}: its price decides, not `level`,"
                f" which says {level}.",
            )
        return _answer(found, plan, status=201)

    @endpoint(
        summary="Cancel the plan at the end of its period, or resume it",
        answer=JsonPlan,
        body=JsonUpdatePlan,
        refusals=(400, 401, 403, 404, 409, 411, 413, 415, 423, 503),
    )
    def patch(self, request: Request, organization: str) -> HttpResponse:
        """Cancel or resume. For leaders signed in in a browser: no key may do it."""
        found = api_access.organization(request, organization, Permission.MANAGE)
        if request.auth is not None:
            raise ApiError(403, "A key must not end or resume a plan; sign in in a browser.")
        update = reading.body(request, JsonUpdatePlan)
        with _answered():
            _check_is_configured()
            plan = canceling.at_period_end(
                _live(found), cancel=update.cancel_at_period_end, now=clock.now()
            )
        return _answer(found, plan)

    @endpoint(
        summary="End the plan at once",
        status=204,
        query=PlanDeletion,
        also={202: (JsonEnding, "The plan is being ended: its last usage is billed first.")},
        refusals=(400, 401, 403, 404, 409, 423, 503),
    )
    def delete(self, request: Request, organization: str) -> HttpResponse:
        """Begin to end the plan at once, which takes some minutes: 202. Superusers only.

        204 where it has ended at Stripe already.
        """
        found = api_access.organization(request, organization, Permission.MANAGE)
        by = _check_is_superuser(request, "end a plan at once")
        asked = reading.query(request, PlanDeletion)
        plan = _live(found)
        with _answered():
            _check_is_configured()
            try:
                resubscribing.make_way(found, now=clock.now())
            except resubscribing.AlreadySubscribedError:
                if not asked.remote:
                    raise
            else:
                return answering.nothing()
            begun = canceling.at_once(plan, by=by, reason="API", now=clock.now())
        return answering.one(
            JsonEnding(
                message="The plan is being ended. Nothing more is counted from"
                f" {begun.ends_at:%H:%M} UTC on; then the last usage is billed and proven."
            ),
            status=202,
        )


def _answer(organization: Organization, plan: Plan, *, status: int = 200) -> HttpResponse:
    period = open_period(plan, now=clock.now())
    return answering.one(plan_answers.of(organization, plan, period, with_card=True), status=status)


def _live(organization: Organization) -> Plan:
    plan = Plan.objects.filter(organization=organization, ended_at=None).first()
    if plan is None:
        raise NotFound(f"{organization.slug} has no plan.")
    return plan


def _level(new: JsonNewCheckout | JsonNewPlan) -> Level:
    """Return the level that is asked for. Raises 400."""
    for name in ("entitlements", "self_hosted"):
        if getattr(new, name) is not None:
            raise ApiError(
                400,
                f"`{name}` is refused: licenses for self-hosted servers are not sold here. Leave it"
                " out to subscribe to a plan on this server.",
            )
    if new.level not in Level.values:
        known = ", ".join(Level.values)
        raise ApiError(400, f"`level` is {new.level!r}; what can be subscribed to is {known}.")
    return Level(new.level)


def _check_is_configured() -> None:
    if not settings.BILLING_CONFIGURED:
        raise gateway.NotConfiguredError("Billing is not configured on this server.")


def _check_is_superuser(request: Request, what: str) -> User:
    user = api_access.user(request)
    if not user.is_superuser:
        raise ApiError(403, f"Only the people who run this server may {what}.")
    return user


@contextmanager
def _answered() -> Iterator[None]:
    """Turn what billing raises into statuses."""
    try:
        yield
    except gateway.NotConfiguredError as error:
        raise ApiError(423, str(error)) from error
    except (resubscribing.UnknownError, gateway.TemporaryError) as error:
        raise ApiError(
            503, f"Stripe can't say at the moment; nothing was changed. Try again. ({error})"
        ) from error
    except (adopting.NotCompletedError, checkouts.LevelNotSoldError) as error:
        raise ApiError(400, str(error)) from error
    except (checkouts.ForeignCheckoutError, plans.ForeignSubscriptionError) as error:
        raise ApiError(404, str(error)) from error
    except (
        resubscribing.AlreadySubscribedError,
        plans.SecondSubscriptionError,
        canceling.AlreadyEndedError,
        canceling.PeriodEndsSoonError,
        gateway.RefusedError,
        pricing.LadderError,
    ) as error:
        raise ApiError(409, str(error)) from error
