"""The audit of plans, prices, periods, statements and what is done to them. Before deploy.

Only what is neither personal nor secret is kept, and nothing that changes with every look at it.
"""

from django.db import migrations

# Each table with its primary key and the columns that are kept.
AUDITED = {
    "billing_billingcustomer": ("id", "organization_id", "stripe_customer_id"),
    "billing_plan": (
        "id",
        "organization_id",
        "level",
        "status",
        "stripe_subscription_id",
        "stripe_item_id",
        "stripe_price_id",
        "cancel_at_period_end",
        "trial_ends_at",
        "ended_at",
        "held_at",
        "held_why",
        "pro_from",
    ),
    "billing_billingperiod": (
        "id",
        "organization_id",
        "plan_id",
        "stripe_price_id",
        "tiers",
        "starts_at",
        "ends_at",
        "kind",
        "basis",
        "state",
        "invoiced_until",
    ),
    "billing_statement": (
        "id",
        "organization_id",
        "period_id",
        "starts_at",
        "ends_at",
        "kind",
        "series",
        "amount_cents",
        "evidence_sha256",
    ),
    "billing_settlement": (
        "id",
        "statement_id",
        "stripe_invoice_id",
        "series",
        "amount_cents",
        "agrees",
    ),
    "billing_correction": (
        "id",
        "statement_id",
        "series",
        "amount_cents",
        "before_series",
        "before_cents",
        "proposed_by_id",
    ),
    "billing_correctiondecision": (
        "correction_id",
        "correction_id",
        "applied",
        "stripe_credit_note_id",
        "decided_by_id",
    ),
    "billing_freeze": (
        "id",
        "organization_id",
        "begun_by_id",
        "begun_at",
        "ended_by_id",
        "ended_at",
    ),
    "billing_cancellation": (
        "id",
        "plan_id",
        "requested_by_id",
        "ends_at",
        "deletes_organization",
        "finished_at",
    ),
    "billing_release": ("id", "plan_id", "released_by_id", "old_price_id", "new_price_id"),
    "billing_budget": ("id", "organization_id", "unit", "limit", "thresholds", "set_by_id"),
    "djstripe_price": ("djstripe_id", "id", "active", "stripe_data"),
}


def quoted(columns: tuple[str, ...]) -> str:
    """Return the trigger's arguments."""
    return ", ".join(f"'{column}'" for column in columns)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0021_search_by_invoice_and_subject"),
        ("bencher", "0003_audit"),
        ("djstripe", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER {table}_is_audited AFTER INSERT OR UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION bencher_audit({quoted(columns)})",
            f"DROP TRIGGER {table}_is_audited ON {table}",
        )
        for table, columns in AUDITED.items()
    ]
