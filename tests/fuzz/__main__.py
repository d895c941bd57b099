"""Fuzz the adapters, guided by coverage: `make fuzz`, or `make fuzz ARGS="--seconds 3600"`.

It begins with what real tools printed and changes that in ways that reach new lines of the
adapters. Whatever comes in, an adapter refuses it by AdapterError or returns results that can be
stored, and does so soon. What breaks this is kept in a file, and the run ends with an error.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("make fuzz needs atheris, which exists for Python 3.11 and 3.12 on x86_64 only.")

with atheris.instrument_imports(include=["ingest.adapters"]):
    import ingest.adapters.registry  # noqa: F401 - before anything else imports it

from ingest.adapters.registry import Adapter
from ingest.adapters.results import Average
from tests.ingest.adapters.judging import PARSERS, WORDS, read_or_refuse, samples

KEPT = Path(".benchmarks") / "fuzz"
MAX_BYTES = 20_000
# For one text; adapters take milliseconds for texts of this size.
MAX_SECONDS = 10
AVERAGES = [None, *Average]


def main() -> None:
    """Fuzz for a while, or look again at inputs that were kept."""
    options = _options()
    if options.input:
        for path in options.input:
            _again(path)
        return
    # What reached new lines is kept, so that the next run goes on from there.
    corpus = KEPT / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_seeds()):
        (corpus / f"sample-{number}").write_bytes(seed)
    words = KEPT / "words"
    words.write_text("\n".join(_dictionary()) + "\n")
    print(f"Fuzzing {len(PARSERS)} adapters for {options.seconds} s", flush=True)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={options.seconds}",
            f"-max_len={MAX_BYTES}",
            f"-timeout={MAX_SECONDS}",
            f"-artifact_prefix={KEPT}/",
            f"-dict={words}",
            f"-seed={options.seed}",
            "-verbosity=0",
            "-print_final_stats=1",
            str(corpus),
        ],
        judge,
    )
    atheris.Fuzz()  # It never returns.


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make fuzz",
        description="Fuzz the adapters: whatever text comes in, only AdapterError or results that"
        " can be stored come out. Exits with an error, and keeps the input, where that is broken.",
    )
    parser.add_argument("--seconds", type=int, default=120, help="how long (default: 120)")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the changes (default: a new one)",
    )
    parser.add_argument(
        "input", nargs="*", type=Path, help=f"a file that an earlier run kept in {KEPT}"
    )
    return parser.parse_args()


def judge(data: bytes) -> None:
    """Let one adapter read what the fuzzer made: two bytes choose adapter and average."""
    if len(data) > 2:
        read_or_refuse(*_decoded(data))


def _decoded(data: bytes) -> tuple[Adapter, str, Average | None]:
    adapter = PARSERS[data[0] % len(PARSERS)]
    # Half surrogates are worth trying too: JSON's escapes can write them.
    return adapter, data[2:].decode(errors="surrogateescape"), AVERAGES[data[1] % len(AVERAGES)]


def _seeds() -> Iterator[bytes]:
    """Yield each sample for the adapter that reads it, and for magic."""
    for path in samples():
        text = path.read_bytes()[: MAX_BYTES - 2]
        expected = json.loads(path.with_name(path.name + ".expected.json").read_text())
        read = {Adapter(found["adapter"]) for found in expected["by_average_setting"].values()}
        for adapter in sorted({adapter.normalized for adapter in read} | {Adapter.MAGIC}):
            yield bytes([PARSERS.index(adapter), 0]) + text


def _dictionary() -> Iterator[str]:
    """Yield the words of the formats, in the way that the fuzzer reads them."""
    for word in WORDS:
        encoded = word.encode(errors="surrogatepass")
        if len(encoded) < 64:  # Longer ones it refuses.
            yield '"' + "".join(f"\\x{byte:02x}" for byte in encoded) + '"'


def _again(path: Path) -> None:
    adapter, text, average = _decoded(path.read_bytes())
    print(f"{path}: {adapter}, average {average}, text {text[:500]!r}", flush=True)
    read_or_refuse(adapter, text, average)
    print("read or refused, as it should be")


if __name__ == "__main__":
    main()
