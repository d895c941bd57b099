"""What the staff's page of a plan shows: ours beside Stripe's, its periods, its timeline."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse
from djstripe.models import Subscription

from bencher import dates
from billing import money, pricing, stripe_places, timeline, timeline_texts
from billing.models import BillingCustomer, BillingPeriod, Freeze, Plan
from billing.timeline import Place
from billing.timeline_texts import Entry
from series import counting
from series.counting import Basis, ProjectCount

# A year and the month that runs.
PERIODS_SHOWN = 13
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Compared:
    """A fact as it is here and as it is mirrored of Stripe; `differs` where both are known."""

    name: str
    ours: str
    stripe: str

    @property
    def differs(self) -> bool:
        """Tell whether Stripe's was mirrored and is another."""
        return NOTHING != self.stripe != self.ours


@dataclass(frozen=True, slots=True)
class Link:
    """Where else something can be seen."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A period, who says what of it, and what it costs."""

    address: str
    span: str
    state: str
    posted: str
    delivered: str
    at_stripe: str
    statement: str
    lines_address: str
    amount: str
    invoice: str
    invoice_address: str
    verdict: str
    is_well: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """Everything above the fields of a plan."""

    frozen: str
    # Since when both sides are known to be so.
    known_at: str
    told: str
    compared: list[Compared]
    links: list[Link]
    periods: list[PeriodRow]
    projects: list[ProjectCount]
    band: str
    timeline: list[Entry]
    older: str


def of(plan: Plan, *, now: datetime, before: Place | None) -> Panel:
    """Return what a plan's page shows, in a fixed number of queries."""
    customer = BillingCustomer.objects.filter(organization_id=plan.organization_id).first()
    periods = _periods(plan)
    current = plan.periods.filter(starts_at__lte=now, ends_at__gt=now).first()
    page = timeline.of(plan, now=now, before=before)
    mirror = _mirror(plan)
    projects = _projects(current)
    return Panel(
        frozen=_frozen(plan),
        known_at=dates.moment(plan.synced_at).text,
        told=f"{dates.lasting(mirror.age)} ago" if mirror else "",
        compared=_compared(plan, current, customer, mirror.stripe_data if mirror else {}),
        links=_links(plan, customer),
        periods=periods,
        projects=projects,
        band=_band(current, projects),
        timeline=[timeline_texts.entry(moment) for moment in page.moments],
        older=_address(page.ends_at),
    )


def place(query: dict[str, str]) -> Place | None:
    """Return where a page of the timeline begins, from its address; the newest for nonsense."""
    try:
        at = datetime.fromisoformat(query["at"])
        # One at the end of time may lie outside of it in UTC.
        place = Place(at.astimezone(UTC), query["kind"], int(query["id"]))
    except (KeyError, ValueError, OverflowError):
        return None
    return place if place.kind in timeline.kinds() else None


def _address(ends_at: Place | None) -> str:
    if ends_at is None:
        return ""
    place = {"at": dates.rfc3339(ends_at.at), "kind": ends_at.kind, "id": str(ends_at.id)}
    return f"?{urlencode(place)}#timeline"


def _frozen(plan: Plan) -> str:
    freeze = Freeze.objects.filter(organization_id=plan.organization_id, ended_at=None).first()
    if freeze is None:
        return ""
    return f"Billing is frozen since {dates.moment(freeze.begun_at).text}: {freeze.reason}"


def _mirror(plan: Plan) -> Any:
    """Return the subscription as dj-stripe has it, with its `age`; None where it has none."""
    # It notes the real instant, so that its age is told by the real clock too.
    told = Subscription.objects.annotate(age=Now() - F("djstripe_updated"))
    return told.filter(id=plan.stripe_subscription_id).first()


def _compared(
    plan: Plan,
    current: BillingPeriod | None,
    customer: BillingCustomer | None,
    theirs: dict[str, Any],
) -> list[Compared]:
    item = _item(theirs, plan.stripe_item_id)
    # Stripe keeps the bounds of the last period for ever; here none runs once a plan has ended.
    bounds = {} if plan.ended_at else item
    return [
        Compared("Status", plan.status, theirs.get("status") or NOTHING),
        Compared(
            "Customer",
            customer.stripe_customer_id if customer else NOTHING,
            theirs.get("customer") or NOTHING,
        ),
        Compared("Price", plan.stripe_price_id, (item.get("price") or {}).get("id") or NOTHING),
        Compared(
            "Current period begins",
            _moment(current.starts_at if current else None),
            _moment(bounds.get("current_period_start")),
        ),
        Compared(
            "Current period ends",
            _moment(current.ends_at if current else None),
            _moment(bounds.get("current_period_end")),
        ),
        Compared("Trial ends", _moment(plan.trial_ends_at), _moment(theirs.get("trial_end"))),
        Compared(
            "Cancels at period end",
            _yes(plan.cancel_at_period_end),
            _yes(theirs.get("cancel_at_period_end")),
        ),
    ]


def _item(subscription: dict[str, Any], item_id: str) -> dict[str, Any]:
    items = (subscription.get("items") or {}).get("data") or []
    return next((item for item in items if item.get("id") == item_id), {})


