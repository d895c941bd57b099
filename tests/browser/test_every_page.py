"""Every page of an organization in its autumn, and the staff's, in the looks that people have."""

import pytest
from django.urls import reverse

from bencher.tenancy.models import User
from tests.browser import looks, staff
from tests.browser.conftest import Visit, one_at_a_time
from tests.browser.pages import addresses, sign_in
from tests.scenario.conftest import Customer

pytestmark = one_at_a_time

TABS = (
    "billing",
    "billing-series",
    "what-if",
    "plan",
    "invoices",
    "alerts",
    "organization",
    "members",
    "organization-settings",
)


def test_no_page_has_a_fault_before_there_is_anything(customer: Customer, visit: Visit) -> None:
    visitor = visit(looks.PHONE_AT_NIGHT)
    sign_in(visitor, customer)
    for page in TABS:
        visitor.open(reverse(page, args=[customer.slug]))


@pytest.mark.slow
def test_no_page_has_a_fault(acme: Customer, visit: Visit) -> None:
    visitors = [visit(look) for look in looks.ALL_OR_TWO]
    pages = addresses(acme.slug)
    for visitor in visitors:
        sign_in(visitor, acme)
        for page in pages.values():
            visitor.open(page)
            assert visitor.seen[-1] == page

    # Acme's autumn takes longer than to look at all of it: so the staff look at the same one.
    leader = User.objects.get(email=acme.leader["leader"])
    pages = staff.addresses(acme.slug)
    for visitor in visitors:
        staff.become(visitor, leader)
        for page in pages.values():
            visitor.open(page)
            assert visitor.seen[-1] == page
        visitor.open(pages["plan"])
        staff.foresee_post(visitor)
