"""The page's tables about decoding and encoding: what was measured, and what was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import encoding_report

RESULT = Path(encoding_report.__file__).parent / "results" / "encoding.json"


def row(group: str, case: str, value: float, words: float | None = None) -> dict[str, Any]:
    return {"group": group, "case": case, "value": value, "mega_words_per_s": words}


def test_a_case_is_a_line_a_recording_a_column_and_a_gap_is_a_dash():
    rows = [
        row("decode a_evt3.raw", "dae-edge decode, avx512", 400.4, 700),
        row("decode a_evt3.raw", "evt3 decode_file", 50),
        row("decode b_evt2.raw", "dae-edge decode, avx512", 1100, 1100),
        row("decode b_evt2.raw", "dae-edge decode, serial", 500, 500),
        row("render 4x3", "dae-edge uint8, serial", 0.12345),
    ]
    assert encoding_report.table(rows, "decode ", "Mev/s", "{:.0f}") == [
        "| Mev/s | a_evt3.raw | b_evt2.raw |",
        "| --- | ---: | ---: |",
        "| dae-edge decode, avx512 | 400 | 1100 |",
        "| evt3 decode_file | 50 | - |",
        "| dae-edge decode, plain C | - | 500 |",
    ]
    told = encoding_report.bandwidth(rows, {"read_gb_per_s": 20.0, "copy_gb_per_s": 10.0})
    assert "700, 1100 million words a second, 1.4, 4.4 GB/s, which is 7, 22 %" in told


def test_the_page_shows_the_libraries_that_were_measured_and_says_which_failed(tmp_path: Path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{encoding_report.BEGIN}\nold\n{encoding_report.END}\nafter\n")
    encoding_report.render(page, RESULT)
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    content = json.loads(RESULT.read_text())
    for entry in content["rows"]:
        assert any(line.startswith(f"| {entry['case'].split(',')[0]}") for line in lines)
    for names in content["failed"].values():
        for name in names:
            assert any(line.startswith(f"- not measured: {name}") for line in lines)
    assert max(len(line) for line in lines if not line.startswith("|")) <= 120
