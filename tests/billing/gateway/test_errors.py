"""Whatever comes back, it is one of our kinds of failure, and never shows a key."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from billing import gateway
from tests.billing.gateway.scripted import KEY, Script

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HTML = "<html><body><h1>Bad gateway</h1></body></html>"


def error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "Stripe's words", "type": "invalid_request_error", **fields}}


class TestKinds:
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, error(code="parameter_invalid"), gateway.RefusedError),
            (400, error(type="idempotency_error"), gateway.RefusedError),
            (402, error(type="card_error", code="card_declined"), gateway.RefusedError),
            (404, error(code="resource_missing"), gateway.RefusedError),
            (401, error(), gateway.KeyRefusedError),
            (403, error(), gateway.KeyRefusedError),
            (409, error(code="lock_timeout"), gateway.TemporaryError),
            (429, error(code="rate_limit"), gateway.TemporaryError),
            (500, error(type="api_error"), gateway.TemporaryError),
            (503, "", gateway.TemporaryError),
            # A proxy's pages, whatever their status, are not Stripe's refusals.
            (502, HTML, gateway.TemporaryError),
            (200, HTML, gateway.TemporaryError),
            (400, HTML, gateway.TemporaryError),
            (404, HTML, gateway.TemporaryError),
            (407, HTML, gateway.TemporaryError),
            (500, "[]", gateway.TemporaryError),
            # Well-formed, and not a price.
            (200, "{}", gateway.TemporaryError),
            (200, "[]", gateway.TemporaryError),
            (200, "null", gateway.TemporaryError),
            (200, '{"id": "price_1", "object": "price"}', gateway.TemporaryError),
        ],
    )
    def test_an_answer_is_one_kind(
        self, script: Script, status: int, body: Any, kind: type[Exception]
    ) -> None:
        stripe = script.say(body, status=status)

        with pytest.raises(gateway.GatewayError) as raised:
            stripe.price("price_1")

        assert type(raised.value) is kind

    def test_no_answer_is_temporary(self) -> None:
        nowhere = gateway.Gateway(key=KEY, base="http://127.0.0.1:9")

        with pytest.raises(gateway.TemporaryError):
            nowhere.post_meter_event(
                event_name="x", customer_id="cus_1", value=1, timestamp=EPOCH, identifier="i"
            )

    def test_a_refusal_tells_what_is_gone(self, script: Script) -> None:
        stripe = script.say(error(code="resource_missing"), status=404)

        with pytest.raises(gateway.RefusedError) as raised:
            stripe.subscription("sub_1")

        assert raised.value.is_missing
        assert raised.value.answer["code"] == "resource_missing"

    def test_a_temporary_one_tells_stripes_code(self, script: Script) -> None:
        stripe = script.say(error(code="lock_timeout"), status=429)

        with pytest.raises(gateway.TemporaryError) as raised:
            stripe.subscription("sub_1")

        assert raised.value.answer["code"] == "lock_timeout"


class TestKeyRefused:
    def test_nothing_that_waits_is_lost_by_it(self) -> None:
        # Whoever keeps a temporary failure for later keeps this one too.
        assert issubclass(gateway.KeyRefusedError, gateway.TemporaryError)
        assert not issubclass(gateway.KeyRefusedError, gateway.RefusedError)

    def test_it_is_logged_as_an_error_without_the_key(
        self, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        stripe = script.say(error(message=f"Invalid API Key provided: {KEY}"), status=401)

        with caplog.at_level(logging.DEBUG), pytest.raises(gateway.KeyRefusedError) as raised:
            stripe.price("price_1")

        assert [record.levelname for record in caplog.records if "billing" in record.name] == [
            "ERROR"
        ]
        assert KEY not in str(raised.value)
        assert KEY not in repr(raised.value.answer)
        assert all(
            KEY not in repr(vars(record)) for record in caplog.records if record.levelno > 20
        )


class TestRetries:
    def test_a_fault_is_tried_three_times_with_one_idempotency_key(self, script: Script) -> None:
        stripe = script.say(error(type="api_error"), status=500)

        with pytest.raises(gateway.TemporaryError):
            stripe.set_default_price("prod_pro", "price_1")

        keys = {asked.headers["Idempotency-Key"] for asked in script.asked}
        assert len(script.asked) == 3
        assert len(keys) == 1

    def test_a_meter_event_is_posted_once_and_its_sender_retries(self, script: Script) -> None:
        stripe = script.say(error(type="api_error"), status=500)

        with pytest.raises(gateway.TemporaryError):
            stripe.post_meter_event(
                event_name="x", customer_id="cus_1", value=1, timestamp=EPOCH, identifier="i"
            )

        assert len(script.asked) == 1

    def test_every_call_names_the_pinned_version(self, script: Script, settings: Any) -> None:
        stripe = script.say(error(), status=400)

        with pytest.raises(gateway.RefusedError):
            stripe.price("price_1")

        assert script.asked[0].headers["Stripe-Version"] == settings.STRIPE_API_VERSION
