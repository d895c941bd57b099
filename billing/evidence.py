"""The evidence of a figure: a canonical line for each series, and the hash over all of them.

A line is the series as JSON by RFC 8785 (members sorted, no white space): the UUIDs of what it is
made of and of the first and last report that showed it, their instants in microseconds of UTC, and
whether it is billed. Names are display only and no part of it, so blanking a name breaks no hash.
The lines are sorted by their bytes and each ends in a line feed; the hash is SHA-256 of those
bytes, so it is what `sha256sum` says of the downloaded file (docs/evidence.md).
"""


def instant_sql(column: str) -> str:
    """Return the SQL text of an instant as evidence writes it: 2026-11-01T00:00:00.000000Z."""
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


# The columns are those of StatementLine. Members in the order of their names, as RFC 8785 sorts.
LINE = (
    """('{"benchmark":"' || benchmark_uuid || '","billed":' || billed"""
    """ || ',"first_report":"' || first_report_uuid"""
    f""" || '","first_seen":"' || {instant_sql("first_seen_at")}"""
    """ || '","last_report":"' || last_report_uuid"""
    f""" || '","last_seen":"' || {instant_sql("last_seen_at")}"""
    """ || '","measure":"' || measure_uuid || '","project":"' || project_uuid"""
    """ || '","testbed":"' || testbed_uuid || '"}')"""
)


def sorted_lines_sql(source: str) -> str:
    """Return a SELECT of the evidence, line by line in its order, of a table or subquery."""
    return f'SELECT {LINE} AS line FROM {source} ORDER BY {LINE} COLLATE "C"'  # noqa: S608


def hash_sql(source: str) -> str:
    """Return a SELECT of one row and column: the evidence's hash in hexadecimal digits.

    PostgreSQL builds one text of all lines: about 370 bytes for a series, and 1 GB at most, which
    is more than two million series.
    """
    return f"""
    SELECT encode(sha256(convert_to(
        coalesce(string_agg({LINE} || E'\\n', '' ORDER BY {LINE} COLLATE "C"), ''), 'UTF8'
    )), 'hex')
    FROM {source}
    """  # noqa: S608 - a table or subquery of our own
