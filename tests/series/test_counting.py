"""Counting the active series of an open period."""

import pytest

from series import counting
from series.counting import Basis
from tests.factories import DEC, NOV, make_organization, make_user

pytestmark = pytest.mark.django_db


class TestCountActive:
    def test_is_zero_without_series(self) -> None:
        acme = make_organization("Acme", leader=make_user("alice"))

        count = counting.count_active(acme.pk, start=NOV, end=DEC, basis=Basis.PRIVATE)

        assert (count.billed, count.projects) == (0, ())
