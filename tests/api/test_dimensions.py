"""Testbeds, benchmarks and measures over the API: nearly the same, so tested together."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from series import models
from series.models import Benchmark, Dimension, Measure, SeriesLastSeen
from tests.api import bencher_document
from tests.api.conftest import Api, World
from tests.factories import bmf, report_body

KINDS: list[type[Dimension]] = [models.Testbed, Benchmark, Measure]
each_kind = pytest.mark.parametrize("model", KINDS, ids=lambda model: model.__name__)
REPORTED = datetime(2026, 11, 2, tzinfo=UTC)


def path_of(model: type[Dimension]) -> str:
    """Return the path of a kind in Acme's Engine."""
    return f"projects/engine/{model._meta.model_name}s"


def schema_of(model: type[Dimension]) -> str:
    """Return the name of its schema in Bencher's document."""
    return f"Json{model.__name__}"


def body_of(model: type[Dimension], name: str, **more: Any) -> dict[str, Any]:
    """Return what makes an entity."""
    return {"name": name, **({"units": "seconds (s)"} if model is Measure else {}), **more}


def make(api: Api, model: type[Dimension], *names: str) -> list[Any]:
    """Make entities."""
    return [api.call("post", path_of(model), body_of(model, name), status=201) for name in names]


def names(answer: list[Any]) -> list[str]:
    """Return the names in an answer."""
    return [row["name"] for row in answer]


def report(ci: Api) -> None:
    """Report two benchmarks of one measure from one testbed."""
    body = report_body(bmf(2), end_time=REPORTED)
    ci.call("post", "projects/engine/reports", body, status=201)


@each_kind
class TestList:
    def test_is_sorted_by_name_and_says_how_many_there_are(
        self, alice: Api, model: type[Dimension]
    ) -> None:
        make(alice, model, "b", "a", "c")

        response = alice.send("get", path_of(model), {"per_page": 2})
        backwards = alice.call("get", path_of(model), {"direction": "desc"}, status=200)

        bencher_document.check(response.json(), schema_of(model))
        assert names(response.json()) == ["a", "b"]
        assert response["X-Total-Count"] == "3"
        assert names(backwards) == ["c", "b", "a"]

    @pytest.mark.parametrize(
        ("page", "per_page", "found"),
        [
            (0, 2, ["a", "b"]),
            (1, 2, ["a", "b"]),
            (2, 2, ["c"]),
            (3, 2, []),
            (1, 0, []),
            (1, 255, ["a", "b", "c"]),
            (2**32 - 1, 255, []),
        ],
    )
    def test_comes_in_pages(
        self, alice: Api, model: type[Dimension], page: int, per_page: int, found: list[str]
    ) -> None:
        make(alice, model, "a", "b", "c")

        response = alice.send("get", path_of(model), {"page": page, "per_page": per_page})

        assert names(response.json()) == found
        assert response["X-Total-Count"] == "3"

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"per_page": 256}, "`per_page`"),
            ({"per_page": -1}, "`per_page`"),
            ({"page": 2**32}, "`page`"),
            ({"page": "two"}, "`page`"),
            ({"sort": "created"}, "`sort`"),
            ({"direction": "up"}, "`direction`"),
            ({"archived": "perhaps"}, "`archived`"),
        ],
    )
    def test_says_which_parameter_is_wrong(
        self, alice: Api, model: type[Dimension], query: dict[str, Any], told: str
    ) -> None:
        assert told in alice.call("get", path_of(model), query, status=400)["message"]

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("%", ["100 % sure"]),
            ("_", ["snake_case"]),
            ("\\", ["back\\slash"]),
            ("SNAKE", ["snake_case"]),
            ("straße", ["Straße 1"]),
            ("日本", ["日本語"]),
            ("' OR 1=1 --", []),
            ("\0", []),
            ("", ["100 % sure", "Straße 1", "back\\slash", "snake_case", "日本語"]),
        ],
    )
    def test_is_searched_for_text_and_not_for_patterns(
        self, alice: Api, model: type[Dimension], search: str, found: list[str]
    ) -> None:
        make(alice, model, "100 % sure", "snake_case", "back\\slash", "Straße 1", "日本語")

        rows = alice.call("get", path_of(model), {"search": search}, status=200)

        assert sorted(names(rows)) == found

    def test_is_searched_by_uuid(self, alice: Api, model: type[Dimension]) -> None:
        first, _ = make(alice, model, "a", "b")

        rows = alice.call("get", path_of(model), {"search": first["uuid"][4:20]}, status=200)

        assert names(rows) == ["a"]

    def test_is_narrowed_to_an_exact_name(self, alice: Api, model: type[Dimension]) -> None:
        make(alice, model, "a", "ab")

        assert names(alice.call("get", path_of(model), {"name": "a"}, status=200)) == ["a"]
        assert alice.call("get", path_of(model), {"name": "A"}, status=200) == []
        assert alice.call("get", path_of(model), {"name": "a\0"}, status=200) == []

    def test_shows_either_what_is_in_use_or_what_is_archived(
        self, alice: Api, model: type[Dimension]
    ) -> None:
        kept, gone = make(alice, model, "kept", "gone")
        alice.call("patch", f"{path_of(model)}/{gone['uuid']}", {"archived": True}, status=200)

        in_use = alice.call("get", path_of(model), {"archived": "false"}, status=200)
        archived = alice.call("get", path_of(model), {"archived": "true"}, status=200)

        bencher_document.check(archived, schema_of(model))
        assert (names(in_use), names(archived)) == (["kept"], ["gone"])
        assert in_use == [kept]

    def test_takes_as_many_queries_for_many(self, alice: Api, model: type[Dimension]) -> None:
        counts = []
        for name in ("a", "b", "c"):
            make(alice, model, name)
            with CaptureQueriesContext(connection) as captured:
                alice.call("get", path_of(model), {"per_page": 255, "search": "a"}, status=200)
            counts.append(len(captured))

        assert len(set(counts)) == 1


