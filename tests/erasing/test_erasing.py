"""Names are gone everywhere; counts, bills and hashes stay."""

import hashlib
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from bencher import auditing, clock, staff_log
from bencher.models import Change
from bencher.tenancy import erasing, members
from bencher.tenancy.models import Membership, Organization, Role, User
from billing import erasing as billing_erasing
from billing import evidence, figures, gateway
from billing.models import BillingCustomer, BillingPeriod, Checkout, Plan, StatementLine
from series import recounting
from series.counting import Basis
from series.models import Project
from tests import factories
from tests.erasing.world import World, holding, open_checkout, rows, text_columns
from tests.ledger.test_evidence import in_python
from tests.stripe_sandbox import Sandbox

pytestmark = pytest.mark.django_db

CANARY = "zanzibar"

# Every column that the canary was put into.
OF_ORGANIZATION = {
    "bencher_change.why",
    "billing_statementline.benchmark_name",
    "billing_statementline.measure_name",
    "billing_statementline.project_name",
    "billing_statementline.testbed_name",
    "billing_cancellation.reason",
    "billing_correction.why",
    "billing_metererrorreport.failure",
    "billing_metererrorreport.summary",
    "billing_metererrorsample.message",
    "billing_cancellation.waits_for",
    "billing_freeze.ended_why",
    "billing_freeze.reason",
    "billing_release.reason",
    "billing_runnerminutes.idempotency_key",
    "billing_runnerminutes.runner",
    "billing_verification.failure",
    "billing_webhookreceipt.failure",
    "billing_scheduledrun.failure",
    "ingest_branch.name",
    "ingest_branch.slug",
    "ingest_report.idempotency_key",
    "ingest_version.hash",
    "series_benchmark.name",
    "series_benchmark.slug",
    "series_measure.name",
    "series_measure.slug",
    "series_measure.units",
    "series_project.name",
    "series_project.slug",
    "series_project.url",
    "series_projectkey.name",
    "series_testbed.name",
    "series_testbed.slug",
    "tenancy_organization.name",
    "tenancy_organization.slug",
}
OF_USER = {
    "account_emailaddress.email",
    "billing_notice.failure",
    "mfa_authenticator.data",
    "tenancy_user.email",
    "tenancy_user.name",
    "tenancy_user.slug",
    "tenancy_userkey.name",
}
OF_BOTH = {
    "django_admin_log.change_message",
    "django_admin_log.object_repr",
    "tenancy_invitation.email",
    "djstripe_customer.email",
    "djstripe_customer.stripe_data",
    "djstripe_event.data",
    "djstripe_event.stripe_data",
    "djstripe_invoice.metadata",
    "djstripe_invoice.stripe_data",
    "djstripe_lineitem.stripe_data",
    "djstripe_paymentmethod.stripe_data",
    "djstripe_webhookeventtrigger.body",
    "djstripe_webhookeventtrigger.headers",
    "djstripe_webhookeventtrigger.traceback",
}
# Why a column of ours can't name anybody. A new one is put here, or into the world above.
NAMES_NOBODY = {
    "one of a few words": {
        "bencher_change.kind",
        "mfa_authenticator.type",
        "billing_billingperiod.basis",
        "billing_billingperiod.kind",
        "billing_billingperiod.state",
        "billing_budget.unit",
        "billing_checkout.level",
        "billing_checkout.state",
        "billing_drift.meter",
        "billing_drift.reason",
        "billing_metererrorreport.type",
        "billing_metererrorsample.code",
        "billing_meterevent.meter",
        "billing_meterevent.reason",
        "billing_notice.kind",
        "billing_plan.level",
        "billing_plan.status",
        "billing_scheduledrun.name",
        "billing_statement.currency",
        "billing_statement.kind",
        "billing_statementline.project_visibility",
        "billing_webhookreceipt.type",
        "series_project.visibility",
        "series_projectchange.kind",
        "series_projectmembership.role",
        "tenancy_invitation.role",
        "tenancy_membership.role",
    },
    "an id, or made of ids": {
        "bencher_change.request",
        "bencher_change.row",
        "billing_webhookreceipt.event_id",
        "billing_billingcustomer.stripe_customer_id",
        "billing_billingperiod.stripe_price_id",
        "billing_billingperiod.stripe_subscription_id",
        "billing_checkout.stripe_session_id",
        "billing_correctiondecision.stripe_credit_note_id",
        "billing_earliersubscription.stripe_subscription_id",
        "billing_metererrorreport.event_id",
        "billing_metererrorreport.meter_id",
        "billing_metererrorsample.identifier",
        "billing_meterevent.identifier",
        "billing_metricsperiod.stripe_subscription_id",
        "billing_notice.recipients",
        "billing_flatfeeproof.stripe_price_id",
        "billing_plan.held_why",
        "billing_plan.stripe_item_id",
        "billing_plan.stripe_price_id",
        "billing_plan.stripe_subscription_id",
        "billing_release.held_why",
        "billing_release.new_price_id",
        "billing_release.old_price_id",
        "billing_secondsubscription.live_subscription_id",
        "billing_secondsubscription.stripe_subscription_id",
        "billing_secondsubscription.undone",
        "billing_settlement.stripe_invoice_id",
        "billing_statement.late_changes",
        "billing_statement.stripe_price_id",
        "billing_statement.stripe_subscription_id",
        "billing_verification.stripe_invoice_id",
        "billing_webhookreceipt.object_id",
        "billing_webhookreceipt.subject_id",
        "django_admin_log.object_id",
        "django_session.session_key",
    },
    "figures, or sentences of figures and ids": {
        "bencher_change.after",
        "bencher_change.before",
        "billing_billingperiod.tiers",
        "billing_budget.thresholds",
        "billing_drift.differences",
        "billing_firstreports.days",
        "billing_flatfeeproof.tiers",
        "billing_drift.figures",
        "billing_meterevent.answer",
        "billing_notice.about",
        "billing_notice.figures",
        "billing_scheduledrun.result",
        "billing_settlement.difference",
        "ingest_metriccolumn.benchmark_ids",
        "ingest_metriccolumn.lower_values",
        "ingest_metriccolumn.upper_values",
        "ingest_metriccolumn.values",
        "ingest_report.benchmark_counts",
        "ingest_report.measure_counts",
    },
    "a hash, or the beginning of what is random": {
        "account_emailconfirmation.key",
        "billing_statement.evidence_sha256",
        "ingest_report.body_hash",
        "series_projectkey.key_hash",
        "series_projectkey.prefix",
        "tenancy_invitation.token_hash",
        "tenancy_user.password",
        "tenancy_userkey.key_hash",
        "tenancy_userkey.prefix",
    },
    "signed, and removed as a whole": {"django_session.session_data"},
    "attempts counted by hash, id or network address, gone by the next night": {
        "bencher_cache.cache_key",
        "bencher_cache.value",
    },
    "of the software": {
        "bencher_change.program",
        "bencher_change.relation",
        "bencher_change.role",
        "billing_senderlease.paused_why",
        "auth_group.name",
        "auth_permission.codename",
        "auth_permission.name",
        "django_content_type.app_label",
        "django_content_type.model",
        "django_migrations.app",
        "django_migrations.name",
    },
}


