"""A run that is killed goes on as if nothing had been: every loss, bit for bit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("PIL", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

from small_training import finish, rows, start, wait_for, write_recipe

# A checkpoint after every third step, of sequences of two: it falls inside a sequence, so that the
# state has to come back too.
SETTINGS = ("steps=8", "carry=2", "checkpoint_every=3", "validate_every=4")
KILLED_AFTER = 4


def command(out: Path) -> list[str]:
    words = ["--recipe", write_recipe(out.parent), "--out", str(out), "--device", "cpu"]
    return words + [word for one in SETTINGS for word in ("--set", f"first.{one}")]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_losses_bit_for_bit(tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    untroubled = start(command(whole))
    process = start(command(broken), trouble="slow:1.0")
    log = broken / "log.csv"
    wait_for(lambda: len(rows(log)) >= KILLED_AFTER or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    ((code, _, errors),) = finish(process)
    assert code == -signal.SIGKILL, errors
    assert (broken / "first" / "last.pt").is_file()
    assert not (broken / "first.safetensors").exists()

    for code, _, errors in finish(untroubled, start(command(broken))):
        assert code == 0, errors
    found = rows(log)
    assert found == rows(whole / "log.csv")
    assert [row["step"] for row in found if row["stage"] == "first"] == list("12345678")
    assert rows(broken / "validation.csv") == rows(whole / "validation.csv")
    for name in ("first", "first-best", "second"):
        one, other = (out / f"{name}.safetensors" for out in (whole, broken))
        assert one.read_bytes() == other.read_bytes(), name