@each_kind
class TestAdd:
    def test_answers_with_what_was_made(self, ci: Api, model: type[Dimension]) -> None:
        made = ci.call("post", path_of(model), body_of(model, "A B", slug=None), status=201)

        bencher_document.check(made, schema_of(model))
        assert (made["name"], made["slug"], made["archived"]) == ("A B", "a-b", None)
        assert made["created"] == made["modified"]
        assert made["created"].endswith("Z")

    def test_refuses_a_name_that_is_taken(self, alice: Api, model: type[Dimension]) -> None:
        make(alice, model, "a")

        refusal = alice.call("post", path_of(model), body_of(model, "a"), status=409)

        assert "'a'" in refusal["message"]

    def test_gives_a_slug_that_is_taken_a_suffix(self, alice: Api, model: type[Dimension]) -> None:
        make(alice, model, "a b")

        for body in (body_of(model, "a-b"), body_of(model, "c", slug="a-b")):
            slug = alice.call("post", path_of(model), body, status=201)["slug"]
            assert slug.startswith("a-b-")
            assert len(slug) == len("a-b-") + 8

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("", "is empty"),
            ("a ", "white space"),
            ("\N{NO-BREAK SPACE}a", "white space"),
            ("a\n", "white space"),
            ("a\0b", "NUL"),
        ],
    )
    def test_says_what_is_wrong_with_a_name(
        self, alice: Api, model: type[Dimension], name: str, told: str
    ) -> None:
        refusal = alice.call("post", path_of(model), body_of(model, name), status=400)

        assert f"`name` {told}" in refusal["message"] or told in refusal["message"]

    def test_counts_the_bytes_of_a_name(self, alice: Api, model: type[Dimension]) -> None:
        longest = 1024 if model is Benchmark else 64

        make(alice, model, "é" * (longest // 2))
        alice.call("post", path_of(model), body_of(model, "é" * (longest // 2) + "x"), status=400)


@each_kind
class TestGet:
    def test_answers_to_uuid_and_slug(self, alice: Api, ci: Api, model: type[Dimension]) -> None:
        (made,) = make(alice, model, "a b")

        assert ci.call("get", f"{path_of(model)}/a-b", status=200) == made
        assert ci.call("get", f"{path_of(model)}/{made['uuid']}", status=200) == made

    @pytest.mark.parametrize("identifier", ["nothing", "a%20b", "%00", "urn:uuid:nothing"])
    def test_finds_nothing_else(self, alice: Api, model: type[Dimension], identifier: str) -> None:
        make(alice, model, "a b")

        alice.call("get", f"{path_of(model)}/{identifier}", status=404)


@each_kind
class TestChange:
    def test_renames_and_keeps_the_rest(self, alice: Api, model: type[Dimension]) -> None:
        (made,) = make(alice, model, "a")

        changed = alice.call(
            "patch",
            f"{path_of(model)}/a",
            {"name": "b", "slug": None, "archived": None},
            status=200,
        )

        bencher_document.check(changed, schema_of(model))
        assert changed == {**made, "name": "b", "modified": changed["modified"]}
        assert changed["modified"] > made["modified"]

    def test_archives_once_and_unarchives(self, alice: Api, model: type[Dimension]) -> None:
        make(alice, model, "a")
        path = f"{path_of(model)}/a"

        first = alice.call("patch", path, {"archived": True}, status=200)["archived"]
        second = alice.call("patch", path, {"archived": True}, status=200)["archived"]
        back = alice.call("patch", path, {"archived": False}, status=200)["archived"]

        assert first is not None
        assert (second, back) == (first, None)

    @pytest.mark.parametrize("body", [{"name": "b"}, {"slug": "b"}])
    def test_refuses_what_is_taken(
        self, alice: Api, model: type[Dimension], body: dict[str, str]
    ) -> None:
        make(alice, model, "a", "b")

        refusal = alice.call("patch", f"{path_of(model)}/a", body, status=409)

        assert "is taken" in refusal["message"]
        assert alice.call("get", f"{path_of(model)}/a", status=200)["name"] == "a"

    def test_a_project_key_may_not(self, alice: Api, ci: Api, model: type[Dimension]) -> None:
        make(alice, model, "a")

        ci.call("patch", f"{path_of(model)}/a", {"name": "b"}, status=403)
        ci.call("delete", f"{path_of(model)}/a", status=403)


class TestUnits:
    def test_belong_to_a_measure(self, alice: Api) -> None:
        (made,) = make(alice, Measure, "a")

        changed = alice.call("patch", f"{path_of(Measure)}/a", {"units": "bytes (B)"}, status=200)

        assert (made["units"], changed["units"]) == ("seconds (s)", "bytes (B)")
        assert (
            "`units`"
            in alice.call("post", path_of(Measure), {"name": "b", "units": " s"}, status=400)[
                "message"
            ]
        )


class TestSpec:
    def test_is_null_and_nothing_else(self, alice: Api) -> None:
        body = {"name": "a", "spec": None}

        assert alice.call("post", path_of(models.Testbed), body, status=201)["spec"] is None
        assert alice.call("patch", f"{path_of(models.Testbed)}/a", {"spec": None}, status=200)
        refusal = alice.call("patch", f"{path_of(models.Testbed)}/a", {"spec": "big"}, status=400)
        assert "$.spec" in refusal["message"]


@each_kind
class TestRemove:
    def test_takes_away_what_was_never_reported_to(
        self, world: World, alice: Api, ci: Api, model: type[Dimension]
    ) -> None:
        report(ci)
        make(alice, model, "mistake")

        alice.call("delete", f"{path_of(model)}/mistake", status=204)

        alice.call("get", f"{path_of(model)}/mistake", status=404)

    def test_keeps_what_has_a_series(self, alice: Api, ci: Api, model: type[Dimension]) -> None:
        report(ci)
        entity = alice.call("get", path_of(model), status=200)[0]

        with CaptureQueriesContext(connection) as captured:
            refusal = alice.call("delete", f"{path_of(model)}/{entity['uuid']}", status=409)

        assert "Archive it instead" in refusal["message"]
        # The ledger's key told; the foreign keys would have cost a scan.
        assert not any(query["sql"].startswith("DELETE") for query in captured.captured_queries)
        assert alice.call("get", f"{path_of(model)}/{entity['uuid']}", status=200)


class TestRemoveWithoutLedger:
    # Reports hold benchmarks in arrays: of their use the ledger alone tells.
    @pytest.mark.parametrize("model", [models.Testbed, Measure])
    def test_keeps_what_a_report_refers_to(
        self, alice: Api, ci: Api, model: type[Dimension]
    ) -> None:
        report(ci)
        SeriesLastSeen.objects.all().delete()
        entity = alice.call("get", path_of(model), status=200)[0]

        alice.call("delete", f"{path_of(model)}/{entity['uuid']}", status=409)


class TestReports:
    def test_a_renamed_entity_keeps_its_series(self, alice: Api, ci: Api) -> None:
        report(ci)
        alice.call("patch", f"{path_of(Benchmark)}/bench-0", {"name": "renamed"}, status=200)

        assert Benchmark.objects.get(name="renamed").pk in set(
            SeriesLastSeen.objects.values_list("benchmark_id", flat=True)
        )
