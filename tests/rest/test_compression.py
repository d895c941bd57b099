"""Compressed bodies, honest and hostile."""

import gzip
import zlib

import pytest
import zstandard

from bencher.rest import compression

BODY = b'{"branch": "main"}' * 100


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


class TestInflate:
    @pytest.mark.parametrize(
        ("encoding", "sent"),
        [
            ("gzip", gzip.compress(BODY)),
            ("GZIP", gzip.compress(BODY)),
            ("x-gzip", gzip.compress(BODY)),
            ("gzip", gzip.compress(BODY[:700]) + gzip.compress(BODY[700:])),
            ("zstd", zstd(BODY)),
            ("zstd", zstd(BODY[:700]) + zstd(BODY[700:])),
        ],
        ids=["gzip", "upper case", "x-gzip", "two members", "zstd", "two frames"],
    )
    def test_returns_what_was_sent(self, encoding: str, sent: bytes) -> None:
        assert compression.inflate(sent, encoding, limit=len(BODY)) == BODY

    @pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])
    def test_stops_a_byte_past_the_limit(self, compress: object) -> None:
        bomb = compress(bytes(64 * 1024 * 1024))  # type: ignore[operator]
        encoding = "gzip" if compress is gzip.compress else "zstd"
        assert len(bomb) < 100_000

        with pytest.raises(compression.TooLargeError):
            compression.inflate(bomb, encoding, limit=1000)

    def test_a_gzip_of_many_members_is_bounded_too(self) -> None:
        bomb = gzip.compress(bytes(1_000_000)) * 100

        with pytest.raises(compression.TooLargeError):
            compression.inflate(bomb, "gzip", limit=1_500_000)

    def test_a_gzip_of_very_many_empty_members_is_refused(self) -> None:
        with pytest.raises(compression.CorruptBodyError, match="members"):
            compression.inflate(gzip.compress(b"") * 100_000, "gzip", limit=1000)

    def test_a_gzip_in_blocks_is_read(self) -> None:
        body = bytes(range(256)) * 10_000
        blocks = [body[at : at + 4096] for at in range(0, len(body), 4096)]

        sent = b"".join(map(gzip.compress, blocks))

        assert compression.inflate(sent, "gzip", limit=len(body)) == body

    def test_refuses_a_window_that_the_sender_makes_huge(self) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            19, window_log=27, enable_ldm=True
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        sent = compressor.compress(bytes(1000)) + compressor.flush()

        with pytest.raises(compression.CorruptBodyError):
            compression.inflate(sent, "zstd", limit=10_000)

    @pytest.mark.parametrize(
        ("encoding", "sent"),
        [
            ("gzip", BODY),
            ("gzip", gzip.compress(BODY)[:-9]),
            ("gzip", zlib.compress(BODY)),
            ("gzip", gzip.compress(BODY) + b"rest"),
            ("zstd", BODY),
            ("zstd", zstd(BODY)[:10]),
        ],
        # Named, because a name made of compressed bytes would carry the time of day.
        ids=["no gzip", "cut gzip", "zlib", "gzip and more", "no zstd", "cut zstd"],
    )
    def test_refuses_what_is_corrupt(self, encoding: str, sent: bytes) -> None:
        with pytest.raises(compression.CorruptBodyError):
            compression.inflate(sent, encoding, limit=10_000)

    @pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", ""])
    def test_refuses_what_it_does_not_know(self, encoding: str) -> None:
        with pytest.raises(compression.UnknownEncodingError):
            compression.inflate(BODY, encoding, limit=10_000)
