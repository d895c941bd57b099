"""An organization and a person that everything of theirs is named after, and others beside them."""

from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from djstripe import models as mirror

from bencher import auditing, clock
from bencher.tenancy import invitations, members
from bencher.tenancy.models import Invitation, Role, User
from billing import close
from billing.models import (
    BillingPeriod,
    Cancellation,
    Checkout,
    Correction,
    Freeze,
    MeterErrorReport,
    MeterErrorSample,
    Notice,
    Plan,
    Release,
    RunnerMinutes,
    ScheduledRun,
    Statement,
    Verification,
    WebhookReceipt,
)
from ingest.models import Report, Version
from series import projects
from series.models import Measure, ProjectKey, ProjectMembership, Visibility
from tests import factories

DAY = timedelta(days=1)
TEXTS = ("text", "character varying", "json", "jsonb", "ARRAY", "bytea", "inet", "name")


class World:
    """One customer, called `name` in every text that somebody can choose."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.now = clock.now()
        self.user = User.objects.create_user(
            f"{name}@example.com",
            name=f"{name} Leader",
            password=factories.PASSWORD,
            now=self.now,
            address_is_verified=True,
        )
        self.organization = factories.make_organization(f"{name} Works", leader=self.user)
        self.project = projects.add(
            organization=self.organization,
            name=f"{name} Engine",
            visibility=Visibility.PRIVATE,
            now=self.now,
            by=self.user,
            url=f"https://{name}.example/engine",
        )
        self.key = self._make_keys()
        self._invite()
        self._report()
        self.plan = self._close()
        self._fail()
        self._log()
        self._mirror()

    @property
    def statement(self) -> Statement:
        """Return the only statement."""
        return Statement.objects.get(organization=self.organization)

    def add_member(self, role: Role) -> User:
        """Add somebody else, with a name of their own."""
        return members.add(
            self.organization, email="other@example.com", name="Other", role=role, now=self.now
        ).user

    def _make_keys(self) -> str:
        text = projects.add_key(self.project, name=f"{self.name} CI", now=self.now)
        factories.make_user_key(self.user)
        self.user.keys.update(name=f"{self.name} laptop")
        EmailAddress.objects.create(user=self.user, email=f"new@{self.name}.example")
        Authenticator.objects.create(
            user=self.user, type=Authenticator.Type.WEBAUTHN, data={"name": f"{self.name}'s phone"}
        )
        ProjectKey.objects.update(creator=self.user)
        ProjectMembership.objects.create(
            user=self.user, project=self.project, role="viewer", created_at=self.now
        )
        return text

    def _invite(self) -> None:
        """Invite others here, and this leader elsewhere, under an address of theirs too."""
        elsewhere = factories.make_organization("Elsewhere", leader=_staff())
        invited = [(self.organization, f"friend@{self.name}.example"), (elsewhere, self.user.email)]
        for organization, email in invited:
            invitations.invite(
                organization, email=email, role=Role.MEMBER, by=self.user, now=self.now
            )
        accepted, _ = invitations.invite(
            elsewhere,
            email=f"{self.name}@old.example",
            role=Role.MEMBER,
            by=self.user,
            now=self.now,
        )
        Invitation.objects.filter(pk=accepted.pk).update(
            accepted_at=self.now, accepted_by=self.user
        )

    def _report(self) -> None:
        body = factories.report_body(
            factories.bmf(3, measures=(f"{self.name} latency",), prefix=self.name),
            end_time=self.now - DAY,
            branch=f"{self.name}/main",
            testbed=f"{self.name} laboratory",
        )
        response = Client(headers={"authorization": f"Bearer {self.key}"}).post(
            f"/v0/projects/{self.project.uuid}/reports", body, content_type="application/json"
        )
        assert response.status_code == 201, response.content
        Measure.objects.filter(project=self.project).update(units=f"{self.name}s")
        Version.objects.filter(project=self.project).update(hash=f"{self.name}-1")
        Report.objects.filter(project=self.project).update(
            idempotency_key=f"{self.name}-42", user=self.user
        )

    def _close(self) -> Plan:
        plan = factories.make_plan(self.organization)
        period = factories.make_period(plan, starts_at=self.now - 2 * DAY, ends_at=self.now)
        close.close(period.pk, now=clock.now())
        Plan.objects.filter(pk=plan.pk).update(status="canceled", ended_at=self.now)
        return plan

    def _fail(self) -> None:
        slug = self.organization.slug
        period = BillingPeriod.objects.get(organization=self.organization)
        Notice.objects.create(
            organization=self.organization,
            kind="payment-failed",
            about="past_due",
            noticed_at=self.now,
            recipients=[self.user.uuid],
            failure=f"550 no mailbox <{self.user.email}>",
        )
        ScheduledRun.objects.create(
            name="sweep", started_at=self.now, failure=f"KeyError('{slug} has none')"
        )
        WebhookReceipt.objects.create(
            event_id=f"evt_{self.organization.pk}",
            type="invoice.paid",
            object_id="in_1",
            received_at=self.now,
            failure=f"no plan of {self.organization.name}.",
        )
        Cancellation.objects.create(
            plan=self.plan,
            reason=f"{self.organization.name} asked for it",
            waits_for=f"{slug} is asked",
            requested_at=self.now,
            ends_at=self.now,
        )
        RunnerMinutes.objects.create(
            organization=self.organization,
            runner=f"{slug}-rack",
            minutes=5,
            start_time=self.now,
            idempotency_key=f"{slug}-1",
            received_at=self.now,
        )
        why = f"{self.organization.name} disputes it"
        with auditing.context(why=why, organization=self.organization.pk):
            Freeze.objects.create(
                organization=self.organization,
                reason=why,
                begun_at=self.now,
                ended_why=f"settled with {slug}",
                ended_at=self.now,
            )
        Release.objects.create(plan=self.plan, reason=f"({slug})", released_at=self.now)
        staff = _staff()
        Correction.objects.create(
            statement=self.statement,
            series=2,
            amount_cents=10000,
            before_series=3,
            before_cents=10000,
            why=f"{self.organization.name} found it",
            proposed_by=staff,
            proposed_at=self.now,
        )
        failed = MeterErrorReport.objects.create(
            event_id=f"evt_meter_{self.organization.pk}",
            type="v1.billing.meter.error_report_triggered",
            received_at=self.now,
            summary=f"{slug}: 1 error",
            failure=f"no answer for {slug}",
        )
        MeterErrorSample.objects.create(report=failed, code="x", message=f"no {slug}")
        Verification.objects.create(
            period=period,
            failure=f"{slug}: no answer",
            checked_at=self.now,
            next_check_at=self.now,
        )

    def _log(self) -> None:
        staff = _staff()
        for thing in (self.user, self.organization, self.organization.memberships.get()):
            LogEntry.objects.create(
                user=staff,
                content_type=ContentType.objects.get_for_model(type(thing)),
                object_id=str(thing.pk),
                object_repr=str(thing),
                action_flag=CHANGE,
                change_message=f'[{{"changed": {{"object": "{thing}"}}}}]',
            )

    def _mirror(self) -> None:
        customer = self.organization.billing_customer.stripe_customer_id
        person = {
            "name": f"{self.name} Leader",
            "email": self.user.email.upper(),
            "phone": f"+1 {self.name}",
            "address": {"line1": f"1 {self.name} Street", "country": "US"},
        }
        _make(mirror.Customer, customer, **person)
        _make(
            mirror.Invoice,
            f"in_{customer}",
            customer=customer,
            total=10000,
            status="paid",
            customer_email=self.user.email,
            customer_name=f"{self.name} Works",
            hosted_invoice_url=f"https://stripe.example/{self.name}",
            metadata={"evidence_sha256": "0" * 64, "note": self.name},
        )
        _make(mirror.LineItem, f"il_{customer}", invoice=f"in_{customer}", description=self.name)
        _make(
            mirror.PaymentMethod,
            f"pm_{customer}",
            customer=customer,
            billing_details=person,
            card={"last4": "4242", "exp_year": 2030, "brand": self.name},
        )
        event = {"object": {"object": "customer", "id": customer, **person}}
        _make(mirror.Event, f"evt_{customer}", data=event, type="customer.updated")
        mirror.WebhookEventTrigger.objects.create(
            remote_ip="127.0.0.1",
            headers={"User-Agent": self.name},
            body=f'{{"id": "evt_1", "data": {{"object": {{"id": "{customer}", "email":'
            f' "{self.user.email}", "name": "{self.name}"}}}}}}',
            traceback=f"{self.name} failed",
        )


def _staff() -> User:
    """Return the one member of staff."""
    found = User.objects.filter(is_staff=True).first()
    return found or factories.make_user("staff", is_staff=True)


def _make(model: Any, identifier: str, **stripe_data: Any) -> None:
    """Store an object as dj-stripe does: whole, and some of it in columns."""
    own: dict[str, Any] = {
        "metadata": {},
        "customer_id": stripe_data.get("customer"),
        **stripe_data,
    }
    columns = {"customer_id", "data", "email", "metadata", "type"} & {
        field.attname for field in model._meta.fields
    }
    model.objects.create(
        id=identifier,
        livemode=False,
        stripe_data={"id": identifier, "livemode": False, **stripe_data},
        **{name: own[name] for name in columns},
    )


def open_checkout(world: World, session_id: str) -> Checkout:
    """Let the leader have a checkout open."""
    return Checkout.objects.create(
        organization=world.organization,
        stripe_session_id=session_id,
        started_by=world.user,
        with_trial=True,
        created_at=world.now,
    )


def text_columns() -> dict[str, str]:
    """Return every column that can hold text, as table.column, with how to read it in SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
            " AND c.data_type = ANY(%s) ORDER BY 1, 2",
            [list(TEXTS)],
        )
        return {
            f"{table}.{column}": f"encode(\"{column}\", 'escape')"
            if kind == "bytea"
            else f'"{column}"::text'
            for table, column, kind in cursor.fetchall()
        }


def holding(text: str) -> set[str]:
    """Return every column, as table.column, that holds a text anywhere, whatever its case."""
    found = set()
    with connection.cursor() as cursor:
        for column, value in text_columns().items():
            cursor.execute(
                f'SELECT 1 FROM "{column.partition(".")[0]}"'
                f" WHERE strpos(lower({value}), lower(%s)) > 0 LIMIT 1",
                [text],
            )
            if cursor.fetchone():
                found.add(column)
    return found


def rows() -> dict[str, list[str]]:
    """Return every row of every table that can hold text, as text."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted({column.partition(".")[0] for column in text_columns()}):
            cursor.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')
            found[table] = [row for (row,) in cursor.fetchall()]
    return found
