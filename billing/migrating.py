"""Moving legacy Pro plans to active series: each at its period's end, losing no usage.

A legacy Pro plan pays a flat fee in advance and metrics afterwards, with credit granted each
month. A schedule at Stripe exchanges the flat fee for the ladder where the period ends. The metrics
item stays one month longer: so it does not matter whether Stripe bills a metered item that a
schedule drops, and in that month nothing is used of it, because Pro posts no metrics.

Everything is decided by what Stripe says now. So a second run finds what is done and does the
rest, wherever the first one was interrupted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

from django.conf import settings

from bencher.tenancy.models import Organization
from billing import adopting, cover, gateway, money, prices, pricing, products
from billing.models import (
    TERMINAL_STATUSES,
    BillingCustomer,
    EarlierSubscription,
    Level,
    Plan,
    Status,
)
from series import counting

METRICS_METER = "metrics"
# In any other one a period does not end as a paid one does.
MOVABLE_STATUSES = (Status.ACTIVE, Status.PAST_DUE)
# What the service of before granted each month carries this.
_GRANT_MARK = "bencher_cloud"


class Fate(StrEnum):
    """What becomes of a legacy subscription."""

    MOVES = "moves"
    HELD = "held"
    LEFT = "left alone"


@dataclass(frozen=True, slots=True)
class Bills:
    """One period by both prices, in cents, as of now; `series` are those of the new price."""

    legacy_cents: int
    series: int
    pro_cents: int


@dataclass(frozen=True, slots=True)
class Case:
    """A legacy subscription and what becomes of it; `why` says so where it does not move."""

    found: gateway.Subscription
    organization: Organization | None
    fate: Fate
    why: str
    bills: Bills | None

    @property
    def name(self) -> str:
        """Return the organization's slug, or else the subscription's id."""
        return self.organization.slug if self.organization else self.found.id

    @property
    def ends_at(self) -> datetime:
        """Return the end of the legacy period."""
        return self.found.items[0].ends_at


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, in words, and how."""

    what: str
    take: Callable[[], object]


class _LeftError(Exception):
    """The subscription is left alone; the message says why, and what to do."""


class _HeldError(Exception):
    """The customer is another organization's; the message says what to do."""


