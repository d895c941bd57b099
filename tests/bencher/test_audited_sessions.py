"""When a session of the database is told who is behind what it changes."""

from django.db import connection

from bencher import auditing
from bencher.models import Change
from tests import factories


def test_one_that_is_opened_anew_is_told_again(committed_db: str) -> None:
    member = factories.make_user("Mia")
    with auditing.context(program="mend"):
        connection.close()
        member.is_staff = True
        member.save()
    member.is_active = False
    member.save()

    of_member = Change.objects.filter(relation="tenancy_user", row=str(member.pk))
    programs = of_member.order_by("id").values_list("program", flat=True)
    assert list(programs) == ["", "mend", ""]


def test_none_is_opened_for_what_may_not_need_it(committed_db: str) -> None:
    connection.close()

    with auditing.context(program="help"):
        assert connection.connection is None
