"""The measures that every project knows without defining them: name, slug and units.

Adapters name their measures by slug. A report that names a built-in measure by its name, its
slug or the tool's own word for it gets these units.
"""

from dataclasses import dataclass

NANOSECONDS = "nanoseconds (ns)"
SECONDS = "seconds (s)"
BYTES = "bytes (B)"
PERCENTAGE = "percentage (%)"
DECIBELS = "decibels (dB)"


@dataclass(frozen=True, slots=True)
class BuiltinMeasure:
    """A measure's display name, slug and units."""

    name: str
    slug: str
    units: str


LATENCY = BuiltinMeasure("Latency", "latency", NANOSECONDS)
THROUGHPUT = BuiltinMeasure("Throughput", "throughput", "operations / second (ops/s)")
BUILD_TIME = BuiltinMeasure("Build Time", "build-time", SECONDS)
FILE_SIZE = BuiltinMeasure("File Size", "file-size", BYTES)

_GENERAL = (LATENCY, THROUGHPUT, BUILD_TIME, FILE_SIZE)

_NOISE = (
    BuiltinMeasure("Compute Jitter", "compute-jitter", PERCENTAGE),
    BuiltinMeasure("Cache Jitter", "cache-jitter", PERCENTAGE),
    BuiltinMeasure("I/O Jitter", "io-jitter", PERCENTAGE),
    BuiltinMeasure("CPU Steal", "cpu-steal", PERCENTAGE),
    BuiltinMeasure("Noise Score", "noise-score", DECIBELS),
)

# BenchmarkDotNet's memory diagnoser.
ALLOCATED = BuiltinMeasure("Allocated", "allocated", BYTES)
GEN0_COLLECTS = BuiltinMeasure("Gen0 Collects", "gen0-collects", "collects")
GEN1_COLLECTS = BuiltinMeasure("Gen1 Collects", "gen1-collects", "collects")
GEN2_COLLECTS = BuiltinMeasure("Gen2 Collects", "gen2-collects", "collects")
TOTAL_OPERATIONS = BuiltinMeasure("Total Operations", "total-operations", "operations")

_DOT_NET = (ALLOCATED, GEN0_COLLECTS, GEN1_COLLECTS, GEN2_COLLECTS, TOTAL_OPERATIONS)

# iai; instructions and estimated cycles are gungraun's as well.
INSTRUCTIONS = BuiltinMeasure("Instructions", "instructions", "instructions")
L1_ACCESSES = BuiltinMeasure("L1 Accesses", "l1-accesses", "accesses")
L2_ACCESSES = BuiltinMeasure("L2 Accesses", "l2-accesses", "accesses")
RAM_ACCESSES = BuiltinMeasure("RAM Accesses", "ram-accesses", "accesses")
ESTIMATED_CYCLES = BuiltinMeasure("Estimated Cycles", "estimated-cycles", "cycles")

_IAI = (INSTRUCTIONS, L1_ACCESSES, L2_ACCESSES, RAM_ACCESSES, ESTIMATED_CYCLES)

