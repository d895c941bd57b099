"""console.time."""

import pytest

from ingest.adapters.registry import Adapter
from tests.ingest.adapters.reading import latencies


class TestParse:
    @pytest.mark.parametrize(
        ("duration", "seconds"),
        [
            ("0.005ms", 5e-6),
            ("1.102s", 1.102),
            ("1:02.345 (m:ss.mmm)", 62.345),
            ("2:01:02.345 (h:mm:ss.mmm)", 7262.345),
            ("12.5 ms", 0.0125),
            ("3ms - timer ended", 0.003),
        ],
    )
    def test_reads_every_form_of_a_duration(self, duration: str, seconds: float) -> None:
        found = latencies(Adapter.JS_TIME, f"a: label: {duration}\n")

        assert found.keys() == {"a: label"}
        assert found["a: label"][0] == pytest.approx(seconds * 1e9)
        assert found["a: label"][1:] == (None, None)

    @pytest.mark.parametrize(
        "line",
        [
            "label: 13.692ms half",
            "listening on port: 8080",
            "label: ms",
            ": 5ms",
            "label:5ms",
            "label: 1:02.345",
            "label: 1:2:3 (m:ss.mmm)",
            "label: x:02.345 (m:ss.mmm)",
            "finished in 5s",
        ],
    )
    def test_passes_over_other_lines(self, line: str) -> None:
        assert latencies(Adapter.JS_TIME, f"{line}\ngood: 1ms").keys() == {"good"}
