"""Recounting a single period from the reports, beside what is held of it."""

from dataclasses import dataclass
from datetime import datetime

from billing import correcting, figures
from billing.models import METERED_STATUSES, BillingPeriod, Statement
from series import recounting


@dataclass(frozen=True, slots=True)
class Recounted:
    """What the reports of a period say, and what is held of it. In billed series.

    Held is what its statement says, as corrected last; before there is one, what the ledger says,
    which can't be told any more once the period has ended.
    """

    series: int
    held: int | None
    statement: Statement | None

    @property
    def differs(self) -> bool:
        """Tell whether what is held is not what the reports say."""
        return self.held is not None and self.series != self.held

    @property
    def sentence(self) -> str:
        """Say both, and what comes of it."""
        if self.held is None:
            return f"the reports say {self.series:,} series. Nothing changes: it is to be closed."
        holder = "ledger" if self.statement is None else "statement"
        both = f"the reports say {self.series:,} series, the {holder} {self.held:,}"
        if not self.differs:
            return f"{both}: nothing changes."
        if self.statement is None:
            return f"{both}. Nothing changes: see `manage.py rebuild_series_last_seen --check`."
        return f"{both}. A correction to {self.series:,} is proposed."


def recount(period: BillingPeriod, *, now: datetime) -> Recounted:
    """Count a period from its reports, changing nothing.

    Once it is closed, with the visibility that projects had then. Raises EvidenceExpiredError, and
    CorrectionError where a correction of its statement is not decided yet.
    """
    (found,) = figures.of([period.pk], statuses=METERED_STATUSES, lagging=now)
    if found.recount is None:
        raise recounting.EvidenceExpiredError("The evidence of this period was purged.")
    statement = Statement.objects.filter(period=period).first()
    if statement is None:
        return Recounted(found.recount, found.count, None)
    correcting.check_is_decided(statement)
    return Recounted(found.recount, correcting.current(statement)[0], statement)
