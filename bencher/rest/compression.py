"""Compressed request bodies: inflated piece by piece, never past the limit."""

import zlib
from collections.abc import Callable

import zstandard

# Larger windows than this are refused: the window is memory that the sender chooses.
_MAX_WINDOW_BYTES = 8 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_CHUNK_BYTES = 1 << 16
# Honest senders make one, or one for each block; each costs, however little is in it.
_MAX_MEMBERS = 1000


class UnknownEncodingError(ValueError):
    """The body is compressed in a way that is not read here."""


class CorruptBodyError(ValueError):
    """The body is not what its Content-Encoding says."""


class TooLargeError(ValueError):
    """Inflated, the body would pass the limit."""


def inflate(data: bytes, encoding: str, *, limit: int) -> bytes:
    """Return the inflated body, at most `limit` bytes.

    Raises UnknownEncodingError, CorruptBodyError and TooLargeError; the last one before more than
    a byte past the limit has been inflated.
    """
    known: dict[str, Callable[[bytes, int], bytes]] = {
        "gzip": _gzip,
        "x-gzip": _gzip,
        "zstd": _zstd,
    }
    try:
        read = known[encoding.strip().lower()]
    except KeyError:
        raise UnknownEncodingError(encoding) from None
    try:
        inflated = read(data, limit)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise CorruptBodyError(str(error)) from error
    if len(inflated) > limit:
        raise TooLargeError(limit)
    return inflated


def _gzip(data: bytes, limit: int) -> bytes:
    # A gzip body may have several members, one behind the other.
    pieces: list[bytes] = []
    left, at, members = limit + 1, 0, 0
    while at < len(data) and left:
        members += 1
        if members > _MAX_MEMBERS:
            raise EOFError(f"the body has more than {_MAX_MEMBERS} members")
        at, left = _member(data, at, left, pieces)
    return b"".join(pieces)


def _member(data: bytes, at: int, left: int, pieces: list[bytes]) -> tuple[int, int]:
    """Inflate the member that begins at `at`; returns where the next begins, and what is left."""
    member = zlib.decompressobj(_GZIP)
    # Fed piece by piece: zlib copies all that it was fed and did not use.
    while not member.eof and left:
        chunk = member.unconsumed_tail or data[at : at + _CHUNK_BYTES]
        if not chunk:
            raise EOFError("the body ends in the middle")
        if not member.unconsumed_tail:
            at += len(chunk)
        piece = member.decompress(chunk, left)
        pieces.append(piece)
        left -= len(piece)
    return at - len(member.unused_data), left


def _zstd(data: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(
        data, read_across_frames=True
    )
    pieces, left = [], limit + 1
    while left and (piece := reader.read(min(left, 1 << 16))):
        pieces.append(piece)
        left -= len(piece)
    inflated = b"".join(pieces)
    if not inflated and data:
        raise EOFError("the body ends in the middle")
    return inflated