def _moment(at: datetime | int | None) -> str:
    if at is None:
        return NOTHING
    return dates.moment(at if isinstance(at, datetime) else dates.from_seconds(at)).text


def _yes(flag: bool | None) -> str:
    return NOTHING if flag is None else "yes" if flag else "no"


def _links(plan: Plan, customer: BillingCustomer | None) -> list[Link]:
    ids = [plan.stripe_subscription_id, plan.stripe_price_id]
    ids += [customer.stripe_customer_id] if customer else []
    slug = plan.organization.slug
    return [
        Link(
            "The organization",
            reverse("admin:tenancy_organization_change", args=[plan.organization_id]),
        ),
        Link("What its leaders see", reverse("billing", args=[slug])),
        *(Link(f"{one} at Stripe", stripe_places.dashboard(one)) for one in ids),
        *(Link(f"{one} as mirrored", stripe_places.mirrored(one)) for one in ids),
    ]


def _projects(current: BillingPeriod | None) -> list[ProjectCount]:
    if current is None:
        return []
    counted = counting.count_active(
        current.organization_id,
        start=current.starts_at,
        end=current.ends_at,
        basis=Basis(current.basis),
    )
    return list(counted.projects)


def _band(current: BillingPeriod | None, projects: list[ProjectCount]) -> str:
    if current is None:
        return ""
    ladder = pricing.ladder(current.tiers)
    series = sum(project.series for project in projects if project.billed)
    return f"{series:,} billed, band {money.band_range(pricing.band(ladder, series))}"


_PERIODS = """
SELECT period.id, period.starts_at, period.ends_at, period.kind, period.state,
       latest.value AS posted, delivered.value AS delivered, verification.held,
       statement.id AS statement_id, statement.series, statement.amount_cents AS cents,
       statement.currency, settlement.stripe_invoice_id AS invoice_id,
       settlement.series AS invoiced, settlement.amount_cents AS invoiced_cents,
       settlement.agrees, settlement.difference, drift.differences AS drift
FROM billing_billingperiod period
LEFT JOIN billing_billingcustomer customer ON customer.organization_id = period.organization_id
LEFT JOIN billing_verification verification ON verification.period_id = period.id
LEFT JOIN billing_statement statement ON statement.period_id = period.id
CROSS JOIN LATERAL (
    SELECT string_agg(differences, E'\\n' ORDER BY meter) AS differences FROM billing_drift
    WHERE period_id = period.id AND resolved_at IS NULL
) drift
LEFT JOIN LATERAL (
    SELECT value FROM billing_meterevent event
    WHERE event.customer_id = customer.id AND event.meter = 'active_series'
      AND event.period_id = period.id AND superseded_at IS NULL
    ORDER BY timestamp DESC LIMIT 1
) latest ON true
LEFT JOIN LATERAL (
    SELECT value FROM billing_meterevent event
    WHERE event.customer_id = customer.id AND event.meter = 'active_series'
      AND event.period_id = period.id AND sent_at IS NOT NULL
    ORDER BY timestamp DESC LIMIT 1
) delivered ON true
LEFT JOIN LATERAL (
    SELECT stripe_invoice_id, series, amount_cents, agrees, difference FROM billing_settlement
    WHERE statement_id = statement.id ORDER BY settled_at DESC, id DESC LIMIT 1
) settlement ON true
WHERE period.plan_id = %s
ORDER BY period.starts_at DESC
LIMIT %s
"""


def _periods(plan: Plan) -> list[PeriodRow]:
    with connection.cursor() as cursor:
        cursor.execute(_PERIODS, [plan.pk, PERIODS_SHOWN])
        columns = [column.name for column in cursor.description or ()]
        return [_period(dict(zip(columns, row, strict=True))) for row in cursor.fetchall()]


def _period(row: dict[str, Any]) -> PeriodRow:
    return PeriodRow(
        address=_statement_or_period(row["statement_id"], row["id"]),
        span=f"{dates.span(row['starts_at'], row['ends_at'])} ({row['kind']})",
        state=row["state"],
        posted=_count(row["posted"]),
        delivered=_count(row["delivered"]),
        at_stripe=_count(row["held"]),
        statement=_count(row["series"]),
        lines_address=_lines(row["statement_id"]),
        amount=NOTHING if row["cents"] is None else money.written(row["cents"], row["currency"]),
        invoice=_invoice(row),
        invoice_address=stripe_places.dashboard(row["invoice_id"] or ""),
        verdict=row["drift"] or row["difference"] or ("agrees" if row["agrees"] else NOTHING),
        is_well=not row["drift"] and row["agrees"] is not False,
    )


def _invoice(row: dict[str, Any]) -> str:
    if row["invoice_id"] is None:
        return NOTHING
    return f"{_count(row['invoiced'])}, {money.written(row['invoiced_cents'], row['currency'])}"


def _statement_or_period(statement_id: int | None, period_id: int) -> str:
    if statement_id is None:
        return reverse("admin:billing_billingperiod_change", args=[period_id])
    return reverse("admin:billing_statement_change", args=[statement_id])


def _lines(statement_id: int | None) -> str:
    if statement_id is None:
        return ""
    return f"{reverse('admin:billing_statementline_changelist')}?statement={statement_id}"


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
