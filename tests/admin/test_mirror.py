"""dj-stripe's mirror in the admin: every list opens, nothing can be changed, no secret is shown."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from djstripe.models import WebhookEndpoint

from tests.factories import make_user
from tests.staffing import desk_of

pytestmark = pytest.mark.django_db

MIRRORED = [
    model._meta.model_name for model in admin.site._registry if model._meta.app_label == "djstripe"
]


@pytest.fixture
def staff() -> Client:
    return desk_of(make_user("sam", is_staff=True))


class TestMirror:
    @pytest.mark.parametrize("name", MIRRORED)
    def test_every_list_opens_and_offers_no_adding(self, staff: Client, name: str) -> None:
        assert staff.get(reverse(f"admin:djstripe_{name}_changelist")).status_code == 200
        assert staff.get(reverse(f"admin:djstripe_{name}_add")).status_code == 403

    def test_keys_have_no_page(self) -> None:
        assert "apikey" not in MIRRORED
        assert "invoice" in MIRRORED

    def test_a_webhook_secret_is_not_shown(self, staff: Client) -> None:
        endpoint = WebhookEndpoint.objects.create(
            id="we_1",
            secret="whsec_canary",
            url="http://testserver/x",
            enabled_events=["*"],
            status="enabled",
            livemode=False,
            stripe_data={},
        )

        page = staff.get(reverse("admin:djstripe_webhookendpoint_change", args=[endpoint.pk]))

        assert page.status_code == 200
        assert b"canary" not in page.content
