"""How much each benchmark does: in a few minutes together, or at the sizes that are promised."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes and rounds of all benchmarks."""

    # Of each: how many benchmarks, measures and rounds.
    reports: tuple[tuple[int, int, int], ...]
    fence_rounds: int
    recounted: int
    recount_rounds: int
    ledgers: tuple[int, ...]
    plans: int
    chunk: int
    sweep_rounds: int
    customers: int
    events_each: int
    send_rounds: int
    closes: int
    explained: int
    pages: int
    backfilled: int
    backfill_rounds: int


QUICK = Sizes(
    reports=((10, 1, 20), (1_000, 3, 7), (10_000, 3, 2)),
    fence_rounds=5,
    recounted=200,
    recount_rounds=3,
    ledgers=(100_000,),
    plans=2_000,
    chunk=100,
    sweep_rounds=2,
    customers=50,
    events_each=20,
    send_rounds=2,
    closes=3,
    explained=20_000,
    pages=7,
    backfilled=200,
    backfill_rounds=2,
)
FULL = Sizes(
    reports=((10, 1, 100), (1_000, 3, 25), (10_000, 3, 9)),
    fence_rounds=31,
    recounted=700,
    recount_rounds=5,
    ledgers=(100_000, 1_000_000),
    plans=20_000,
    chunk=1_000,
    sweep_rounds=3,
    customers=50,
    events_each=100,
    send_rounds=3,
    closes=7,
    explained=100_000,
    pages=21,
    backfilled=700,
    backfill_rounds=3,
)