def erase(identifier: object, *arguments: str) -> list[str]:
    """Run the command and return the lines it prints."""
    out = StringIO()
    call_command("erase", str(identifier), *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def world() -> World:
    """Return the customer that is to be erased."""
    return World(CANARY)


class TestColumns:
    def test_each_is_erased_or_known_to_name_nobody(self) -> None:
        known = OF_ORGANIZATION | OF_USER | OF_BOTH | set().union(*NAMES_NOBODY.values())
        ours = {name for name in text_columns() if not name.startswith("djstripe_")}

        assert sorted(ours - known) == []
        assert sorted({name for name in known if not name.startswith("djstripe_")} - ours) == []

    def test_every_object_that_is_mirrored_is_looked_at(self) -> None:
        mirrored = {model._meta.db_table for model in billing_erasing._mirrored()}
        objects = {
            name.partition(".")[0] for name in text_columns() if name.endswith(".stripe_data")
        }

        assert objects <= mirrored


class TestErase:
    def test_leaves_no_name_in_any_column_of_any_table(self, world: World) -> None:
        client = Client()
        client.force_login(world.user)
        planted = OF_ORGANIZATION | OF_USER | OF_BOTH
        assert holding(CANARY) == planted

        erase(world.organization.slug)
        left = holding(CANARY)
        erase(world.user.email)

        assert left <= OF_USER | OF_BOTH
        assert holding(CANARY) == set()
        assert not Session.objects.exists()

    def test_of_a_user_first_leaves_none_either(self, world: World) -> None:
        erase(world.user.email)
        assert holding(world.user.email) == set()
        erase(world.organization.uuid)

        assert holding(CANARY) == set()

    def test_touches_nobody_else(self, world: World) -> None:
        World("globex")
        before = rows()

        erase(world.organization.slug)
        erase(world.user.email)

        after = rows()
        for table, texts in before.items():
            kept = [text for text in texts if "globex" in text.lower()]
            assert kept == [text for text in after[table] if "globex" in text.lower()], table
        assert any("globex" in text.lower() for text in after["djstripe_invoice"])

    def test_counts_bills_and_hashes_stay(self, world: World) -> None:
        statement = world.statement
        period = statement.period
        before = (statement.series, statement.total_series, statement.amount_cents)
        sha256 = statement.evidence_sha256

        erase(world.organization.slug)

        statement = world.statement
        assert (statement.series, statement.total_series, statement.amount_cents) == before
        assert hashlib.sha256(in_python(statement)).hexdigest() == sha256
        assert statement.evidence_sha256 == sha256
        with connection.cursor() as cursor:
            cursor.execute(evidence.hash_sql("billing_statementline"))
            assert cursor.fetchone() == (sha256,)
        found = recounting.recount(
            world.organization.pk,
            start=period.starts_at,
            end=period.ends_at,
            basis=Basis(period.basis),
        )
        assert sum(project.series for project in found.projects) == statement.total_series == 3
        (held,) = figures.of([period.pk], statuses=["active"], lagging=world.now)
        assert (held.evidence_agrees, held.recount, held.statement_series) == (True, 3, 3)

    def test_keeps_what_is_no_name_of_the_mirror(self, world: World) -> None:
        erase(world.organization.slug)

        with connection.cursor() as cursor:
            cursor.execute("SELECT stripe_data FROM djstripe_invoice")
            row = cursor.fetchone()
        assert row is not None
        invoice = str(row[0])
        for kept in ("10000", "paid", "0" * 64):
            assert kept in invoice

    def test_keys_and_passwords_open_nothing_any_more(self, world: World) -> None:
        user_key = factories.make_user_key(world.user)
        erase(world.organization.slug)
        erase(world.user.email)

        for key in (user_key, world.key):
            answer = Client(headers={"authorization": f"Bearer {key}"}).get(
                f"/v0/projects/{world.project.uuid}"
            )
            assert answer.status_code == 401
        assert not Client().login(username=world.user.email, password=factories.PASSWORD)
        erased = User.objects.get(pk=world.user.pk)
        assert not erased.has_usable_password()
        assert not erased.is_active

    def test_ends_sessions_also_between_password_and_second_step(self, world: World) -> None:
        Client().force_login(world.user)
        entering = Client()
        form = {"login": world.user.email, "password": factories.PASSWORD}
        assert "second-factor" in entering.post("/sign-in/", form)["Location"]
        assert Session.objects.count() == 2

        erase(world.user.email)

        assert not Session.objects.exists()

    def test_the_audit_keeps_who_it_was_by_id(self, world: World) -> None:
        erase(world.user.email)

        assert world.project.changes.get().by_id == world.user.pk
        assert str(User.objects.get(pk=world.user.pk).uuid) == str(world.user.uuid)

    def test_the_audit_loses_the_reasons_that_may_name_it(self, world: World) -> None:
        staff = factories.make_user("sandra", is_staff=True)
        reasons = {
            "about the user": (world.user, "called back"),
            "naming the user": (staff, f"as {world.user.email} asked"),
            "about others": (staff, "left early"),
        }
        for said, (row, why) in reasons.items():
            with auditing.context(why=why):
                staff_log.write(row, by=staff, at=clock.now(), said=said)

        erase(world.user.email)

        kept = Change.objects.filter(relation="django_admin_log", kind="insert").order_by("-id")[:3]
        assert [change.why for change in kept] == ["left early", "", ""]

    def test_the_organization_and_its_projects_are_deleted(self, world: World) -> None:
        erase(world.organization.slug)

        assert Organization.objects.get(pk=world.organization.pk).deleted_at is not None
        assert Project.objects.get(pk=world.project.pk).deleted_at is not None
        assert not Membership.objects.filter(organization=world.organization).exists()

    @pytest.mark.parametrize("whose", ["organization", "user"])
    def test_a_dry_run_lists_what_is_then_done(self, world: World, whose: str) -> None:
        Client().force_login(world.user)
        uuid = getattr(world, whose).uuid
        before = rows()

        told = erase(uuid, "--dry-run")

        assert rows() == before
        assert [line.replace("would be erased", "erased") for line in told] == erase(uuid)
        assert len(told) > 8

    @pytest.mark.parametrize("whose", ["organization", "user"])
    def test_a_second_run_finds_nothing(self, world: World, whose: str) -> None:
        uuid = getattr(world, whose).uuid
        erase(uuid)
        before = rows()

        again = erase(uuid)

        assert again[1] == "0 rows erased"
        assert rows() == before

    def test_one_that_was_stopped_is_continued_by_the_same_name(self, world: World) -> None:
        running = erasing.erase(world.organization, now=clock.now())
        for _ in range(9):
            next(running)

        erase(world.organization.slug)
        erase(world.user.email)

        assert holding(CANARY) == set()


class TestRefusals:
    def expect(self, identifier: object, words: str) -> None:
        before = rows()
        for arguments in ((), ("--dry-run",)):
            with pytest.raises(CommandError, match=words):
                erase(identifier, *arguments)
        assert rows() == before

    def test_an_organization_with_a_live_plan(self, world: World) -> None:
        Plan.objects.update(status="active", ended_at=None)

        self.expect(world.organization.slug, "has a plan that has not ended. Cancel it")

    def test_an_organization_whose_bill_would_change(self, world: World) -> None:
        BillingPeriod.objects.update(state="open")

        self.expect(world.organization.slug, "has a period that is not closed")

    def test_the_only_leader_of_others(self, world: World) -> None:
        world.add_member(Role.MEMBER)

        self.expect(world.user.email, "Make one of them a leader first")

    def test_an_inactive_leader_is_none(self, world: World) -> None:
        other = world.add_member(Role.LEADER)
        User.objects.filter(pk=other.pk).update(is_active=False)

        self.expect(world.user.email, "Make one of them a leader first")

    def test_whoever_alone_could_end_a_plan(self, world: World) -> None:
        Plan.objects.update(status="active", ended_at=None)

        self.expect(world.user.email, "is the only member of .* which has a plan")

    def test_whom_nobody_knows(self) -> None:
        self.expect("nobody", "neither an organization nor a user 'nobody'")

    def test_a_name_that_two_have(self, world: World) -> None:
        User.objects.filter(pk=world.user.pk).update(slug=world.organization.slug)

        self.expect(world.organization.slug, f"give the UUID: .*{world.user.uuid}")

    def test_a_leader_beside_another_goes(self, world: World) -> None:
        other = world.add_member(Role.LEADER)

        erase(world.user.email)

        assert [one.user for one in members.of(world.organization)] == [other]

    def test_whoever_is_alone_stays_as_nobody(self, world: World) -> None:
        """Without any member the organization would take reports from anybody."""
        erase(world.user.email)

        assert [one.user_id for one in members.of(world.organization)] == [world.user.pk]


class TestCheckouts:
    @pytest.fixture
    def opened(self, world: World, shop: Sandbox) -> Checkout:
        stripe = gateway.connect()
        customer = stripe.customer(
            name="Acme", email="a@example.com", organization_uuid=str(world.organization.uuid)
        )
        BillingCustomer.objects.update(stripe_customer_id=customer)
        price = shop.objects("price")[0]["id"]
        session = stripe.start_checkout(
            customer_id=customer,
            organization_uuid=str(world.organization.uuid),
            price_ids=[str(price)],
            trial_days=None,
            success_url="http://testserver/",
            cancel_url="http://testserver/",
        )
        return open_checkout(world, session.id)

    def test_one_that_is_open_is_expired_at_stripe(self, world: World, opened: Checkout) -> None:
        erase(world.organization.slug)

        assert gateway.connect().checkout(opened.stripe_session_id).status == "expired"
        opened.refresh_from_db()
        assert opened.state == Checkout.State.EXPIRED

    def test_one_that_expired_unheard_is_no_hindrance(self, world: World, opened: Checkout) -> None:
        gateway.connect().expire_checkout(opened.stripe_session_id)

        erase(world.organization.slug)

        opened.refresh_from_db()
        assert opened.state == Checkout.State.EXPIRED

    def test_nothing_is_erased_while_stripe_can_not_be_asked(self, world: World) -> None:
        open_checkout(world, "cs_1")
        before = rows()

        with pytest.raises(CommandError, match="Nothing was erased; try again"):
            erase(world.organization.slug)

        assert rows() == before


BLANK = "project_name = '', testbed_name = '', benchmark_name = '', measure_name = ''"
REFUSED = {
    "one name": "UPDATE billing_statementline SET project_name = ''",
    "three names": f"UPDATE billing_statementline SET {BLANK.rpartition(',')[0]}",
    "another name": f"UPDATE billing_statementline SET {BLANK}".replace("''", "'x'", 1),
    "spaces": f"UPDATE billing_statementline SET {BLANK}".replace("''", "' '", 1),
    "nothing": "UPDATE billing_statementline SET billed = billed",
    "delete": "DELETE FROM billing_statementline",
    "truncate": "TRUNCATE billing_statementline",
    "truncate all": "TRUNCATE billing_statement CASCADE",
    "a statement": "UPDATE billing_statement SET currency = ''",
    "a correction": "UPDATE billing_correction SET why = 'erased', series = 1",
    "a correction's reason": "UPDATE billing_correction SET why = 'other'",
    "delete a correction": "DELETE FROM billing_correction",
}
# What makes another value of each type.
ANOTHER = {
    "uuid": "gen_random_uuid()",
    "boolean": "NOT {0}",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "bigint": "{0} + 1",
    "character varying": "'other'",
}


def run(sql: str) -> None:
    """Run a statement as anybody with the application's role could."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def check_refused(sql: str) -> None:
    """Check that a statement is refused and changes nothing."""
    before = rows()["billing_statementline"]
    with pytest.raises(IntegrityError, match="are final"):
        run(sql)
    assert rows()["billing_statementline"] == before


def other_columns() -> list[tuple[str, str]]:
    """Return every column of a line that is no name, with an expression for another value."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = 'billing_statementline' AND column_name NOT LIKE '%\\_name'"
        )
        return [(name, ANOTHER[kind].format(name)) for name, kind in cursor.fetchall()]


class TestTriggers:
    @pytest.fixture(autouse=True)
    def _lines(self, world: World) -> None:
        # Nothing deferred may stand in the way of TRUNCATE but the triggers.
        run("SET CONSTRAINTS ALL IMMEDIATE")
        assert StatementLine.objects.count() == 3

    @pytest.mark.parametrize("what", REFUSED)
    def test_refuse_anything_else(self, what: str) -> None:
        check_refused(REFUSED[what])

    def test_refuse_every_other_column_along_with_the_names(self) -> None:
        columns = other_columns()
        assert len(columns) == len(StatementLine._meta.fields) - 4

        for column, value in columns:
            check_refused(f"UPDATE billing_statementline SET {BLANK}, {column} = {value}")

    def test_refuse_to_give_names_back(self) -> None:
        run(f"UPDATE billing_statementline SET {BLANK}")

        check_refused("UPDATE billing_statementline SET project_name = 'Engine'")

    def test_let_the_names_become_blank(self) -> None:
        run(f"UPDATE billing_statementline SET {BLANK}")
        run(f"UPDATE billing_statementline SET {BLANK}")

        line: Any = StatementLine.objects.values().first()
        assert {value for name, value in line.items() if name.endswith("_name")} == {""}
