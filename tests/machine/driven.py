"""What all rules share: the world that they act on."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from series.models import Project
from tests.machine.oracle import ProjectKnown
from tests.machine.world import Tenant, World

# Neither is also the slug of itself, so a name that is free again makes something new.
TESTBEDS = ["Linux X64", "Mac Arm"]
BENCHMARKS = ["Add One", "Div Two", "Mod Three", "Mul Four"]
MEASURES = ["Alloc Bytes", "Wall Clock"]
# At which point to die, where nothing has died at an earlier one for the first time.
CRASH_AT = st.sampled_from([0, 30, 1, 2, 3, 5, 8, 13, 21, 0])
# A project: whose, and which of theirs.
Where = tuple[int, int]
WHERE = st.sampled_from([(0, 0), (1, 0), (0, 1)])


class Driven(RuleBasedStateMachine):
    """A machine whose rules act on one world. Another kind of happening is another subclass.

    Hypothesis leaves rules out by name in each example, at random: what matters most has several.
    None has a precondition: Hypothesis must draw the same again for the same beginning, and what a
    beginning leads to depends on how fast the machine is. A rule that finds nothing does nothing.
    """

    world: World | None = None

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _place(self, where: Where) -> tuple[Tenant, Project, ProjectKnown]:
        """Return an organization, a project of it, and what the oracle knows of that."""
        who, which = where
        tenant = self._world.tenants[who]
        project = tenant.projects[which]
        return tenant, project, tenant.oracle.projects[project.slug]
