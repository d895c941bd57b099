"""Let dj-stripe process every event of a sandbox, in a Django of its own.

Run by `test_djstripe` as a process, because the project's Django may be configured in the caller:

    python -m tests.sandbox.djstripe_sync URL KEY

Prints, as JSON, how many rows of each model dj-stripe then has.
"""

import json
import sys

import django
import stripe
from django.conf import settings
from django.core.management import call_command

MODELS = (
    "Account",
    "Customer",
    "Product",
    "Price",
    "Subscription",
    "SubscriptionItem",
    "Invoice",
    "LineItem",
    "PaymentMethod",
    "Session",
    "Event",
)
APPS = ["django.contrib.contenttypes", "django.contrib.auth", "djstripe"]


def configure(url: str, key: str) -> None:
    """Set up the least that dj-stripe runs in; tables come without its slow migrations."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEBUG=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        INSTALLED_APPS=APPS,
        MIGRATION_MODULES={name.rsplit(".", 1)[-1]: None for name in APPS},
        SECRET_KEY="not secret",
        STRIPE_API_HOST=url,
        STRIPE_LIVE_MODE=False,
        STRIPE_TEST_SECRET_KEY=key,
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def main(url: str, key: str) -> None:
    """Process the events, oldest first, as the webhook view would."""
    configure(url, key)
    from djstripe import models

    stripe.api_base = url
    events = stripe.Event.list(api_key=key, limit=100).auto_paging_iter()
    for event in reversed(list(events)):
        models.Event.process(event, api_key=key)
    rows = {name: getattr(models, name).objects.count() for name in MODELS}
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
