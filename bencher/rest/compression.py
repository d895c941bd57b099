"""Compressed request bodies: inflated piece by piece, never past the limit."""

import zlib
from collections.abc import Callable

import zstandard

# Larger windows than this are refused: the window is memory that the sender chooses.
_MAX_WINDOW_BYTES = 8 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


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
    pieces, left, rest = [], limit + 1, data
    while rest and left:
        member = zlib.decompressobj(_GZIP)
        piece = member.decompress(rest, left)
        if not member.eof and len(piece) < left:
            raise EOFError("the body ends in the middle")
        pieces.append(piece)
        left -= len(piece)
        rest = member.unused_data
    return b"".join(pieces)


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
