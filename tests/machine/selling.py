"""What becomes of plans: bought at Stripe's page, ended either way, and bought again."""

import requests
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from bencher import clock
from billing import canceling
from billing.models import Plan
from tests.machine.driven import CRASH_AT, Driven
from tests.machine.world import Tenant

WHO = st.integers(0, 1)


class Selling(Driven):
    """Plans bought, canceled, resumed and bought again."""

    @rule(who=WHO, trial=st.booleans(), comes_back=st.booleans(), crash_at=CRASH_AT)
    def subscribe(self, who: int, trial: bool, comes_back: bool, crash_at: int) -> None:
        """A leader subscribes, the first time or again; a plan counts from its period's start."""
        tenant = self._world.tenants[who]
        url = self._open_checkout(tenant, with_trials=trial, crash_at=crash_at)
        if url is not None:
            self._pay(tenant, url)
            if comes_back:
                self._come_back(tenant, url, crash_at=crash_at)

    def _open_checkout(self, tenant: Tenant, *, with_trials: bool, crash_at: int) -> str | None:
        days = {} if with_trials else {"PRO_TRIAL_DAYS": 0}
        body = {"organization": str(tenant.organization.uuid), "level": "pro"}
        with override_settings(**days):
            response = self._world.attempt(
                lambda: tenant.api.post("/v0/checkout", body, content_type="application/json"),
                crash_at=crash_at,
            )
        if response.status_code == 503:
            assert self._world.is_failing
            return None
        if response.status_code == 409:
            assert Plan.objects.filter(organization=tenant.organization, ended_at=None).exists()
            return None
        assert response.status_code == 201, response.content
        url: str = response.json()["url"]
        return url

    def _pay(self, tenant: Tenant, url: str) -> None:
        """Complete a checkout at its page; a trial comes with the very first one only."""
        before = self._world.subscriptions(tenant)
        page = {"card": "4242", "terms": "accepted"}
        requests.post(url, data=page, timeout=30, allow_redirects=False).raise_for_status()
        added = self._world.subscriptions(tenant)[len(before) :]
        assert not before or all(found["trial_end"] is None for found in added)

    def _come_back(self, tenant: Tenant, url: str, *, crash_at: int) -> None:
        """Return from the page; who does not is found by the timer."""
        body = {"checkout": url.rpartition("/")[2], "level": "pro"}
        response = self._world.attempt(
            lambda: tenant.api.post(f"{tenant.path}/plan", body, content_type="application/json"),
            crash_at=crash_at,
        )
        failed = response.status_code == 503 and self._world.is_failing
        assert failed or response.status_code == 201, response.content

    @rule(who=WHO, cancel=st.booleans(), crash_at=CRASH_AT)
    def cancel_at_period_end(self, who: int, cancel: bool, crash_at: int) -> None:
        """A leader lets the plan end with its period, or resumes it."""
        tenant = self._world.tenants[who]
        response = self._world.attempt(
            lambda: tenant.browser.patch(
                f"{tenant.path}/plan",
                {"cancel_at_period_end": cancel},
                content_type="application/json",
            ),
            crash_at=crash_at,
        )
        if response.status_code == 503:
            assert self._world.is_failing
            return
        # 409 where it has ended at Stripe, 404 where we know of none.
        assert response.status_code in (200, 404, 409), response.content
        if response.status_code == 200:
            (live,) = self._world.live(tenant)
            assert live["cancel_at_period_end"] == cancel
            self._world.happened["plan canceled" if cancel else "plan resumed"] += 1

    @rule(who=WHO, crash_at=CRASH_AT)
    def cancel_now(self, who: int, crash_at: int) -> None:
        """Staff begin to end a plan at once; the timer carries it on."""
        tenant = self._world.tenants[who]
        plan = Plan.objects.filter(organization=tenant.organization, ended_at=None).first()
        if plan is None:
            return
        try:
            begun = self._world.attempt(
                lambda: canceling.at_once(plan, by=tenant.leader, reason="", now=clock.now()),
                crash_at=crash_at,
            )
        except canceling.PeriodEndsSoonError:
            return
        if plan.periods.filter(ends_at=begun.ends_at).exists():
            tenant.oracle.fence_at(begun.ends_at)
