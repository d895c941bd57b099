"""Columns that the staff's lists of billing are searched in; each has an index."""

OF_ORGANIZATION = (
    "organization__slug",
    "organization__uuid",
    "organization__memberships__user__email",
    "organization__billing_customer__stripe_customer_id",
)
OF_PLAN = (
    *(f"plan__{column}" for column in OF_ORGANIZATION),
    "plan__stripe_subscription_id",
)
