"""A statement, ready to show: what was billed, how it comes to its amount, and what proves it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.urls import reverse

from bencher import dates
from bencher.dates import Written
from bencher.tenancy.models import Organization
from billing import money, pricing, wording
from billing.figures import Figures
from billing.models import (
    BillingPeriod,
    Correction,
    MeterEvent,
    Settlement,
    Statement,
    Verification,
)
from billing.statements import ProjectShare
from billing.wording import Said, Tone
from series.models import ProjectChange

AGREES = Said("Agrees", Tone.GOOD)

_CHANGES = {
    ProjectChange.Kind.MADE_PUBLIC: "made public",
    ProjectChange.Kind.MADE_PRIVATE: "made private",
    ProjectChange.Kind.DELETED: "deleted",
    ProjectChange.Kind.RESTORED: "restored",
    ProjectChange.Kind.CREATED: "created",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the arithmetic."""

    what: str
    amount: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What one holder of the figure says, beside the statement."""

    holder: str
    meaning: str
    series: str
    state: Said


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A project's share of the count, as it was frozen."""

    project: str
    series: str
    billed: Said


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What was done to a project shortly before the close, and how many series that decided."""

    at: Written
    project: str
    what: str
    series: str


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """An applied correction; the statement itself stays."""

    at: Written
    series: str
    amount: str
    credited: str
    credit_note: str
    why: str


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Everything that the page of a statement shows."""

    organization: str
    slug: str
    uuid: str
    span: str
    starts: Written
    ends: Written
    closed: Written
    kind: str
    in_trial: bool
    series: str
    total: str
    not_billed: str
    amount: str
    band: str
    steps: tuple[Step, ...]
    ladder: tuple[Step, ...]
    proofs: tuple[Proof, ...]
    recount: str
    is_disputed: bool
    shares: tuple[ShareRow, ...]
    changes: tuple[ChangeRow, ...]
    corrections: tuple[CorrectionRow, ...]
    sha256: str
    evidence_expired: bool
    evidence: str
    why: str
    # For commands: an address, an instant, and counts without separators.
    api: str
    starts_at: str
    billed_lines: int
    all_lines: int


def statement_page(
    organization: Organization,
    statement: Statement,
    *,
    shares: Sequence[ProjectShare],
    checked: Figures | None,
    closing: MeterEvent | None,
    verification: Verification | None,
    evidence_expired: bool,
    is_disputed: bool,
) -> StatementPage:
    """Return what the page shows; `checked` is None where nothing was counted again for it."""
    here = reverse("statement", args=[organization.slug, statement.uuid])
    starts = dates.rfc3339(statement.starts_at)
    band = pricing.band(pricing.ladder(statement.period.tiers), statement.series)
    return StatementPage(
        organization=organization.name,
        slug=organization.slug,
        uuid=str(statement.uuid),
        span=dates.span(statement.starts_at, statement.ends_at),
        starts=dates.moment(statement.starts_at),
        ends=dates.moment(statement.ends_at),
        closed=dates.moment(statement.closed_at),
        kind=BillingPeriod.Kind(statement.kind).label,
        in_trial=_in_trial(statement),
        series=f"{statement.series:,}",
        total=f"{statement.total_series:,}",
        not_billed=f"{statement.total_series - statement.series:,}",
        amount=_money(statement, statement.amount_cents),
        band=money.band_range(band),
        steps=tuple(_steps(statement, band)),
        ladder=tuple(
            Step(money.band_range(each), money.band_price(each, statement.currency))
            for each in pricing.bands(pricing.ladder(statement.period.tiers))
        ),
        proofs=tuple(
            _proofs(
                statement,
                shares,
                checked,
                closing,
                verification,
                evidence_expired=evidence_expired,
            )
        ),
        recount="" if checked else f"{here}?recount=yes",
        is_disputed=is_disputed,
        shares=tuple(_share(share) for share in shares),
        changes=tuple(_changes(statement, {str(share.uuid): share.name for share in shares})),
        corrections=tuple(_corrections(statement)),
        sha256=statement.evidence_sha256,
        evidence_expired=evidence_expired,
        evidence=(
            f"{reverse('billing-series-file', args=[organization.slug])}"
            f"?format=evidence&period={starts}"
        ),
        why=reverse("billing-series-period", args=[organization.slug, statement.starts_at]),
        api=f"{settings.BASE_URL}/v0/organizations/{organization.slug}/usage/series",
        starts_at=starts,
        billed_lines=statement.series,
        all_lines=statement.total_series,
    )


def _in_trial(statement: Statement) -> bool:
    return statement.kind == BillingPeriod.Kind.TRIAL


def _money(statement: Statement, cents: int) -> str:
    return money.written(cents, statement.currency)


def _steps(statement: Statement, band: pricing.Band) -> Iterator[Step]:
    """Yield the arithmetic, line by line; the last one is the statement's amount."""
    tier, count = band.tier, statement.series
    exact = tier.flat_cents + tier.unit_cents * count
    unit = money.written_exactly(tier.unit_cents, statement.currency)
    yield Step(
        f"Flat fee of the band {money.band_range(band)}",
        money.written_exactly(tier.flat_cents, statement.currency),
    )
    yield Step(
        f"{count:,} series at {unit} each",
        money.written_exactly(tier.unit_cents * count, statement.currency),
    )
    full = tier.amount(count)
    if exact != Decimal(full):
        yield Step("Rounded once, half up, to whole cents", _money(statement, full))
    if _in_trial(statement):
        yield Step("Covered by the trial", _money(statement, -full))


