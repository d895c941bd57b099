"""Usage and plans as Bencher's clients read them; amounts in cents unless said otherwise."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]


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
