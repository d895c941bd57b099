"""How money is written."""

from decimal import Decimal

import pytest

from billing import money, pricing


class TestWrittenExactly:
    @pytest.mark.parametrize(
        ("cents", "text"),
        [
            ("40", "$0.40"),
            ("0.25", "$0.0025"),
            ("10000", "$100.00"),
            ("123456789.5", "$1,234,567.895"),
        ],
    )
    def test_drops_no_fraction_of_a_cent(self, cents: str, text: str) -> None:
        assert money.written_exactly(Decimal(cents)) == text


class TestBandPrice:
    def test_names_flat_fee_and_unit_price(self) -> None:
        tier = pricing.Tier(up_to=None, flat_cents=Decimal(500), unit_cents=Decimal("0.5"))

        assert money.band_price(pricing.Band(0, tier)) == "$5.00 + $0.005 per series"
