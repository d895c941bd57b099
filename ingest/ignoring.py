"""Benchmarks whose alerts are to be ignored say so at the end of their names."""

from ingest.adapters.results import AdapterError, Results
from ingest.columns import AmbiguousNameError

SUFFIXES = ("_bencher_ignore", "BencherIgnore", "-bencher-ignore")


def strip(results: Results) -> Results:
    """Return the results by the names that benchmarks have without the suffix.

    Raises AmbiguousNameError where two names then mean one benchmark.
    """
    if not any(name.endswith(SUFFIXES) for name in results):
        return results
    stripped: Results = {}
    for name, measures in results.items():
        short = _strip(name)
        if short in stripped:
            raise AmbiguousNameError(
                f"results name benchmark {short!r} twice, with and without a suffix to ignore it;"
                " send it once."
            )
        stripped[short] = measures
    return stripped


def _strip(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            short = name.removesuffix(suffix).rstrip()
            if not short:
                raise AdapterError(f"benchmark name {name!r} is nothing but a suffix")
            return short
    return name
