"""Meters, their events and their summaries."""

import threading
from typing import Any

import pytest
import stripe

from tests.sandbox.shop import DAY, JAN, instant, make_customer, make_meter, use
from tests.stripe_sandbox import Fault, Sandbox

HOUR = 3600


def total(
    client: stripe.StripeClient,
    meter: stripe.billing.Meter,
    customer: stripe.Customer,
    start: int,
    end: int,
    **more: Any,
) -> list[float]:
    """Return the aggregated values of the summaries, newest first."""
    params: Any = {"customer": customer.id, "start_time": start, "end_time": end, **more}
    found = client.v1.billing.meters.event_summaries.list(meter.id, params)
    return [summary.aggregated_value for summary in found.data]


class TestMeter:
    def test_is_one_per_event_name(self, client: stripe.StripeClient) -> None:
        make_meter(client)

        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            make_meter(client)

    def test_takes_no_events_while_it_is_inactive(self, client: stripe.StripeClient) -> None:
        meter, customer = make_meter(client), make_customer(client)
        stopped = client.v1.billing.meters.deactivate(meter.id)

        with pytest.raises(stripe.InvalidRequestError, match="archived"):
            use(client, customer, 1, JAN)
        again = client.v1.billing.meters.reactivate(meter.id)
        use(client, customer, 1, JAN)

        assert stopped.status == "inactive"
        assert stopped.status_transitions.deactivated_at == JAN
        assert again.status == "active"

    def test_changes_only_its_display_name(self, client: stripe.StripeClient) -> None:
        meter = make_meter(client)
        other: Any = {"event_name": "x"}

        assert client.v1.billing.meters.update(meter.id, {"display_name": "S"}).display_name == "S"
        with pytest.raises(stripe.InvalidRequestError, match="unknown parameter"):
            client.v1.billing.meters.update(meter.id, other)