# Callgrind's and Cachegrind's events and what gungraun derives from them.
_GUNGRAUN_CACHES = (
    BuiltinMeasure("L1 Hits", "l1-hits", "hits"),
    BuiltinMeasure("L2 Hits", "l2-hits", "hits"),
    BuiltinMeasure("LL Hits", "ll-hits", "hits"),
    BuiltinMeasure("RAM Hits", "ram-hits", "hits"),
    BuiltinMeasure("Total read+write", "total-read-write", "reads/writes"),
    BuiltinMeasure("Ge", "global-bus-events", "events"),
    BuiltinMeasure("Dr", "dr", "reads"),
    BuiltinMeasure("Dw", "dw", "writes"),
    BuiltinMeasure("I1mr", "i1mr", "misses (reads)"),
    BuiltinMeasure("D1mr", "d1mr", "misses (reads)"),
    BuiltinMeasure("D1mw", "d1mw", "misses (writes)"),
    BuiltinMeasure("ILmr", "ilmr", "misses (reads)"),
    BuiltinMeasure("DLmr", "dlmr", "misses (reads)"),
    BuiltinMeasure("DLmw", "dlmw", "misses (writes)"),
    BuiltinMeasure("I1 Miss Rate", "i1-miss-rate", "misses (%)"),
    BuiltinMeasure("LLi Miss Rate", "lli-miss-rate", "misses (%)"),
    BuiltinMeasure("D1 Miss Rate", "d1-miss-rate", "misses (%)"),
    BuiltinMeasure("LLd Miss Rate", "lld-miss-rate", "misses (%)"),
    BuiltinMeasure("LL Miss Rate", "ll-miss-rate", "misses (%)"),
    BuiltinMeasure("L1 Hit Rate", "l1-hit-rate", "hits (%)"),
    BuiltinMeasure("LL Hit Rate", "ll-hit-rate", "hits (%)"),
    BuiltinMeasure("RAM Hit Rate", "ram-hit-rate", "hits (%)"),
    BuiltinMeasure("SysCount", "sys-count", "syscalls"),
    # Callgrind counts these in the unit that --collect-systime chooses.
    BuiltinMeasure("SysTime", "sys-time", "msec/usec/nsec"),
    BuiltinMeasure("SysCpuTime", "sys-cpu-time", "nsec"),
    BuiltinMeasure("Bc", "bc", "branches"),
    BuiltinMeasure("Bcm", "bcm", "branches"),
    BuiltinMeasure("Bi", "bi", "branches"),
    BuiltinMeasure("Bim", "bim", "branches"),
    BuiltinMeasure("ILdmr", "ildmr", "misses (reads)"),
    BuiltinMeasure("DLdmr", "dldmr", "misses (reads)"),
    BuiltinMeasure("DLdmw", "dldmw", "misses (writes)"),
    BuiltinMeasure("AcCost1", "accost1", "temporal locality count"),
    BuiltinMeasure("AcCost2", "accost2", "temporal locality count"),
    BuiltinMeasure("SpLoss1", "sploss1", "spatial loss count"),
    BuiltinMeasure("SpLoss2", "sploss2", "spatial loss count"),
)

_GUNGRAUN_HEAP = (
    BuiltinMeasure("Total bytes", "total-bytes", BYTES),
    BuiltinMeasure("Total blocks", "total-blocks", "blocks"),
    BuiltinMeasure("At t-gmax bytes", "at-t-gmax-bytes", BYTES),
    BuiltinMeasure("At t-gmax blocks", "at-t-gmax-blocks", "blocks"),
    BuiltinMeasure("At t-end bytes", "at-t-end-bytes", BYTES),
    BuiltinMeasure("At t-end blocks", "at-t-end-blocks", "blocks"),
    BuiltinMeasure("Reads bytes", "reads-bytes", BYTES),
    BuiltinMeasure("Writes bytes", "writes-bytes", BYTES),
    BuiltinMeasure("Maximum bytes", "maximum-bytes", BYTES),
    BuiltinMeasure("Maximum blocks", "maximum-blocks", "blocks"),
    BuiltinMeasure("Total events", "total-events", "events"),
    BuiltinMeasure("Total lifetimes", "total-lifetimes", "instructions"),
    BuiltinMeasure("Total units", "total-units", "units"),
)


def _error_measures(tool: str) -> tuple[BuiltinMeasure, ...]:
    """What one of Valgrind's error finders counts."""
    return tuple(
        BuiltinMeasure(f"{tool} {words}", f"{tool} {words}".lower().replace(" ", "-"), units)
        for words, units in (
            ("Errors", "errors"),
            ("Contexts", "contexts"),
            ("Suppressed Errors", "suppressed errors"),
            ("Suppressed Contexts", "suppressed contexts"),
        )
    )


# Without the errors, whose names say the tool and so differ from gungraun's own words.
GUNGRAUN = (INSTRUCTIONS, ESTIMATED_CYCLES, *_GUNGRAUN_CACHES, *_GUNGRAUN_HEAP)

_GUNGRAUN_ERRORS = tuple(
    measure for tool in ("Memcheck", "Helgrind", "DRD") for measure in _error_measures(tool)
)

BUILTIN_MEASURES: tuple[BuiltinMeasure, ...] = (
    *_GENERAL,
    *_NOISE,
    *_DOT_NET,
    *_IAI,
    *_GUNGRAUN_CACHES,
    *_GUNGRAUN_HEAP,
    *_GUNGRAUN_ERRORS,
)

_BY_NAME_OR_SLUG = {
    key: measure for measure in BUILTIN_MEASURES for key in (measure.slug, measure.name)
}


def find(name_or_slug: str) -> BuiltinMeasure | None:
    """The built-in measure of this display name or slug, compared exactly."""
    return _BY_NAME_OR_SLUG.get(name_or_slug)
