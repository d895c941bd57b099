"""The addresses of billing: pages for leaders, the API under /v0, what Stripe calls."""

from django.urls import path

from billing import alert_views, checkout_views, invoice_views, plan_views, thin_webhooks, views
from billing.api import UsageDetail
from billing.growth_api import UsageGrowth
from billing.plan_api import CheckoutList, PlanDetail
from billing.runner_minutes_api import RunnerMinutesList
from billing.series_api import UsageSeries, UsageSimulation
from billing.statements_api import StatementDetail, StatementList

webhooks = [path("meter-errors/", thin_webhooks.receive, name="meter-errors")]
pages = [
    path("organizations/<slug:organization>/billing/", views.billing, name="billing"),
    path("organizations/<slug:organization>/billing/plan/", plan_views.plan, name="plan"),
    path(
        "organizations/<slug:organization>/billing/plan/ask-again/",
        plan_views.ask_again,
        name="plan-ask-again",
    ),
    path(
        "organizations/<slug:organization>/billing/checkout/",
        checkout_views.start_checkout,
        name="checkout-start",
    ),
    path(
        "organizations/<slug:organization>/billing/checkout/complete/",
        checkout_views.complete_checkout,
        name="checkout-return",
    ),
    path(
        "organizations/<slug:organization>/billing/cancel/", plan_views.cancel, name="plan-cancel"
    ),
    path(
        "organizations/<slug:organization>/billing/resume/", plan_views.resume, name="plan-resume"
    ),
    path(
        "organizations/<slug:organization>/billing/portal/", plan_views.portal, name="plan-portal"
    ),
    path(
        "organizations/<slug:organization>/billing/invoices/",
        invoice_views.invoices,
        name="invoices",
    ),
    path(
        "organizations/<slug:organization>/billing/invoices.csv",
        invoice_views.download,
        name="invoices-download",
    ),
    path("organizations/<slug:organization>/billing/alerts/", alert_views.alerts, name="alerts"),
    path(
        "organizations/<slug:organization>/billing/alerts/budget/<slug:unit>/",
        alert_views.set_budget,
        name="budget",
    ),
    path(
        "organizations/<slug:organization>/billing/alerts/try-mail/",
        alert_views.try_mail,
        name="alerts-try-mail",
    ),
]
api = [
    path("checkout", CheckoutList.as_view()),
    path("organizations/<str:organization>/plan", PlanDetail.as_view()),
    path("organizations/<str:organization>/runner-minutes", RunnerMinutesList.as_view()),
    path("organizations/<str:organization>/usage", UsageDetail.as_view(), name="usage"),
    path("organizations/<str:organization>/usage/growth", UsageGrowth.as_view()),
    path("organizations/<str:organization>/usage/series", UsageSeries.as_view()),
    path("organizations/<str:organization>/usage/simulation", UsageSimulation.as_view()),
    path("organizations/<str:organization>/statements", StatementList.as_view()),
    path("organizations/<str:organization>/statements/<str:statement>", StatementDetail.as_view()),
]
