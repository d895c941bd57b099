"""Which reports an organization sent, with how many metrics: `ingest` registers its query here.

Billing bills older plans by it, and knows nothing of how reports are stored.
"""

_registered: list[str] = []


def register(sql: str) -> None:
    """Make a query the one; `ingest` does so when it starts."""
    _registered[:] = [sql]


def sql(*, organization: str, since: str, before: str) -> str:
    """Return a SELECT of uuid, received_at and metrics; the arguments are SQL expressions.

    Of every report received in [since, before) of any project, also of deleted ones.
    """
    return _registered[0] % {"organization": organization, "since": since, "before": before}
