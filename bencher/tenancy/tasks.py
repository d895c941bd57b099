"""What of accounts is done on a schedule."""

from celery import shared_task

from bencher.tenancy import expiring


@shared_task
def nightly_expiry(**_: object) -> None:
    """Remove sessions, attempts to sign in and used codes that have expired."""
    expiring.remove()
