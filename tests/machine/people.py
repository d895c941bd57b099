"""What people do with projects and with what is in them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.machine.driven import BENCHMARKS, CRASH_AT, MEASURES, TESTBEDS, WHERE, Driven, Where

ENTITY = st.one_of(
    st.tuples(st.just("testbeds"), st.sampled_from(TESTBEDS)),
    st.tuples(st.just("benchmarks"), st.sampled_from(BENCHMARKS)),
    st.tuples(st.just("measures"), st.sampled_from(MEASURES)),
)


class Curating(Driven):
    """Projects flipped, deleted and restored; testbeds, benchmarks, measures renamed, archived."""

    @rule(where=WHERE, private=st.booleans(), crash_at=CRASH_AT)
    def flip(self, where: Where, private: bool, crash_at: int) -> None:
        """Somebody makes a project public or private."""
        tenant, project, _ = self._place(where)
        self._world.set_visibility(tenant, project, private=private, crash_at=crash_at)

    @rule(where=WHERE, crash_at=CRASH_AT)
    def delete_or_restore_project(self, where: Where, crash_at: int) -> None:
        """Somebody deletes a project, or staff restore it; one rule, lest all end up deleted."""
        tenant, project, known = self._place(where)
        if known.deleted:
            self._world.restore_project(tenant, project, crash_at=crash_at)
        else:
            self._world.delete_project(tenant, project, crash_at=crash_at)

    @rule(where=WHERE, entity=ENTITY, number=st.integers(1, 10**6), crash_at=CRASH_AT)
    def rename(self, where: Where, entity: tuple[str, str], number: int, crash_at: int) -> None:
        """Somebody renames a testbed, benchmark or measure, and its name is free again."""
        self._curate(where, entity, {"name": f"Renamed {number}"}, crash_at=crash_at)

    @rule(where=WHERE, entity=ENTITY, archived=st.booleans(), crash_at=CRASH_AT)
    def archive(self, where: Where, entity: tuple[str, str], archived: bool, crash_at: int) -> None:
        """Somebody archives a testbed, benchmark or measure, or takes that back."""
        self._curate(where, entity, {"archived": archived}, crash_at=crash_at)

    def _curate(
        self, where: Where, entity: tuple[str, str], change: dict[str, Any], *, crash_at: int
    ) -> None:
        tenant, project, known = self._place(where)
        kind, wanted = entity
        names = known.names[kind]
        # What was never reported can't be curated; then it is another one.
        name = wanted if wanted in names else min(names, default=wanted)
        if name in names and change.get("name") not in names and not known.deleted:
            self._world.curate(tenant, project, kind, name, change, crash_at=crash_at)
