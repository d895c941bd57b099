"""The table that asv prints for a benchmark with parameters.

    === ========== ==========        === =========
    --           kind                 n
    --- ---------------------        --- ---------
     n    plain       a b             3   281±1ns
    === ========== ==========        === =========
     5   4.76±0μs   5.73±0μs
    === ========== ==========

As many of the last parameters as fit the terminal lie across, with " / " between them. The
columns are where the borders are.
"""

import itertools
from collections.abc import Iterator, Sequence

_ACROSS = " / "
_TOP_HEADER = "--"


def is_border(line: str) -> bool:
    """Whether the line is the top, the middle or the bottom of a table."""
    stripped = line.replace(" ", "")
    return bool(stripped) and not stripped.strip("=")


def cells(lines: Sequence[str], top: int) -> Iterator[tuple[list[str], list[str], str]]:
    """For every cell the parameters of its row, those of its column, and what it holds.

    The table is the one whose top border is this line. Nothing if it is cut off. Looks at no
    line beyond the table or the next entry.
    """
    across = top + 2 < len(lines) and lines[top + 1].split()[:1] == [_TOP_HEADER]
    titles_at = top + 3 if across else top + 1
    bottom = _find_border(lines, titles_at + 2)
    if bottom is None:
        return
    columns = _columns(lines[bottom])
    titles: list[list[str]] = [_across(title) for title in _split(lines[titles_at], columns)]
    count = _row_parameters(lines[top + 2], columns) if across else len(columns) - 1
    # Where blanks at the ends of lines were stripped, the last title is missing if it was empty.
    titles = [*titles, *[[]] * (len(columns) - len(titles))][count:]
    for line in lines[titles_at + 2 : bottom]:
        row = _split(line, columns)
        parameters = row[:count]
        for title, value in zip(titles, row[count:], strict=False):
            yield parameters, title, value


def _across(title: str) -> list[str]:
    """The parameters in the title of a column; none if the column only holds the values."""
    return title.split(_ACROSS) if title else []


def _find_border(lines: Sequence[str], start: int) -> int | None:
    for i in range(start, len(lines)):
        if is_border(lines[i]):
            return i
        if lines[i].startswith("["):
            return None
    return None


def _row_parameters(spans: str, columns: Sequence[slice]) -> int:
    """How many columns lie under the first of the two spans of the dashed ruler."""
    first = _columns(spans)[:1]
    return sum(column.stop <= first[0].stop for column in columns) if first else 0


def _columns(ruler: str) -> list[slice]:
    """Where the words of a line begin and end."""
    columns = []
    end = 0
    for run in ruler.split():
        start = ruler.index(run, end)
        end = start + len(run)
        columns.append(slice(start, end))
    return columns


def _split(line: str, columns: Sequence[slice]) -> list[str]:
    """The cells of a row, as many as the line is long enough for."""
    reached = itertools.takewhile(lambda column: column.start < len(line), columns)
    return [line[column].strip() for column in reached]
