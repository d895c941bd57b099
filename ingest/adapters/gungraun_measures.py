"""Which built-in measure each word of gungraun stands for, on the console and in its JSON."""

from ingest.adapters import builtin_measures

# The JSON names the events as Valgrind does and the derived numbers in one word.
_JSON_WORDS = {
    "Ir": "instructions",
    "EstimatedCycles": "estimated-cycles",
    "TotalRW": "total-read-write",
    "L1hits": "l1-hits",
    "L2hits": "l2-hits",
    "LLhits": "ll-hits",
    "RamHits": "ram-hits",
    "I1MissRate": "i1-miss-rate",
    "LLiMissRate": "lli-miss-rate",
    "D1MissRate": "d1-miss-rate",
    "LLdMissRate": "lld-miss-rate",
    "LLMissRate": "ll-miss-rate",
    "L1HitRate": "l1-hit-rate",
    "LLHitRate": "ll-hit-rate",
    "RamHitRate": "ram-hit-rate",
    "TotalBytes": "total-bytes",
    "TotalBlocks": "total-blocks",
    "AtTGmaxBytes": "at-t-gmax-bytes",
    "AtTGmaxBlocks": "at-t-gmax-blocks",
    "AtTEndBytes": "at-t-end-bytes",
    "AtTEndBlocks": "at-t-end-blocks",
    "ReadsBytes": "reads-bytes",
    "WritesBytes": "writes-bytes",
    "MaximumBytes": "maximum-bytes",
    "MaximumBlocks": "maximum-blocks",
    "TotalEvents": "total-events",
    "TotalLifetimes": "total-lifetimes",
    "TotalUnits": "total-units",
}

_SLUGS = {
    **{measure.name: measure.slug for measure in builtin_measures.GUNGRAUN},
    **_JSON_WORDS,
}

# What Valgrind's error finders count, on the console and in the JSON.
_ERRORS = {
    "Errors": "errors",
    "Contexts": "contexts",
    "Suppressed Errors": "suppressed-errors",
    "Suppressed Contexts": "suppressed-contexts",
    "SuppressedErrors": "suppressed-errors",
    "SuppressedContexts": "suppressed-contexts",
}
_ERROR_TOOLS = {"MEMCHECK": "memcheck", "HELGRIND": "helgrind", "DRD": "drd"}


def slug(tool: str, word: str) -> str | None:
    """The slug of the measure, None for a word that means none. Tools' names in any case."""
    error_tool = _ERROR_TOOLS.get(tool.upper())
    if error_tool is None:
        return _SLUGS.get(word)
    counted = _ERRORS.get(word)
    return None if counted is None else f"{error_tool}-{counted}"
