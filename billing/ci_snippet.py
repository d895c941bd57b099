"""What to put into CI, ready to copy."""


def snippet(*, host: str, project: str, key: str) -> str:
    """Return three lines of shell that run benchmarks and report them to a project."""
    return (
        f"bencher run --host {host} \\\n"
        f"  --key {key} \\\n"
        f'  --project {project} --adapter magic "make bench"'
    )