class Migration:
    """One run over legacy Pro subscriptions. Its survey and steps write nothing; steps do.

    Raises NotConfiguredError where a product is not set, TemporaryError, RefusedError and
    LadderError, as does all that asks Stripe.
    """

    def __init__(self, *, now: datetime) -> None:
        if not products.legacy_pro():
            raise gateway.NotConfiguredError("LEGACY_PRO_PRODUCT is not set: nothing is legacy.")
        self._now = now
        self._stripe = gateway.connect()
        self._pro, *bare_metal = prices.sold(Level.PRO)
        self._bare_metal = tuple(bare_metal)
        self._ladder = pricing.ladder(prices.tiers(self._pro))
        self._metrics_meters = {
            meter.id for meter in self._stripe.meters() if meter.event_name == METRICS_METER
        }
        self._live: dict[str, list[gateway.Subscription]] = {}

    def survey(self, *, only: Organization | None = None) -> Iterator[Case]:
        """Return every legacy subscription, oldest first, with what it is billed by both prices."""
        wanted = str(only.uuid) if only else None
        for found in self._legacy():
            if wanted in (None, found.organization_uuid):
                yield self._judge(found)

    def steps(self, case: Case) -> Iterator[Step]:
        """Return what is still to be done about a case, in order, as Stripe has it now."""
        organization = case.organization
        if organization is None or case.fate is Fate.LEFT:
            return iter(())
        if case.fate is Fate.HELD:
            return self._holding(case.found, organization)
        return self._moving(case.found, organization)

    def _legacy(self) -> list[gateway.Subscription]:
        found = {
            subscription.id: subscription
            for price in self._stripe.prices_of(products.legacy_pro())
            for subscription in self._stripe.subscriptions_at(price.id)
            if any(_is_base(item) for item in subscription.items)
        }
        return sorted(_live(found.values()), key=_age)

    def _judge(self, found: gateway.Subscription) -> Case:
        organization = _organization(found)
        try:
            if organization is None:
                raise _LeftError(
                    "Its metadata.organization is not the UUID of a living organization here;"
                    " set it at Stripe."
                )
            self._check(found, organization)
        except _LeftError as error:
            return Case(found, organization, Fate.LEFT, str(error), None)
        except _HeldError as error:
            bills = self._bills(found, organization) if organization else None
            return Case(found, organization, Fate.HELD, str(error), bills)
        return Case(found, organization, Fate.MOVES, "", self._bills(found, organization))

    def _check(self, found: gateway.Subscription, organization: Organization) -> None:
        if found.cancel_at_period_end:
            raise _LeftError(f"It ends with its period, at {_written(found.items[0].ends_at)}.")
        self._check_customer(found, organization)
        if found.status not in MOVABLE_STATUSES:
            raise _LeftError(f"It is {found.status}; run this again when it is active.")
        if found.has_discount:
            raise _LeftError("It has a discount, which a schedule would drop; end that first.")
        unknown = [item.price_id for item in found.items if self._is_unknown(item)]
        if unknown:
            raise _LeftError(f"It holds prices of no legacy Pro plan: {', '.join(unknown)}.")
        schedule = self._schedule(found)
        if schedule and len(schedule.phases) > 1 and not self._is_scheduled(found, schedule):
            raise _LeftError(f"Schedule {schedule.id} plans something else; release it first.")
        paid = [grant.id for grant in self._grants(found) if _is_customers_money(grant)]
        if paid:
            raise _LeftError(
                f"The customer paid for credit ({', '.join(paid)}), which would lower the new"
                " price; settle that first."
            )

    def _check_customer(self, found: gateway.Subscription, organization: Organization) -> None:
        live = self._live_of(found.customer_id)
        keeper = _keeper(found.customer_id, live)
        if keeper != str(organization.uuid):
            raise _HeldError(
                f"Customer {found.customer_id} is kept by organization {_slug(keeper)}. It ends"
                f" with its period, at {_written(found.items[0].ends_at)}; private reports are"
                f" accepted until {_written(_grace_end(found))}. Let a leader subscribe anew on"
                " the billing page: that makes a customer of its own."
            )
        own = [other.id for other in live if other.organization_uuid == found.organization_uuid]
        if len(own) > 1:
            raise _LeftError(f"It has several subscriptions ({', '.join(own)}); end all but one.")
        known = BillingCustomer.objects.filter(organization=organization).first()
        if known and known.stripe_customer_id != found.customer_id:
            raise _LeftError(
                f"The organization's customer is {known.stripe_customer_id}, and this is of"
                f" {found.customer_id}; end it at Stripe if the other one is used."
            )
        plan = Plan.objects.filter(organization=organization, ended_at=None).first()
        if plan and plan.stripe_subscription_id != found.id:
            raise _LeftError(f"The organization's plan is {plan.stripe_subscription_id}.")

    def _bills(self, found: gateway.Subscription, organization: Organization) -> Bills:
        item = found.items[0]
        counted = counting.count_active(
            organization.pk,
            start=item.starts_at,
            end=item.ends_at,
            basis=counting.Basis(settings.ACTIVE_SERIES_VISIBILITY),
        )
        return Bills(
            legacy_cents=self._stripe.preview_invoice(found.id).total_cents,
            series=counted.billed,
            pro_cents=pricing.amount_cents(self._ladder, counted.billed),
        )

    def _moving(self, found: gateway.Subscription, organization: Organization) -> Iterator[Step]:
        ends_at = found.items[0].ends_at
        plan = Plan.objects.filter(stripe_subscription_id=found.id).first()
        if plan is None:
            yield Step(
                f"take up subscription {found.id} of customer {found.customer_id} as its plan",
                partial(adopting.adopt, organization, found.id, remote=False, now=self._now),
            )
        is_noted = plan is not None and plan.pro_from == ends_at
        if not (is_noted and self._is_scheduled(found, self._schedule(found))):
            yield Step(
                f"let {found.id} be Pro ({self._pro}) from {_written(ends_at)}; its flat fee ends"
                " then, and its metrics are invoiced to then",
                partial(self._schedule_pro, found),
            )
        last = max(other.items[0].ends_at for other in self._legacy_of(found.customer_id))
        for grant in self._grants(found):
            if grant.starts_at and grant.starts_at >= last:
                yield Step(
                    f"void {_named(grant)}, which would lower the new price",
                    partial(self._stripe.void_credit_grant, grant.id),
                )
            else:
                yield Step(
                    f"let {_named(grant)} expire at {_written(last)}, or it would lower the new"
                    " price",
                    partial(self._stripe.expire_credit_grant, grant.id, at=last),
                )

    def _holding(self, found: gateway.Subscription, organization: Organization) -> Iterator[Step]:
        known = EarlierSubscription.objects.filter(stripe_subscription_id=found.id)
        if not known.exists():
            yield Step(
                f"note that {organization.slug} had {found.id}, so that it gets no trial anew",
                partial(self._note_earlier, found, organization),
            )
        until = _grace_end(found)
        if organization.private_until is None or organization.private_until < until:
            yield Step(
                f"accept private reports until {_written(until)}",
                partial(cover.lengthen, organization, until=until),
            )
        yield Step(
            f"let {found.id} end with its period, at {_written(found.items[0].ends_at)}",
            partial(self._end_with_period, found),
        )

    def _note_earlier(self, found: gateway.Subscription, organization: Organization) -> None:
        EarlierSubscription.objects.get_or_create(
            stripe_subscription_id=found.id,
            defaults={"organization": organization, "noted_at": self._now},
        )

    def _schedule_pro(self, found: gateway.Subscription) -> None:
        self._stripe.change_prices_at_period_end(found.id, months=self._months(found))
        Plan.objects.filter(stripe_subscription_id=found.id).update(pro_from=found.items[0].ends_at)

    def _end_with_period(self, found: gateway.Subscription) -> None:
        self._stripe.release_from_schedule(found.id)
        self._stripe.set_cancel_at_period_end(found.id, cancel=True)

    def _months(self, found: gateway.Subscription) -> list[tuple[str, ...]]:
        """Return the prices of the first month as Pro and, if others, of the ones after it."""
        held = tuple(item.price_id for item in found.items if _is_bare_metal(item))
        pro = (self._pro, *(held or self._bare_metal))
        metrics = tuple(item.price_id for item in found.items if self._is_metrics(item))
        return [(*pro, *metrics), pro] if metrics else [pro]

    def _schedule(self, found: gateway.Subscription) -> gateway.Schedule | None:
        return self._stripe.schedule(found.schedule_id) if found.schedule_id else None

    def _is_scheduled(self, found: gateway.Subscription, schedule: gateway.Schedule | None) -> bool:
        if schedule is None or schedule.ends_subscription:
            return False
        wanted = [set(month) for month in self._months(found)]
        return [set(phase.price_ids) for phase in schedule.phases[1:]] == wanted

    def _grants(self, found: gateway.Subscription) -> list[gateway.CreditGrant]:
        """Return the credit that would still be there after the legacy periods of a customer."""
        last = max(other.items[0].ends_at for other in self._legacy_of(found.customer_id))
        return [
            grant
            for grant in self._stripe.credit_grants_of(found.customer_id)
            if grant.voided_at is None and (grant.expires_at is None or grant.expires_at > last)
        ]

    def _legacy_of(self, customer_id: str) -> list[gateway.Subscription]:
        # The invoice of each may still draw on the customer's credit.
        live = self._live_of(customer_id)
        return [found for found in live if any(_is_base(item) for item in found.items)]

    def _live_of(self, customer_id: str) -> list[gateway.Subscription]:
        if customer_id not in self._live:
            self._live[customer_id] = _live(self._stripe.subscriptions_of(customer_id))
        return self._live[customer_id]

    def _is_metrics(self, item: gateway.Item) -> bool:
        return item.meter_id in self._metrics_meters

    def _is_unknown(self, item: gateway.Item) -> bool:
        return not (_is_base(item) or self._is_metrics(item) or _is_bare_metal(item))


