"""From the billing page to the report that made a given series billable: at most three clicks."""

import pytest

from ingest.models import Report
from tests.browser import autumn, looks
from tests.browser.conftest import Visit, one_at_a_time
from tests.browser.looks import Look
from tests.browser.pages import find_cause, sign_in
from tests.scenario.conftest import Customer

pytestmark = [one_at_a_time, pytest.mark.usefixtures("worker")]


@pytest.mark.parametrize("look", [looks.USUAL, looks.PHONE_WITHOUT_SCRIPT], ids=str)
def test_a_leader_finds_the_report_behind_a_series(
    customer: Customer, visit: Visit, look: Look
) -> None:
    customer.subscribe()
    for benchmarks in (3, 24):
        autumn.report(customer.url, customer.private, testbed="ci", benchmarks=benchmarks)
    autumn.report(customer.url, customer.private, testbed="ci", benchmarks=24)
    leader = visit(look)
    sign_in(leader, customer)
    leader.clicks = 0

    find_cause(leader, "sort/64")

    assert leader.clicks <= 3
    _, cause, _ = Report.objects.order_by("received_at")
    assert f"/reports/{cause.uuid}/" in leader.seen[-1]