class TestEvent:
    @pytest.mark.parametrize("at", [JAN - 35 * DAY, JAN, JAN + 300])
    def test_is_taken_within_the_window(self, client: stripe.StripeClient, at: int) -> None:
        make_meter(client)

        assert use(client, make_customer(client), 1, at).timestamp == at

    @pytest.mark.parametrize(
        ("at", "words"),
        [
            (
                JAN - 35 * DAY - 1,
                "The event timestamp cannot be more than 35 days in past. Expected a timestamp "
                f"greater than or equal to {JAN - 35 * DAY}",
            ),
            (JAN + 301, "more than 5 minutes in the future"),
        ],
    )
    def test_is_refused_outside_the_window(
        self, client: stripe.StripeClient, at: int, words: str
    ) -> None:
        make_meter(client)

        with pytest.raises(stripe.InvalidRequestError) as caught:
            use(client, make_customer(client), 1, at)

        assert words in str(caught.value)
        assert caught.value.param == "timestamp"

    def test_is_refused_when_its_identifier_repeats_within_a_day(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        meter, customer = make_meter(client), make_customer(client)
        use(client, customer, 1, JAN, identifier="one")
        sandbox.advance(JAN + DAY - 1)

        with pytest.raises(stripe.InvalidRequestError) as caught:
            use(client, customer, 2, JAN + 1, identifier="one")
        refused = sandbox.requests[-1]
        sandbox.advance(JAN + DAY)
        use(client, customer, 3, JAN + 2, identifier="one")

        assert "An event already exists with identifier one." in str(caught.value)
        assert (refused.status, caught.value.code) == (400, None)
        assert total(client, meter, customer, JAN, JAN + 60) == [3]

    def test_has_a_short_identifier(self, client: stripe.StripeClient) -> None:
        customer = make_customer(client)
        make_meter(client)

        assert use(client, customer, 1, JAN, identifier="i" * 100).identifier == "i" * 100
        with pytest.raises(stripe.InvalidRequestError, match="at most 100"):
            use(client, customer, 1, JAN, identifier="i" * 101)

    @pytest.mark.parametrize("value", ["1.5", "many", "", "1e3"])
    def test_has_a_whole_number(self, client: stripe.StripeClient, value: str) -> None:
        make_meter(client)

        with pytest.raises(stripe.InvalidRequestError) as caught:
            use(client, make_customer(client), value, JAN)

        assert caught.value.param == "payload[value]"

    def test_needs_a_known_meter(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No active meter found"):
            use(client, make_customer(client), 1, JAN)

    def test_of_an_unknown_customer_is_taken_and_dropped(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        make_meter(client)
        answer = client.v1.billing.meter_events.create(
            {
                "event_name": "active_series",
                "payload": {"stripe_customer_id": "cus_unknown", "value": "5"},
            }
        )

        assert answer.object == "billing.meter_event"
        assert [dropped["code"] for dropped in sandbox.state.dropped_events] == [
            "meter_event_customer_not_found"
        ]

    def test_is_refused_while_another_is_in_flight_for_the_customer_and_meter(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        make_meter(client)
        make_meter(client, "metrics", "sum")
        alice, bob = make_customer(client), make_customer(client)
        sandbox.switches.meter_event_latency = 0.3
        outcomes: dict[str, str] = {}

        def send(name: str, customer: stripe.Customer, event_name: str) -> None:
            try:
                use(client, customer, 1, JAN, event_name, identifier=name)
                outcomes[name] = "taken"
            except stripe.RateLimitError:
                outcomes[name] = "limited"

        threads = [
            threading.Thread(target=send, args=arguments)
            for arguments in (
                ("first", alice, "active_series"),
                ("second", alice, "active_series"),
                ("other meter", alice, "metrics"),
                ("other customer", bob, "active_series"),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted((outcomes.pop("first"), outcomes.pop("second"))) == ["limited", "taken"]
        assert set(outcomes.values()) == {"taken"}


class TestAggregation:
    def test_last_is_the_event_with_the_greatest_timestamp(
        self, client: stripe.StripeClient
    ) -> None:
        meter, customer = make_meter(client), make_customer(client)
        for value, at in ((7, JAN + 60), (9, JAN + 120), (3, JAN)):
            use(client, customer, value, at)

        assert total(client, meter, customer, JAN, JAN + 180) == [9]
        assert total(client, meter, customer, JAN, JAN + 120) == [7]
        assert total(client, meter, customer, JAN, JAN + 60) == [3]
        assert total(client, meter, customer, JAN + 180, JAN + 240) == [0]

    def test_last_takes_the_later_arrival_of_the_same_second(
        self, client: stripe.StripeClient
    ) -> None:
        meter, customer = make_meter(client), make_customer(client)
        use(client, customer, 7, JAN)
        use(client, customer, 4, JAN)

        assert total(client, meter, customer, JAN, JAN + 60) == [4]

    @pytest.mark.parametrize(("formula", "expected"), [("sum", 12), ("count", 2)])
    def test_knows_sum_and_count(
        self, client: stripe.StripeClient, formula: str, expected: int
    ) -> None:
        meter, customer = make_meter(client, formula=formula), make_customer(client)
        use(client, customer, 5, JAN)
        use(client, customer, 7, JAN)

        assert total(client, meter, customer, JAN, JAN + 60) == [expected]

    def test_of_a_sum_counts_twice_what_is_sent_again_after_a_day(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        meter, customer = make_meter(client, formula="sum"), make_customer(client)
        sandbox.faults.next("POST /v1/billing/meter_events", Fault.TIMEOUT_AFTER)
        with pytest.raises(stripe.APIConnectionError):
            use(client, customer, 5, JAN, identifier="report 1")
        sandbox.advance(JAN + 25 * HOUR)

        use(client, customer, 5, JAN, identifier="report 1")

        assert total(client, meter, customer, JAN, JAN + 60) == [10]

    def test_keeps_the_latest_received_of_a_pre_aggregated_window(
        self, client: stripe.StripeClient
    ) -> None:
        customer = make_customer(client)
        meter = client.v1.billing.meters.create(
            {
                "display_name": "Daily",
                "event_name": "daily",
                "default_aggregation": {"formula": "sum"},
                "event_time_window": "day",
            }
        )
        for value, at in ((5, JAN), (7, JAN - 60), (11, JAN - DAY)):
            use(client, customer, value, at, "daily")

        assert total(client, meter, customer, JAN - 2 * DAY, JAN + 60) == [18]


class TestSummaries:
    def test_group_by_hour_newest_first(self, client: stripe.StripeClient) -> None:
        meter, customer = make_meter(client, formula="sum"), make_customer(client)
        start = instant(2026, 1, 15, 6)
        for offset in (0, 1, HOUR, 2 * HOUR - 1):
            use(client, customer, 1, start + offset)
        end = start + 3 * HOUR

        assert total(client, meter, customer, start, end, value_grouping_window="hour") == [0, 2, 2]

    @pytest.mark.parametrize(
        ("start", "end", "window", "param"),
        [
            (JAN + 1, JAN + 60, None, "start_time"),
            (JAN, JAN + 59, None, "end_time"),
            (JAN, JAN + HOUR, "hour", "start_time"),
            (JAN - JAN % DAY, JAN - JAN % HOUR, "day", "end_time"),
            (JAN, JAN, None, "end_time"),
        ],
    )
    def test_refuse_bounds_that_are_not_aligned(
        self, client: stripe.StripeClient, start: int, end: int, window: str | None, param: str
    ) -> None:
        meter, customer = make_meter(client), make_customer(client)
        more = {"value_grouping_window": window} if window else {}

        with pytest.raises(stripe.InvalidRequestError) as caught:
            total(client, meter, customer, start, end, **more)

        assert caught.value.param == param


class TestAdjustment:
    def cancel(
        self, client: stripe.StripeClient, identifier: str
    ) -> stripe.billing.MeterEventAdjustment:
        return client.v1.billing.meter_event_adjustments.create(
            {
                "event_name": "active_series",
                "type": "cancel",
                "cancel": {"identifier": identifier},
            }
        )

    def test_takes_an_event_back_within_a_day(
        self, sandbox: Sandbox, client: stripe.StripeClient
    ) -> None:
        meter, customer = make_meter(client), make_customer(client)
        use(client, customer, 7, JAN, identifier="one")
        use(client, customer, 9, JAN + 1, identifier="two")
        sandbox.advance(JAN + DAY)

        adjusted = self.cancel(client, "two")

        assert (adjusted.status, adjusted.cancel and adjusted.cancel.identifier) == (
            "complete",
            "two",
        )
        assert total(client, meter, customer, JAN, JAN + 60) == [7]
        sandbox.advance(JAN + DAY + 1)
        with pytest.raises(stripe.InvalidRequestError, match="within 24 hours"):
            self.cancel(client, "one")

    def test_needs_a_known_event(self, client: stripe.StripeClient) -> None:
        make_meter(client)

        with pytest.raises(stripe.InvalidRequestError, match="No meter event found"):
            self.cancel(client, "one")
