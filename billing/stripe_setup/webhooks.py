"""Where Stripe tells us things: whole events to dj-stripe, thin ones about meters to us."""

from collections.abc import Iterator, Sequence
from functools import partial
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.urls import reverse
from djstripe.models import WebhookEndpoint

from billing import gateway
from billing.stripe_setup import catalog
from billing.stripe_setup.catalog import MARK
from billing.stripe_setup.steps import Making, Outcome, Step

_WHAT = "webhook endpoint"
THIN_SETTING = "STRIPE_THIN_WEBHOOK_SECRET"


def endpoint(making: Making) -> Iterator[Step]:
    """Find or make the endpoint for whole events, with dj-stripe's row that has its secret.

    One whose secret nobody here knows, or of another version of the API, can't be used and can't
    be changed: another takes its place, and only then is it removed.
    """
    ours = of_this_site(making.stripe.webhook_endpoints())
    usable = [found for found in ours if is_usable(found)]
    if usable:
        yield _adjusted(making, usable[0])
    else:
        made = making.make(partial(_create, making, ours))
        yield Step(_WHAT, made, Outcome.MADE)
    for old in ours:
        if old not in usable[:1]:
            making.write(partial(making.stripe.delete_webhook_endpoint, old.id))
            yield Step(_WHAT, old.id, Outcome.REMOVED, "its secret or version is not ours")


def of_this_site(existing: Sequence[gateway.WebhookEndpoint]) -> list[gateway.WebhookEndpoint]:
    """Return the endpoints that we made for this site's address."""
    # dj-stripe's mark, and in what it makes itself the only one.
    return [
        found
        for found in existing
        if "djstripe_uuid" in found.metadata and found.url == _url(found.metadata["djstripe_uuid"])
    ]


def is_usable(found: gateway.WebhookEndpoint) -> bool:
    """Tell whether what Stripe sends to an endpoint can be verified here."""
    row = WebhookEndpoint.objects.filter(id=found.id).exclude(secret="").first()
    return (
        row is not None
        and str(row.djstripe_uuid) == found.metadata["djstripe_uuid"]
        and found.api_version == settings.STRIPE_API_VERSION
    )


def _adjusted(making: Making, found: gateway.WebhookEndpoint) -> Step:
    if found.enabled and found.enabled_events == catalog.SNAPSHOT_EVENTS:
        return Step(_WHAT, found.id, Outcome.FOUND)
    events = sorted(catalog.SNAPSHOT_EVENTS)
    making.write(partial(making.stripe.update_webhook_endpoint, found.id, enabled_events=events))
    if not making.dry_run:
        WebhookEndpoint.objects.filter(id=found.id).update(enabled_events=events, status="enabled")
    return Step(_WHAT, found.id, Outcome.CHANGED, "it receives exactly the events we handle")


def _create(making: Making, beside: Sequence[gateway.WebhookEndpoint]) -> str:
    # The same for two runs at once, and another one for each that takes the place of these.
    key = catalog.once("webhook", settings.BASE_URL, sorted(found.id for found in beside))
    uuid = uuid5(NAMESPACE_URL, key)
    events = sorted(catalog.SNAPSHOT_EVENTS)
    made = making.stripe.create_webhook_endpoint(
        url=_url(uuid),
        enabled_events=events,
        api_version=settings.STRIPE_API_VERSION,
        marks={MARK: "snapshot", "djstripe_uuid": str(uuid)},
        idempotency_key=key,
    )
    WebhookEndpoint.objects.update_or_create(
        id=made.id,
        defaults={
            "djstripe_uuid": uuid,
            "secret": made.secret,
            "url": made.url,
            "status": "enabled",
            "enabled_events": events,
            "api_version": settings.STRIPE_API_VERSION,
            "livemode": settings.STRIPE_LIVE_MODE,
            "stripe_data": {},
        },
    )
    return made.id


def _url(uuid: UUID | str) -> str:
    return settings.BASE_URL + reverse("djstripe:djstripe_webhook_by_uuid", args=[uuid])


def destination(making: Making) -> Step:
    """Find or make the destination for thin events about meters."""
    what = "event destination"
    found = find_destination(making.stripe.event_destinations())
    if found is None:
        return _made_destination(making, what)
    outcome = Outcome.FOUND
    if not found.enabled or found.enabled_events != catalog.THIN_EVENTS:
        making.write(
            partial(
                making.stripe.update_event_destination,
                found.id,
                enabled_events=sorted(catalog.THIN_EVENTS),
            )
        )
        outcome = Outcome.CHANGED
    # Stripe shows it once in an answer, and ever after in its dashboard only.
    hint = "" if settings.STRIPE_THIN_WEBHOOK_SECRET else f"the dashboard shows {THIN_SETTING}"
    return Step(what, found.id, outcome, hint)


def _made_destination(making: Making, what: str) -> Step:
    if making.dry_run:
        return Step(what, making.make(str), Outcome.MADE)
    made = making.stripe.create_event_destination(
        name="Bencher: what meters could not use",
        url=settings.BASE_URL + catalog.THIN_PATH,
        enabled_events=sorted(catalog.THIN_EVENTS),
        marks={MARK: "thin"},
        idempotency_key=catalog.once("destination", settings.BASE_URL),
    )
    return Step(what, made.id, Outcome.MADE, setting=THIN_SETTING, value=made.secret)


def find_destination(
    existing: Sequence[gateway.EventDestination],
) -> gateway.EventDestination | None:
    """Return the destination for thin events at this site's address."""
    address = settings.BASE_URL + catalog.THIN_PATH
    return next((found for found in existing if found.thin and found.url == address), None)
