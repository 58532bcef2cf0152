"""Launches are kept: a run goes on where it was stopped, and does nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from benchmarks.kept import Kept, Launches, OutOfTimeError, is_kept
from dae_edge.bench import matrix
from dae_edge.bench.case import Case
from dae_edge.bench.tree import Tree
from dae_edge.sample import SAMPLE


def value(number: int) -> Any:
    return lambda: {"number": number}


def refuse() -> dict[str, Any]:
    raise AssertionError("measured again")


def test_a_value_is_made_once_also_by_the_next_run(tmp_path: Path):
    path = tmp_path / "folder" / "kept.jsonl"
    assert Kept(path).get("a", value(1)) == {"number": 1}
    kept = Kept(path)
    assert "a" in kept
    assert kept.get("a", refuse) == {"number": 1}
    assert "b" not in kept


def test_a_line_that_was_being_written_is_made_again_and_the_others_stay(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    kept = Kept(path)
    kept.get("a", value(1))
    kept.get("b", value(2))
    path.write_text(path.read_text()[:-5])
    kept = Kept(path)
    assert kept.get("a", refuse) == {"number": 1}
    assert kept.get("b", value(3)) == {"number": 3}
    assert Kept(path).get("b", refuse) == {"number": 3}


def test_when_time_is_over_nothing_new_is_begun(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    Kept(path).get("a", value(1))
    kept = Kept(path, minutes=0)
    assert kept.get("a", refuse) == {"number": 1}
    with pytest.raises(OutOfTimeError):
        kept.get("b", refuse)


def test_a_run_that_is_done_leaves_what_others_began(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    Kept(path).get("of a longer run", value(1))
    kept = Kept(path)
    kept.get("mine", value(2))
    kept.finish()
    left = Kept(path)
    assert "of a longer run" in left
    assert "mine" not in left
    left.forget()
    assert not path.exists()


def test_real_launches_go_on_after_a_stop_and_are_known_by_their_case(
    small_bundle: Path, tmp_path: Path
):
    path = tmp_path / "kept.jsonl"
    bundle = str(small_bundle)
    cases = [
        Case(name, str(SAMPLE), bundle=bundle, backend="onnxruntime", threads=1, windows=2)
        for name in ("one", "two")
    ]
    first = Launches(Kept(path))
    began = first(cases[0], Tree(), about=True)
    assert began["about"]["date"].startswith("20")
    kept = Kept(path)
    assert is_kept(kept, cases[0], 1)
    assert not is_kept(kept, cases[0], 2)
    results, failed = matrix.run(cases, Tree(), launches=1, start=Launches(kept))
    assert not failed
    assert results[0].launches[0]["samples_us"] == began["samples_us"]
    again, _ = matrix.run(cases, Tree(), launches=1, start=Launches(Kept(path, minutes=0)))
    assert [one.launches for one in again] == [one.launches for one in results]
    longer = Case("one", str(SAMPLE), bundle=bundle, backend="onnxruntime", threads=1, windows=3)
    with pytest.raises(OutOfTimeError):
        matrix.run([longer], Tree(), launches=1, start=Launches(Kept(path, minutes=0)))
