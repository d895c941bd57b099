"""Many organizations on Pro, with events, statements and invoices, made in a few statements."""

import json
from typing import Any

from django.db import connection

from tests.admin.rows import NOW
from tests.factories import DEC, NOV, TIERS
from tests.pages.accounts import OCT

_ROWS = [
    """
    INSERT INTO tenancy_organization (uuid, name, slug, created_at, modified_at)
    SELECT gen_random_uuid(), 'Org ' || n, 'org-' || n, %(nov)s, %(nov)s
    FROM generate_series(1, %(number)s) n
    """,
    """
    INSERT INTO tenancy_user (uuid, email, name, slug, password, is_active, is_staff, is_superuser,
                              created_at)
    SELECT gen_random_uuid(), 'person' || n || '@example.com', 'Person', 'person-' || n, '!', true,
           false, false, %(nov)s
    FROM generate_series(1, %(number)s) n
    """,
    """
    INSERT INTO tenancy_membership (user_id, organization_id, role, created_at)
    SELECT person.id, organization.id, 'leader', %(nov)s
    FROM tenancy_user person
    JOIN tenancy_organization organization
      ON organization.slug = replace(person.slug, 'person', 'org')
    """,
    """
    INSERT INTO billing_billingcustomer (organization_id, stripe_customer_id, created_at)
    SELECT id, 'cus_' || replace(slug, '-', ''), %(nov)s FROM tenancy_organization
    """,
    """
    INSERT INTO billing_plan (organization_id, level, status, stripe_subscription_id,
                              stripe_item_id, stripe_price_id, cancel_at_period_end, started_at,
                              synced_at, held_why)
    SELECT id, 'pro', CASE WHEN id %% 50 = 0 THEN 'past_due' ELSE 'active' END,
           'sub_' || replace(slug, '-', ''), 'si_' || id, 'price_pro', false, %(oct)s, %(nov)s, ''
    FROM tenancy_organization
    """,
    """
    INSERT INTO billing_billingperiod (organization_id, plan_id, stripe_subscription_id,
                                       stripe_price_id, tiers, starts_at, ends_at, kind, basis,
                                       state)
    SELECT organization_id, plan.id, stripe_subscription_id, stripe_price_id, %(tiers)s::jsonb,
           bound.starts_at, bound.ends_at, 'paid', 'private', bound.state
    FROM billing_plan plan,
         (VALUES (%(oct)s, %(nov)s, 'settled'), (%(nov)s, %(dec)s, 'open'))
         AS bound (starts_at, ends_at, state)
    """,
    """
    INSERT INTO billing_meterevent (meter, organization_id, customer_id, period_id, value,
                                    timestamp, identifier, reason, counted_at, attempts, sent_at)
    SELECT 'active_series', period.organization_id, customer.id, period.id,
           (period.id * 37 + n) %% 700, period.starts_at + n * interval '1 hour',
           customer.stripe_customer_id || '-' || period.id || '-' || n, 'hint',
           period.starts_at + n * interval '1 hour', 1, period.starts_at + n * interval '1 hour'
    FROM billing_billingperiod period
    JOIN billing_billingcustomer customer ON customer.organization_id = period.organization_id,
         generate_series(1, %(events)s) n
    """,
    """
    INSERT INTO billing_statement (period_id, organization_id, stripe_subscription_id,
                                   stripe_price_id, starts_at, ends_at, kind, series, total_series,
                                   amount_cents, currency, evidence_sha256, late_changes, closed_at)
    SELECT id, organization_id, stripe_subscription_id, stripe_price_id, starts_at, ends_at, kind,
           10, 10, 10000, 'usd', repeat('0', 64), '[]', ends_at
    FROM billing_billingperiod WHERE state = 'settled'
    """,
    """
    INSERT INTO billing_settlement (statement_id, stripe_invoice_id, series, amount_cents, agrees,
                                    difference, settled_at)
    SELECT id, 'in_' || id, 10, 10000, true, '', closed_at FROM billing_statement
    """,
    """
    INSERT INTO billing_verification (period_id, checked_at, next_check_at, verified_at, resends,
                                      stripe_invoice_id, done_at, failure)
    SELECT period_id, closed_at, closed_at, closed_at, 0, 'in_' || id, closed_at, ''
    FROM billing_statement
    """,
    """
    INSERT INTO billing_webhookreceipt (event_id, type, object_id, subject_id, received_at,
                                        handled_at, failure)
    SELECT 'evt_' || id, 'customer.subscription.updated', stripe_subscription_id,
           stripe_subscription_id, %(nov)s, %(nov)s, ''
    FROM billing_plan
    """,
    """
    INSERT INTO series_project (uuid, organization_id, name, slug, visibility, url, created_at,
                                modified_at)
    SELECT gen_random_uuid(), id, 'Engine', 'engine-' || slug, 'private', '', %(nov)s, %(nov)s
    FROM tenancy_organization
    """,
]


def make(*, number: int, events: int) -> None:
    """Create that many organizations on Pro, with so many events in each of two periods."""
    parameters: dict[str, Any] = {
        "number": number,
        "events": events,
        "oct": OCT,
        "nov": NOV,
        "dec": DEC,
        "now": NOW,
        "tiers": json.dumps(TIERS),
    }
    with connection.cursor() as cursor:
        for sql in _ROWS:
            cursor.execute(sql, parameters)
        cursor.execute("ANALYZE")
