"""What staff may do to an event of the outbox, and to a webhook."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bencher.reasoned_action import Asked, Verb, action
from billing import freezing, gateway, holding, replaying, undecided
from billing.models import BillingPeriod, MeterEvent, WebhookReceipt


def _will_be_sent(event: MeterEvent, said: str) -> str:
    if freezing.lasting(event.organization) is not None:
        said = f"{said} once billing, which is frozen, goes on"
    if event.period is not None and event.period.state == BillingPeriod.State.SETTLED:
        said = f"{said}; its period is invoiced, so no bill changes by it"
    return f"{said}."


def _foresee_resend(event: MeterEvent, at: datetime, _values: Mapping[str, Any]) -> str:
    if event.state is MeterEvent.State.UNDECIDED:
        undecided.check_is_missing(event)
    else:
        holding.check_can_be_sent_again(event, now=at)
    return _will_be_sent(event, "it will be sent again")


def _resend(event: MeterEvent, asked: Asked) -> str:
    from billing.tasks import send_meter_events

    if event.state is MeterEvent.State.UNDECIDED:
        undecided.resend(event, by=str(asked.by.uuid), reason=asked.reason)
    else:
        holding.send_again(event, now=asked.at)
    send_meter_events.delay()
    return _will_be_sent(event, "it will be sent again")


def _foresee_hold(event: MeterEvent, _at: datetime, _values: Mapping[str, Any]) -> str:
    holding.check_can_be_held(event)
    return "it is held back until somebody lets it go."


def _hold(event: MeterEvent, asked: Asked) -> str:
    holding.hold(event, now=asked.at)
    return "it is held back until somebody lets it go."


def _foresee_letting_go(event: MeterEvent, _at: datetime, _values: Mapping[str, Any]) -> str:
    holding.check_can_be_let_go(event)
    return _will_be_sent(event, "it will be sent")


def _let_go(event: MeterEvent, _asked: Asked) -> str:
    from billing.tasks import send_meter_events

    holding.let_go(event)
    send_meter_events.delay()
    return _will_be_sent(event, "it will be sent")


def _foresee_replay(receipt: WebhookReceipt, at: datetime, _values: Mapping[str, Any]) -> str:
    return replaying.foresee(receipt, now=at)


def _replay(receipt: WebhookReceipt, asked: Asked) -> str:
    return replaying.replay(receipt, now=asked.at)


send_again = action(
    Verb(
        name="send_again",
        permission="billing.resend_meterevent",
        description="Send again",
        consequence="The event is sent to Stripe again, and billed. Only what Stripe rejected, or"
        " what its meter was seen not to hold, can be sent again: nothing is billed twice.",
        foresee=_foresee_resend,
        act=_resend,
        anticipated=(undecided.NotMissingError, holding.NotPossibleError),
    )
)
hold = action(
    Verb(
        name="hold",
        permission="billing.hold_meterevent",
        description="Hold back",
        consequence="The event is not sent until somebody lets it go. A newer value of its period"
        " takes its place as ever, and after 35 days Stripe does not take it any more.",
        foresee=_foresee_hold,
        act=_hold,
        is_sensitive=False,
        anticipated=(holding.NotPossibleError,),
    )
)
let_go = action(
    Verb(
        name="let_go",
        permission="billing.hold_meterevent",
        description="Let go",
        consequence="The event is sent to Stripe, and billed.",
        foresee=_foresee_letting_go,
        act=_let_go,
        anticipated=(holding.NotPossibleError,),
    )
)
handle_again = action(
    Verb(
        name="handle_again",
        permission="billing.replay_webhookreceipt",
        description="Handle again",
        consequence="What the webhook is about is read from Stripe as it is now, and followed.",
        foresee=_foresee_replay,
        act=_replay,
        is_sensitive=False,
        anticipated=(gateway.GatewayError, gateway.NotConfiguredError),
    )
)
