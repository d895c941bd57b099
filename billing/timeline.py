"""Everything that happened to a plan, in one order: one statement, a page at a time.

Each kind of event is a branch that reads its own newest rows by an index, and no more of them than
a page holds, however many there are.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from billing.models import Plan

PAGE = 40

# Instants are compared first, then kinds and ids: no two events are the same place.
_BRANCH = """
(SELECT {at} AS at, '{kind}' COLLATE "C" AS kind, {id}::bigint AS id,
        jsonb_build_object({facts}) AS facts
 FROM {rows}
   AND {at} <= %(at)s AND ({at}, '{kind}' COLLATE "C", {id}) < (%(at)s, %(kind)s, %(id)s)
 ORDER BY {at} DESC, {id} DESC
 LIMIT %(limit)s)
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the timeline a page ends; the next one begins behind it."""

    at: datetime
    kind: str
    id: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of the timeline: what happened when, and what is known of it, by kind."""

    at: datetime
    kind: str
    id: int
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the timeline, newest first, and where it ends if more follows."""

    moments: list[Moment]
    ends_at: Place | None


@dataclass(frozen=True, slots=True)
class _Branch:
    """One kind of event: when it happened, in which rows, and what is told of it."""

    kind: str
    at: str
    facts: str
    rows: str
    id: str = "id"


_WHO = "(SELECT email FROM tenancy_user who WHERE who.id = {})"

_BRANCHES = (
    _Branch("began", "started_at", "'level', level", "billing_plan WHERE id = %(plan)s"),
    _Branch("ended", "ended_at", "'status', status", "billing_plan WHERE id = %(plan)s"),
    _Branch("status", "status_since", "'status', status", "billing_plan WHERE id = %(plan)s"),
    _Branch("held", "held_at", "'why', held_why", "billing_plan WHERE id = %(plan)s"),
    _Branch(
        "period",
        "starts_at",
        "'ends_at', ends_at, 'kind', kind, 'price', stripe_price_id",
        "billing_billingperiod WHERE plan_id = %(plan)s AND starts_at <= %(now)s",
    ),
    _Branch(
        "event",
        "counted_at",
        "'meter', meter, 'value', value, 'reason', reason, 'sent_at', sent_at,"
        " 'rejected_at', rejected_at, 'expired_at', expired_at, 'superseded_at', superseded_at,"
        " 'undecided_at', undecided_at, 'held_at', held_at, 'attempts', attempts, 'answer', answer",
        "billing_meterevent WHERE organization_id = %(organization)s",
    ),
    _Branch(
        "statement",
        "statement.closed_at",
        "'series', statement.series, 'total', total_series, 'cents', amount_cents,"
        " 'currency', currency, 'starts_at', statement.starts_at, 'ends_at', statement.ends_at",
        "billing_statement statement JOIN billing_billingperiod period ON period.id = period_id"
        " WHERE period.plan_id = %(plan)s",
        id="statement.id",
    ),
    _Branch(
        "verified",
        "verified_at",
        "'held', held, 'resends', resends",
        "billing_verification JOIN billing_billingperiod period ON period.id = period_id"
        " WHERE period.plan_id = %(plan)s",
        id="period_id",
    ),
    _Branch(
        "unverified",
        "passed_unverified_at",
        "'invoice', stripe_invoice_id",
        "billing_verification JOIN billing_billingperiod period ON period.id = period_id"
        " WHERE period.plan_id = %(plan)s",
        id="period_id",
    ),
    _Branch(
        "invoice",
        "settled_at",
        "'invoice', stripe_invoice_id, 'series', settlement.series,"
        " 'cents', settlement.amount_cents, 'currency', currency,"
        " 'agrees', agrees, 'difference', difference",
        "billing_settlement settlement"
        " JOIN billing_statement statement ON statement.id = statement_id"
        " JOIN billing_billingperiod period ON period.id = statement.period_id"
        " WHERE period.plan_id = %(plan)s",
        id="settlement.id",
    ),
    _Branch(
        "drift",
        "found_at",
        "'differences', differences, 'resolved_at', resolved_at",
        "billing_drift WHERE organization_id = %(organization)s",
    ),
    _Branch(
        "notice",
        "noticed_at",
        "'kind', kind, 'about', about, 'sent_at', sent_at, 'given_up_at', given_up_at,"
        " 'recipients', cardinality(recipients), 'failure', failure",
        "billing_notice WHERE organization_id = %(organization)s",
    ),
    _Branch(
        "webhook",
        "received_at",
        "'type', type, 'object', object_id, 'handled_at', handled_at, 'failure', failure",
        "billing_webhookreceipt WHERE subject_id = %(subscription)s",
    ),
    _Branch(
        "checkout",
        "created_at",
        f"'state', state, 'trial', with_trial, 'by', {_WHO.format('started_by_id')}",
        "billing_checkout WHERE organization_id = %(organization)s",
    ),
    _Branch(
        "project",
        "change.at",
        f"'project', project.name, 'kind', change.kind, 'by', {_WHO.format('change.by_id')}",
        "series_projectchange change JOIN series_project project ON project.id = project_id"
        " WHERE project.organization_id = %(organization)s",
        id="change.id",
    ),
    _Branch(
        "cancellation",
        "requested_at",
        f"'ends_at', ends_at, 'reason', reason, 'by', {_WHO.format('requested_by_id')}",
        "billing_cancellation WHERE plan_id = %(plan)s",
    ),
    _Branch(
        "freeze",
        "begun_at",
        f"'reason', reason, 'by', {_WHO.format('begun_by_id')}",
        "billing_freeze WHERE organization_id = %(organization)s",
    ),
    _Branch(
        "thaw",
        "ended_at",
        f"'reason', ended_why, 'by', {_WHO.format('ended_by_id')}",
        "billing_freeze WHERE organization_id = %(organization)s",
    ),
    _Branch(
        "release",
        "released_at",
        "'reason', reason, 'price', new_price_id, 'held_why', held_why,"
        f" 'by', {_WHO.format('released_by_id')}",
        "billing_release WHERE plan_id = %(plan)s",
    ),
    _Branch(
        "correction",
        "proposed_at",
        "'before', before_series, 'series', correction.series, 'why', why,"
        f" 'by', {_WHO.format('proposed_by_id')}",
        "billing_correction correction"
        " JOIN billing_statement statement ON statement.id = statement_id"
        " JOIN billing_billingperiod period ON period.id = statement.period_id"
        " WHERE period.plan_id = %(plan)s",
        id="correction.id",
    ),
    _Branch(
        "decision",
        "decided_at",
        f"'applied', applied, 'note', stripe_credit_note_id, 'by', {_WHO.format('decided_by_id')}",
        "billing_correctiondecision"
        " JOIN billing_correction correction ON correction.id = correction_id"
        " JOIN billing_statement statement ON statement.id = statement_id"
        " JOIN billing_billingperiod period ON period.id = statement.period_id"
        " WHERE period.plan_id = %(plan)s",
        id="correction_id",
    ),
    _Branch(
        # From the audit, what no other branch tells; by the real clock.
        "change",
        "change.at",
        "'relation', relation, 'kind', change.kind, 'before', before, 'after', after,"
        " 'program', program, 'role', role, 'why', why,"
        f" 'by', {_WHO.format('change.user_id')}",
        "bencher_change change WHERE change.organization_id = %(organization)s"
        " AND CASE relation"
        " WHEN 'billing_plan' THEN change.kind <> 'insert' AND row = %(plan)s::text"
        # How far a period is, its statement and what proves it tell.
        " WHEN 'billing_billingperiod' THEN change.kind <> 'insert'"
        "  AND coalesce(after, before) - 'state' - 'invoiced_until' <> '{}'"
        "  AND EXISTS (SELECT FROM billing_billingperiod period"
        "   WHERE period.id = row::bigint AND period.plan_id = %(plan)s)"
        # Until when it may have private projects follows its periods.
        " WHEN 'tenancy_organization' THEN coalesce(after, before) - 'private_until' <> '{}'"
        " ELSE relation IN ('billing_billingcustomer', 'billing_budget',"
        "  'tenancy_membership', 'tenancy_invitation') END",
        id="change.id",
    ),
    _Branch(
        "staff",
        "action_time",
        f"'message', change_message, 'what', object_repr, 'by', {_WHO.format('user_id')}",
        "django_admin_log JOIN django_content_type type ON type.id = content_type_id"
        " WHERE type.app_label = 'billing' AND CASE type.model"
        " WHEN 'plan' THEN object_id = %(plan)s::text"
        " WHEN 'billingperiod' THEN EXISTS (SELECT FROM billing_billingperiod period"
        "  WHERE period.id = object_id::bigint AND period.plan_id = %(plan)s)"
        " WHEN 'statement' THEN EXISTS (SELECT FROM billing_statement statement"
        "  WHERE statement.id = object_id::bigint"
        "  AND statement.organization_id = %(organization)s)"
        " WHEN 'meterevent' THEN EXISTS (SELECT FROM billing_meterevent event"
        "  WHERE event.id = object_id::bigint AND event.organization_id = %(organization)s)"
        " WHEN 'webhookreceipt' THEN EXISTS (SELECT FROM billing_webhookreceipt receipt"
        "  WHERE receipt.id = object_id::bigint AND receipt.subject_id = %(subscription)s)"
        " ELSE false END",
        id="django_admin_log.id",
    ),
)


def kinds() -> list[str]:
    """Return the kinds of events that there are."""
    return [branch.kind for branch in _BRANCHES]


def of(plan: Plan, *, now: datetime, before: Place | None = None, limit: int = PAGE) -> Page:
    """Return a page of what happened to a plan and its organization, newest first, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _sql(),
            {
                "plan": plan.pk,
                "organization": plan.organization_id,
                "subscription": plan.stripe_subscription_id,
                "now": now,
                "at": before.at if before else "infinity",
                "kind": before.kind if before else "~",
                "id": before.id if before else 0,
                "limit": limit + 1,
            },
        )
        moments = [
            Moment(at, kind, id_, msgspec.json.decode(facts))
            for at, kind, id_, facts in cursor.fetchall()
        ]
    shown = moments[:limit]
    more = len(moments) > limit
    return Page(shown, Place(shown[-1].at, shown[-1].kind, shown[-1].id) if more else None)


def _sql() -> str:
    branches = " UNION ALL ".join(
        _BRANCH.format(
            at=branch.at, kind=branch.kind, id=branch.id, facts=branch.facts, rows=branch.rows
        )
        for branch in _BRANCHES
    )
    return (
        f"SELECT at, kind, id, facts::text FROM ({branches}) happened"  # noqa: S608 - our own text
        ' ORDER BY at DESC, kind COLLATE "C" DESC, id DESC LIMIT %(limit)s'
    )