def _organization(found: gateway.Subscription) -> Organization | None:
    try:
        uuid = UUID(found.organization_uuid)
    except ValueError:
        return None
    return Organization.objects.filter(uuid=uuid, deleted_at=None).first()


def _keeper(customer_id: str, live: Iterable[gateway.Subscription]) -> str:
    """Return the UUID of the organization that keeps a customer, as a text.

    Whose customer it is here already; else whose subscription is the oldest.
    """
    known = (
        BillingCustomer.objects.select_related("organization")
        .filter(stripe_customer_id=customer_id)
        .first()
    )
    if known:
        return str(known.organization.uuid)
    marked = [found for found in live if found.organization_uuid]
    return min(marked, key=_age).organization_uuid


def _slug(uuid: str) -> str:
    found = Organization.objects.filter(uuid=uuid).first()
    return found.slug if found else uuid


def _live(found: Iterable[gateway.Subscription]) -> list[gateway.Subscription]:
    return [each for each in found if each.status not in TERMINAL_STATUSES]


def _age(found: gateway.Subscription) -> tuple[datetime, str]:
    return found.started_at, found.id


def _is_base(item: gateway.Item) -> bool:
    return item.product_id == products.legacy_pro() and not item.meter_id


def _is_bare_metal(item: gateway.Item) -> bool:
    return products.is_bare_metal(item.product_id)


def _is_customers_money(grant: gateway.CreditGrant) -> bool:
    return grant.is_paid_for and _GRANT_MARK not in grant.metadata


def _grace_end(found: gateway.Subscription) -> datetime:
    return found.items[0].ends_at + timedelta(days=settings.PLAN_GRACE_DAYS)


def _named(grant: gateway.CreditGrant) -> str:
    return f"credit grant {grant.id} of {money.written(grant.amount_cents)}"


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
