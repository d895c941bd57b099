"""Tier arithmetic at every band edge."""

from typing import Any

import pytest

from tests.stripe_sandbox.pricing import amount


def make_tiers(*tiers: tuple[int | None, str | None, str | None]) -> list[dict[str, Any]]:
    return [
        {"up_to": upper, "flat_amount_decimal": flat, "unit_amount_decimal": unit}
        for upper, flat, unit in tiers
    ]


LADDER = make_tiers(
    (250, "10000", None), (375, "15000", None), (500, "20000", None), (None, None, "40")
)


def cost(mode: str, quantity: int, *, at_zero: bool = True, tiers: Any = LADDER) -> int:
    price = {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": tiers}
    return amount(price, quantity, flat_fee_at_zero=at_zero)


class TestVolume:
    @pytest.mark.parametrize(
        ("quantity", "cents"),
        [
            (0, 10000),
            (1, 10000),
            (250, 10000),
            (251, 15000),
            (375, 15000),
            (376, 20000),
            (500, 20000),
            (501, 20040),
            (100_000, 4_000_000),
        ],
    )
    def test_applies_one_tier_to_all_units(self, quantity: int, cents: int) -> None:
        assert cost("volume", quantity) == cents

    def test_charges_nothing_at_zero_when_the_switch_is_off(self) -> None:
        assert cost("volume", 0, at_zero=False) == 0
        assert cost("volume", 1, at_zero=False) == 10000


class TestGraduated:
    @pytest.mark.parametrize(
        ("quantity", "cents"),
        [
            (0, 10000),
            (250, 10000),
            (251, 25000),
            (375, 25000),
            (376, 45000),
            (500, 45000),
            (501, 45040),
            (600, 49000),
        ],
    )
    def test_sums_the_tiers_that_are_reached(self, quantity: int, cents: int) -> None:
        assert cost("graduated", quantity) == cents

    def test_prices_the_units_of_each_tier(self) -> None:
        tiers = make_tiers((10, None, "5"), (20, "100", "3"), (None, None, "1"))

        assert [cost("graduated", n, tiers=tiers) for n in (10, 11, 20, 21)] == [50, 153, 180, 181]


class TestRounding:
    @pytest.mark.parametrize(("quantity", "cents"), [(1, 0), (2, 1), (3, 1), (4, 2), (200, 90)])
    def test_rounds_the_sum_half_up_and_once(self, quantity: int, cents: int) -> None:
        price = {"billing_scheme": "per_unit", "unit_amount_decimal": "0.45"}

        assert amount(price, quantity, flat_fee_at_zero=True) == cents
