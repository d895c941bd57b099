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

from collections.abc import Iterator, Sequence

_ACROSS = " / "
_TOP_HEADER = "--"


def is_border(line: str) -> bool:
    """Whether the line is the top, the middle or the bottom of a table."""
    stripped = line.replace(" ", "")
    return bool(stripped) and not stripped.strip("=")


def cells(lines: Sequence[str], top: int) -> Iterator[tuple[list[str], str]]:
    """The parameters and the value of every cell of the table whose top border is this line.

    Nothing for a table that is cut off. Looks at no line beyond the table or the next entry.
    """
    across = top + 2 < len(lines) and lines[top + 1].split()[:1] == [_TOP_HEADER]
    titles_at = top + 3 if across else top + 1
    bottom = _find_border(lines, titles_at + 2)
    if bottom is None:
        return
    columns = _columns(lines[bottom])
    titles = _split(lines[titles_at], columns)
    count = _row_parameters(lines[top + 2], columns) if across else len(columns) - 1
    for line in lines[titles_at + 2 : bottom]:
        row = _split(line, columns)
        for title, value in zip(titles[count:], row[count:], strict=True):
            yield [*row[:count], *filter(None, title.split(_ACROSS))], value


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
    return [line[column].strip() for column in columns]