def _proofs(
    statement: Statement,
    shares: Sequence[ProjectShare],
    checked: Figures | None,
    closing: MeterEvent | None,
    verification: Verification | None,
    *,
    evidence_expired: bool,
) -> Iterator[Proof]:
    yield Proof(
        "Statement",
        "Frozen when the period was closed; nothing can change it.",
        f"{statement.series:,}",
        Said("Frozen", Tone.GOOD),
    )
    lines = sum(share.series for share in shares if share.billed)
    yield Proof(
        "Its lines",
        "One for each series, with the reports that showed it.",
        f"{lines:,}",
        _lines(statement, lines, checked),
    )
    yield _recount(statement, checked, evidence_expired=evidence_expired)
    yield Proof(
        "Posted value",
        "What we told Stripe’s meter when the period was closed.",
        f"{closing.value:,}" if closing else "None",
        _posted(statement, closing),
    )
    held = verification.held if verification else None
    yield Proof(
        "Stripe’s meter",
        "What Stripe’s own meter holds for the period.",
        "Not read yet" if held is None else f"{held:,}",
        _held(statement, held, verification),
    )
    yield _invoice(statement)


def _lines(statement: Statement, lines: int, checked: Figures | None) -> Said:
    if lines != statement.series:
        return _differs("Our staff see it.")
    if checked is None:
        return Said("Agrees", Tone.GOOD, "Their hash is checked every night.")
    if not checked.evidence_agrees:
        return _differs("The lines do not have the statement’s hash. Our staff see it.")
    return Said("Agrees", Tone.GOOD, "Their hash is the statement’s.")


def _recount(statement: Statement, checked: Figures | None, *, evidence_expired: bool) -> Proof:
    series, state = (
        "Not counted",
        Said("Not counted", Tone.NEUTRAL, "Not again for this page; every night it is."),
    )
    if evidence_expired:
        series, state = (
            "Not possible",
            Said("Expired", Tone.NEUTRAL, "Deleted reports were removed for good since."),
        )
    elif checked is not None and checked.recount is not None:
        series = f"{checked.recount:,}"
        same = (checked.recount, checked.recount_all) == (
            statement.series,
            statement.total_series,
        )
        state = AGREES if same else _differs("Our staff see it.")
    return Proof("Recount", "Counted again just now, from the reports themselves.", series, state)


def _posted(statement: Statement, closing: MeterEvent | None) -> Said:
    if closing is None:
        return Said(
            "Not posted", Tone.NEUTRAL, "Nothing of this period was to be billed by Stripe."
        )
    if closing.value != statement.series:
        return _differs("Our staff see it.")
    return wording.delivery(closing)


def _held(statement: Statement, held: int | None, verification: Verification | None) -> Said:
    if verification is None or held is None:
        return Said("Waiting", Tone.NEUTRAL, "Stripe adds meters up with some delay.")
    if held != statement.series:
        return Said(
            "Differs",
            Tone.ATTENTION,
            "It is asked again, and the value is sent again where it is missing; the invoice waits"
            " for it.",
        )
    if verification.verified_at is None:
        return Said("Agrees", Tone.GOOD, "Its delivery is still being confirmed.")
    return Said("Agrees", Tone.GOOD, f"Since {dates.moment(verification.verified_at).text}.")


def _invoice(statement: Statement) -> Proof:
    settlement: Settlement | None = max(
        statement.settlements.all(), key=lambda found: (found.settled_at, found.pk), default=None
    )
    said = wording.invoice(settlement)
    if settlement is None:
        return Proof("Invoice line", "What Stripe’s invoice bills.", "None yet", said)
    if settlement.agrees:
        said = Said(said.word, said.tone, f"{_money(statement, settlement.amount_cents)}.")
    series = "No count" if settlement.series is None else f"{settlement.series:,}"
    return Proof(
        "Invoice line", f"What invoice {settlement.stripe_invoice_id} bills.", series, said
    )


def _differs(meaning: str) -> Said:
    return Said("Differs", Tone.ATTENTION, meaning)


def _share(share: ProjectShare) -> ShareRow:
    if share.billed:
        billed = Said("Billed", Tone.GOOD)
    elif share.deleted:
        billed = Said("Not billed", Tone.NEUTRAL, "The project was deleted.")
    else:
        billed = Said("Not billed", Tone.NEUTRAL, "Public projects are free.")
    return ShareRow(share.name, f"{share.series:,}", billed)


def _changes(statement: Statement, names: Mapping[str, str]) -> Iterator[ChangeRow]:
    changes: list[dict[str, Any]] = statement.late_changes
    for change in changes:
        yield ChangeRow(
            at=dates.moment(dates.instant(change["at"])),
            project=names.get(change["project"], change["project"]),
            what=_CHANGES[ProjectChange.Kind(change["kind"])],
            series=f"{change['series']:,}",
        )


def _corrections(statement: Statement) -> Iterator[CorrectionRow]:
    applied: list[Correction] = [
        correction
        for correction in statement.corrections.all()
        if hasattr(correction, "decision") and correction.decision.applied
    ]
    for correction in sorted(applied, key=lambda found: found.decision.decided_at):
        yield CorrectionRow(
            at=dates.moment(correction.decision.decided_at),
            series=f"{correction.series:,}",
            amount=_money(statement, correction.amount_cents),
            credited=_money(statement, correction.credit_cents),
            credit_note=correction.decision.stripe_credit_note_id,
            why=correction.why,
        )
