"""The audit: every change of what it watches, who made it, and that nobody can touch it."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import DatabaseError, connection, transaction

from bencher import auditing, clock, staff_log
from bencher.models import Change
from bencher.tenancy import organizations
from bencher.tenancy.models import Membership, Organization, Role, User, UserKey
from tests import factories

pytestmark = pytest.mark.django_db

SECRETS = ("key_hash", "password", "email", "name", "slug", "token_hash", "why", "reason")


@pytest.fixture
def leader() -> User:
    """Return the leader of an organization."""
    return factories.make_user("Lea")


@pytest.fixture
def organization(leader: User) -> Organization:
    """Return an organization."""
    return organizations.found(name="Acme", leader=leader, now=clock.now())


def changes_of(row: Any) -> list[Change]:
    """Return the changes of a row, oldest first."""
    return list(Change.objects.filter(relation=row._meta.db_table, row=str(row.pk)).order_by("id"))


class TestRecord:
    """What is written."""

    def test_has_before_and_after_of_what_changed_only(
        self, organization: Organization, leader: User
    ) -> None:
        membership = Membership.objects.get(organization=organization, user=leader)
        membership.role = Role.MEMBER
        membership.save()
        made, changed = changes_of(membership)
        assert (made.kind, made.before) == ("insert", None)
        assert made.after is not None
        assert made.after["role"] == "leader"
        assert (changed.kind, changed.before, changed.after) == (
            "update",
            {"role": "leader"},
            {"role": "member"},
        )

    def test_has_what_was_deleted(self, organization: Organization, leader: User) -> None:
        membership = Membership.objects.get(organization=organization, user=leader)
        pk = membership.pk
        membership.delete()
        last = Change.objects.filter(relation="tenancy_membership", row=str(pk)).latest("id")
        assert (last.kind, last.after) == ("delete", None)
        assert last.before is not None
        assert last.before["user_id"] == leader.pk

    def test_is_not_written_where_nothing_kept_has_changed(self, leader: User) -> None:
        before = len(changes_of(leader))
        leader.name = "Somebody Else"
        leader.save()
        assert len(changes_of(leader)) == before

    def test_covers_raw_sql_and_many_rows_at_once(self, organization: Organization) -> None:
        for number in range(3):
            factories.make_user(f"Member {number}")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE tenancy_user SET is_staff = true")
            staffed = cursor.rowcount
        changes = Change.objects.filter(relation="tenancy_user", kind="update")
        assert changes.count() == staffed
        role = changes.latest("id").role
        assert role, "the role of the database is always known"

    def test_keeps_nothing_personal_and_no_secret(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger"
                " WHERE tgfoid = 'bencher_audit'::regproc"
            )
            audited = {table: arguments.split("\\000") for table, arguments in cursor.fetchall()}
        # A group's name is a role.
        kept = {table: set(columns) for table, columns in audited.items() if table != "auth_group"}
        assert {table for table, columns in kept.items() if columns & set(SECRETS)} == set()

    def test_watches_columns_that_there_are(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger"
                " WHERE tgfoid = 'bencher_audit'::regproc"
            )
            audited = {table: arguments.split("\\000") for table, arguments in cursor.fetchall()}
            cursor.execute(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = 'public'"
            )
            there = set(cursor.fetchall())
        named = {(table, name) for table, names in audited.items() for name in names if name}
        assert named - there == set()
        assert {
            "billing_plan",
            "billing_billingperiod",
            "billing_statement",
            "djstripe_price",
            "tenancy_membership",
            "tenancy_user",
            "tenancy_userkey",
            "series_project",
            "series_projectkey",
        } <= set(audited)


class TestContext:
    """Who and why."""

    def test_is_written_beside_the_change(self, organization: Organization, leader: User) -> None:
        with auditing.context(user=leader.pk, request="0af7651916cd43dd8448eb211c80319c"):
            with auditing.context(program="end", why="They asked.", organization=organization.pk):
                UserKey.objects.filter(user=leader).delete()
                leader.is_active = False
                leader.save()
            leader.is_active = True
            leader.save()
        leader.is_staff = True
        leader.save()
        inner, outer, outside = changes_of(leader)[-3:]
        assert (inner.user_id, inner.program, inner.why) == (leader.pk, "end", "They asked.")
        assert (inner.organization_id, inner.request) == (
            organization.pk,
            "0af7651916cd43dd8448eb211c80319c",
        )
        assert (outer.user_id, outer.program, outer.why) == (leader.pk, "", "")
        assert (outside.user_id, outside.request, outside.program) == (None, "", "")

    def test_does_not_survive_what_fails_inside(self, leader: User) -> None:
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            auditing.context(user=leader.pk),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1 / 0")
        leader.is_staff = True
        leader.save()
        assert changes_of(leader)[-1].user_id is None

    def test_may_say_anything(self, leader: User) -> None:
        said = 'it\'s "so" \\ {}, %s; DROP TABLE bencher_change; --' + json.dumps({"a": 1})
        with auditing.context(why=said, program="x" * 500):
            leader.is_staff = True
            leader.save()
        last = changes_of(leader)[-1]
        assert (last.why, last.program) == (said, "x" * 100)


class TestKeeping:
    """Nobody changes or empties it."""

    @pytest.mark.parametrize(
        "attack",
        [
            "DELETE FROM bencher_change",
            "TRUNCATE bencher_change",
            "UPDATE bencher_change SET why = 'other'",
            "UPDATE bencher_change SET user_id = NULL, why = ''",
            "UPDATE bencher_change SET after = '{}', why = ''",
            "UPDATE bencher_change SET at = now() - interval '1 day'",
        ],
    )
    def test_refuses(self, organization: Organization, leader: User, attack: str) -> None:
        with auditing.context(user=leader.pk, why="It was asked for."):
            leader.is_staff = True
            leader.save()
        with (
            pytest.raises(DatabaseError, match="the audit is kept"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(attack)

    def test_lets_the_words_of_a_reason_be_blanked(self, leader: User) -> None:
        with auditing.context(why="Jane asked."):
            leader.is_staff = True
            leader.save()
        Change.objects.filter(relation="tenancy_user", row=str(leader.pk)).update(why="")
        last = changes_of(leader)[-1]
        assert (last.why, last.after) == ("", {"is_staff": True})

    def test_tells_that_words_were_erased_and_by_whom(self, leader: User) -> None:
        with auditing.context(why="Jane asked."):
            staff_log.write(leader, by=leader, at=clock.now(), said="Freeze: Jane asked.")
        entry = LogEntry.objects.latest("pk")
        (made,) = changes_of(entry)

        with auditing.context(user=leader.pk, program="erase"):
            Change.objects.filter(pk=made.pk).update(why="")
            LogEntry.objects.filter(pk=entry.pk).update(change_message="")
            Change.objects.filter(pk=made.pk).update(why="")

        (of_change,) = changes_of(made)
        _, of_entry = changes_of(entry)
        assert of_change.after == {"why": "erased"}
        assert of_entry.after == {"change_message": "erased"}
        for trace in (of_change, of_entry):
            assert (trace.kind, trace.before) == ("update", None)
            assert (trace.user, trace.program) == (leader, "erase")


class TestLogOfStaff:
    """What staff did can be added to, and that is all."""

    @pytest.fixture
    def entry(self, leader: User) -> LogEntry:
        """Return an entry about a user."""
        with auditing.context(user=leader.pk, why="ticket 7"):
            staff_log.write(leader, by=leader, at=clock.now(), said="Looked. Reason: ticket 7")
        return LogEntry.objects.get()

    def test_is_audited(self, entry: LogEntry, leader: User) -> None:
        (made,) = changes_of(entry)

        assert (made.kind, made.user, made.why) == ("insert", leader, "ticket 7")
        assert made.after is not None
        assert (made.after["user_id"], made.after["object_id"]) == (leader.pk, str(leader.pk))

    @pytest.mark.parametrize(
        "attack",
        [
            "DELETE FROM django_admin_log",
            # Without waiting for what checks its references.
            "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE django_admin_log",
            "UPDATE django_admin_log SET change_message = 'Looked away.'",
            "UPDATE django_admin_log SET object_repr = 'somebody else'",
            "UPDATE django_admin_log SET object_id = '', change_message = ''",
            "UPDATE django_admin_log SET action_time = now() - interval '1 day'",
            "UPDATE django_admin_log SET action_flag = 1, object_repr = ''",
        ],
    )
    def test_refuses(self, entry: LogEntry, attack: str) -> None:
        with (
            pytest.raises(DatabaseError, match="the log of staff is kept"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(attack)

        assert LogEntry.objects.get() == entry

    def test_lets_its_words_be_blanked(self, entry: LogEntry, leader: User) -> None:
        assert LogEntry.objects.update(object_repr="") == 1
        assert LogEntry.objects.update(change_message="") == 1

        entry.refresh_from_db()
        assert (entry.user, entry.object_repr, entry.change_message) == (leader, "", "")


class TestWhose:
    """Whose each row is."""

    def test_is_what_the_row_says(self, organization: Organization) -> None:
        other = organizations.found(
            name="Other", leader=factories.make_user("Max"), now=clock.now()
        )
        before = Change.objects.latest("id").pk

        with auditing.context(organization=other.pk):
            organization.private_until = clock.now()
            organization.save()
            Membership.objects.filter(organization=organization).update(role=Role.MEMBER)

        made = Change.objects.filter(id__gt=before)
        assert {(change.relation, change.organization) for change in made} == {
            ("tenancy_organization", organization),
            ("tenancy_membership", organization),
        }

    def test_is_whom_it_was_about_where_the_row_does_not_say(
        self, organization: Organization, leader: User
    ) -> None:
        with auditing.context(organization=organization.pk):
            leader.is_staff = True
            leader.save()

        assert changes_of(leader)[-1].organization_id == organization.pk
