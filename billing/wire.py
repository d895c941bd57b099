"""Usage and plans as Bencher's clients read them; amounts in cents unless said otherwise."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from billing.explained_pages import Source
from billing.explaining import Explained, Reason
from billing.pricing import Band

Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[datetime, Meta(tz=True)]
# PostgreSQL's texts hold no NUL.
Text = Annotated[str, Meta(max_length=1024, pattern=r"^[^\x00]*$")]

CURRENT, PREVIOUS = "current", "previous"


def instant(text: str) -> datetime | None:
    """Return the instant, in UTC, that a text is by RFC 3339 with its zone; None where it is none.

    PostgreSQL knows fewer offsets than RFC 3339.
    """
    try:
        return msgspec.convert(text, Instant).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        return None


def in_utc(field: str, at: datetime) -> datetime:
    """Return the instant that a field holds in UTC: PostgreSQL knows fewer offsets than RFC 3339.

    Raises ValueError naming the field where UTC's calendar has no such instant.
    """
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"`{field}` lies outside of the years 1 to 9999") from error


class JsonCustomer(msgspec.Struct):
    """Who subscribed."""

    uuid: UUID
    name: str
    email: str


class JsonCard(msgspec.Struct):
    """A card, which Bencher's clients demand with every plan; Stripe keeps the real one."""

    brand: str = "unknown"
    last_four: str = "0000"
    exp_month: int = 12
    exp_year: int = 2099


class JsonTier(msgspec.Struct):
    """One band of the price, in whole cents; `up_to` null is the last one."""

    up_to: int | None = None
    unit_amount: int | None = None
    flat_amount: int | None = None


class JsonBand(msgspec.Struct):
    """The band that the count falls in; decimal texts of cents, which may have fractions."""

    first: Count
    up_to: int | None
    flat_amount_decimal: str
    unit_amount_decimal: str

    @classmethod
    def of(cls, band: Band) -> "JsonBand":
        """Return a band of a ladder."""
        return cls(
            first=band.first,
            up_to=band.tier.up_to,
            flat_amount_decimal=str(band.tier.flat_cents),
            unit_amount_decimal=str(band.tier.unit_cents),
        )


class JsonPlan(msgspec.Struct):
    """A plan with its open period."""

    organization: UUID
    customer: JsonCustomer
    level: str
    unit_amount: Count
    tiers: list[JsonTier]
    created: datetime
    current_period_start: datetime
    current_period_end: datetime
    status: str
    cancel_at_period_end: bool
    card: JsonCard = msgspec.field(default_factory=JsonCard)
    license: Any = None


class JsonUsage(msgspec.Struct):
    """What an organization uses, at the instant it was counted."""

    organization: UUID
    kind: str
    start_time: datetime
    end_time: datetime
    counted_at: datetime
    plan: JsonPlan | None = None
    license: Any = None
    metrics: int | None = None
    active_series: int | None = None
    runner_minutes: int | None = None
    tier: JsonBand | None = None
    estimate_cents: int | None = None


class JsonDay(msgspec.Struct):
    """A period's count at the end of a UTC day; null where it was not counted yet."""

    day: date
    active_series: int | None


class JsonProjection(msgspec.Struct):
    """What a running period may end with; `docs/metering.md` has the method."""

    least_series: int
    most_series: int
    least_cents: int
    most_cents: int


class JsonEarlier(msgspec.Struct):
    """The closed period that ended when the current one began."""

    start_time: datetime
    end_time: datetime
    active_series: int
    amount_cents: int
    days: list[JsonDay]


class JsonGrowth(msgspec.Struct, kw_only=True):
    """How the current period's count grew; null is what only a period before could tell.

    `new_series` are those of the count that the period before does not have, `missing_series` those
    of it that have not come back.
    """

    organization: UUID
    start_time: datetime
    end_time: datetime
    counted_at: datetime
    active_series: int
    days: list[JsonDay]
    new_series: int | None
    missing_series: int | None
    projection: JsonProjection | None
    previous: JsonEarlier | None


class Format(StrEnum):
    """How all series of a period are downloaded."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    EVIDENCE = "evidence"


class SeriesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which series to explain, and how.

    `period` is `current`, `previous` (the latest that has ended), or the start of a billing period.
    """

    period: str = CURRENT
    project: UUID | None = None
    testbed: UUID | None = None
    benchmark: UUID | None = None
    measure: UUID | None = None
    billed: bool | None = None
    reason: Reason | None = None
    search: Text = ""
    cursor: str = ""
    per_page: Annotated[int, Meta(ge=1, le=1000)] = 100
    format: Format | None = None


class JsonSeriesPage(msgspec.Struct, kw_only=True):
    """Series with the reason why each is billed or not; `next` is the cursor of the next page.

    `evidence_sha256` is null until the period is closed.
    """

    organization: UUID
    start_time: datetime
    end_time: datetime
    kind: str | None
    source: Source
    evidence_sha256: str | None
    series: list[Explained]
    next: str | None


class JsonLateChange(msgspec.Struct):
    """A flip, deletion or restore in the last two days of a period, or until it was closed."""

    project: UUID
    series: Count
    kind: str
    at: datetime
    by: UUID | None = None


class JsonSettlement(msgspec.Struct):
    """What Stripe invoiced, and whether it agrees with the statement."""

    invoice: str
    series: int | None
    amount_cents: int
    agrees: bool
    difference: str
    settled_at: datetime


class JsonCorrection(msgspec.Struct):
    """A correction that was applied to a statement: what it should have said, and why."""

    uuid: UUID
    active_series: Count
    amount_cents: Count
    credited_cents: Count
    credit_note: str | None
    reason: str
    applied_at: datetime


class JsonStatement(msgspec.Struct, kw_only=True):
    """A closed period's bill. It never changes; what was corrected since stands beside it.

    Once the evidence has expired, reports may be gone and nobody can recount the period any more;
    its series and their hash stay.
    """

    uuid: UUID
    organization: UUID
    start_time: datetime
    end_time: datetime
    kind: str
    covered_by_trial: bool
    active_series: Count
    total_series: Count
    price: str
    tier: JsonBand
    amount_cents: Count
    currency: str
    evidence_sha256: str
    evidence_expired: bool
    late_changes: list[JsonLateChange]
    closed_at: datetime
    settlement: JsonSettlement | None
    corrections: list[JsonCorrection]


class JsonStatements(msgspec.Struct):
    """Statements, newest first; `next` is what `before` must be for the next page."""

    statements: list[JsonStatement]
    next: datetime | None


class StatementsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which statements: those of periods that start before an instant."""

    before: Instant | None = None
    per_page: Annotated[int, Meta(ge=1, le=100)] = 12

    def __post_init__(self) -> None:
        if self.before is not None:
            msgspec.structs.force_setattr(self, "before", in_utc("before", self.before))


class SimulationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to leave out, each as often as needed, and how many series to add."""

    drop_project: list[UUID] = []
    drop_testbed: list[UUID] = []
    drop_benchmark: list[UUID] = []
    drop_measure: list[UUID] = []
    add: Annotated[int, Meta(ge=0, le=10_000_000)] = 0


class JsonCost(msgspec.Struct):
    """What a count costs; null where nobody can tell the price. 0 in a trial."""

    active_series: Count
    tier: JsonBand | None
    amount_cents: int | None
    without_trial_cents: int | None


class JsonSimulation(msgspec.Struct):
    """What the current period costs as it is, and as it would be."""

    organization: UUID
    start_time: datetime
    end_time: datetime
    counted_at: datetime
    now: JsonCost
    then: JsonCost
