"""Training speed is told as it is measured, row by row, and a row has so much time and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("tqdm", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

from benchmarks import training_rows
from benchmarks.training_speed import BEGIN, END, PAGE, main, name
from dae_edge.world.sensor import PROFILES

STEPS = "train `depthanyevent-r-tiny`, 126x98, batch 16 x 2, amp bf16, "


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    """Where a result and its page go."""
    (tmp_path / "page.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    return ["--json", str(tmp_path / "kept" / "speed.json"), "--page", str(tmp_path / "page.md")]


def rows(tmp_path: Path) -> list[dict[str, object]]:
    return json.loads((tmp_path / "kept" / "speed.json").read_text())["rows"]


@pytest.mark.slow
@pytest.mark.alone  # a row has so many seconds, and starting takes most of them
def test_rows_are_measured_kept_and_shown_and_one_without_time_says_so(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    one, two = STEPS + "1 process of 1 thread", STEPS + "2 processes of 1 thread"
    assert main([*places, "--only", two, "--seconds", "0.5"]) == 0
    assert f"{two}: not measured: no repeat was over after 0.5 s" in capsys.readouterr().out
    assert "windows_per_s" not in rows(tmp_path)[0]
    # Two share the work: where bf16 is not in the processor, one alone takes minutes.
    assert main([*places, "--only", two, "--seconds", "120"]) == 0
    said = capsys.readouterr().out
    (before,) = rows(tmp_path)
    assert main([*places, "--only", one, "--seconds", "0.5"]) == 0
    kept = rows(tmp_path)
    assert [row["name"] for row in kept] == [one, two]  # in the plan's order, not in time's
    assert kept[1] == before
    speed, slowest, fastest = (kept[1][key] for key in ("windows_per_s", "slowest", "fastest"))
    assert 0 < slowest <= speed <= fastest
    assert f"[1/1] {two}: {speed:.1f} windows/s" in said
    lines = (tmp_path / "page.md").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    repeats = kept[1]["repeats"]
    assert f"| {two} | {speed:.1f} | {slowest:.1f} to {fastest:.1f} of {repeats} |" in lines
    assert f"| {one} | - | not measured: no repeat was over after 0.5 s |" in lines


def test_a_row_that_fails_tells_its_error(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").write_text("raise ImportError('no torch today')")
    assert main([*places, "--only", "film `half`", "--seconds", "60"]) == 0
    assert rows(tmp_path)[0]["why"] == "ImportError: no torch today"


def test_the_plan_has_every_sensor_and_says_how_long_it_takes_at_most(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*places, "--plan"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.endswith(f"{len(others)} rows, at most {len(others):.1f} minutes")
    for sensor in PROFILES:
        assert sum(f"film `{sensor}`, " in line for line in others) == 1
    assert len(others) == len({name(row) for row in training_rows.rows("cpu")})
    assert not (tmp_path / "kept").exists()


def test_a_row_that_does_not_exist_is_refused(
    places: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main([*places, "--only", "fly"]) == 2
    assert "--only 'fly': no such row, wanted a part of one of: film `" in capsys.readouterr().err


def test_the_page_of_training_has_the_place_for_the_table():
    text = PAGE.read_text(encoding="utf-8")
    assert 0 < text.find(BEGIN) < text.find(END)
