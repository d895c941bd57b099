"""The key of a repeated request, in the header and in the body."""

from typing import Any

import pytest

from bencher import clock
from ingest.models import Report
from series.models import Project, Visibility
from tests.factories import bmf, make_project, make_project_key, report_body
from tests.ingest.conftest import Caller

pytestmark = pytest.mark.django_db

REPORTS = "projects/engine/reports"
UUID = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def body() -> dict[str, Any]:
    """Return a report without a key."""
    return report_body(bmf(1), end_time=clock.now())


def send(caller: Caller, body: dict[str, Any], header: str | None = None) -> Any:
    headers = {"Idempotency-Key": header} if header is not None else {}
    return caller.post(REPORTS, body, **headers)


class TestHeader:
    @pytest.mark.parametrize(
        ("first", "second"),
        [('"run 1"', '"run 1"'), ("run-1", '"run-1"'), (' "run-1" ', "run-1"), ('"a\\"b"',) * 2],
    )
    def test_repeats_are_known_by_it(
        self, ci: Caller, body: dict[str, Any], first: str, second: str
    ) -> None:
        one, other = send(ci, body, first), send(ci, body, second)

        assert (one.status_code, other.status_code) == (201, 201)
        assert one.json() == other.json()
        assert other["X-New-Series"] == "0"
        assert Report.objects.count() == 1

    def test_it_is_the_same_key_as_in_the_body(self, ci: Caller, body: dict[str, Any]) -> None:
        keyed = body | {"idempotency_key": "run-1"}

        assert send(ci, keyed).status_code == 201
        assert send(ci, keyed, '"run-1"').status_code == 201
        assert send(ci, body, '"run-1"').status_code == 409
        assert Report.objects.count() == 1

    def test_both_must_agree(self, ci: Caller, body: dict[str, Any]) -> None:
        response = send(ci, body | {"idempotency_key": "run-1"}, '"run-2"')

        assert response.status_code == 400
        assert "Idempotency-Key" in response.json()["message"]

    @pytest.mark.parametrize("header", ["", '""', '"a', 'a"', '"a"b"', "a b", "x" * 256, '"\\x"'])
    def test_what_is_no_key_is_refused(self, ci: Caller, body: dict[str, Any], header: str) -> None:
        response = send(ci, body, header)

        assert response.status_code == 400
        assert "Idempotency-Key" in response.json()["message"]
        assert Report.objects.count() == 0

    def test_another_body_is_a_conflict(self, ci: Caller, body: dict[str, Any]) -> None:
        send(ci, body, "run-1")

        assert send(ci, body | {"branch": "other"}, "run-1").status_code == 409
        assert Report.objects.count() == 1

    def test_each_project_has_keys_of_its_own(
        self, ci: Caller, project: Project, body: dict[str, Any]
    ) -> None:
        other = make_project(
            "Other", organization=project.organization, visibility=Visibility.PUBLIC
        )
        send(ci, body, "run-1")

        response = Caller(make_project_key(other)).post(
            "projects/other/reports", body, **{"Idempotency-Key": "run-1"}
        )

        assert response.status_code == 201
        assert Report.objects.count() == 2


class TestRun:
    def test_a_repeat_answers_with_the_first_report(self, ci: Caller, body: dict[str, Any]) -> None:
        run = body | {"idempotency_key": UUID}

        first, again = ci.post("run", run), ci.post("run", run)
        upper = ci.post("run", body | {"idempotency_key": UUID.upper()})

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert upper.status_code == 409
        assert Report.objects.count() == 1

    def test_the_header_may_say_the_same(self, ci: Caller, body: dict[str, Any]) -> None:
        run = body | {"idempotency_key": UUID}

        assert ci.post("run", run, **{"Idempotency-Key": f'"{UUID}"'}).status_code == 201
        assert ci.post("run", run, **{"Idempotency-Key": "other"}).status_code == 400
