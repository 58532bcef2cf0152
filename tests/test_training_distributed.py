"""Two processes with half a batch each are one process with the whole batch."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("PIL", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

import torch
from small_training import finish, rows, start, write_recipe

from training.distributed import Processes, processes

# The part of a loss that divides by all valid pixels has to count those of the other process too.
LOSS = '[{name="ssi", alpha=0, reduction="batch"}, {name="silog"}]'

# Sums in another order differ in the last bit. AdamW divides a gradient by its own size, so where
# the true gradient is 0 (as for a ViT's keys) that bit decides the sign of a whole step: two curves
# part sooner or later, and the sooner the higher the rate is. With 1e-4 they are 1e-3 apart after
# six steps, with this rate 1e-6 after ten; what is learnt meanwhile changes the loss by 1e-2.
SETTINGS = (
    "steps=10", "batch=4", "carry=3", "lr=1e-6", "warmup=0", "schedule=constant", "amp=off",
    "validate_every=0", "checkpoint_every=100", f"loss={LOSS}",
)  # fmt: skip
NETWORK = ("activation=sigmoid", "scale_factor=100.0")


def command(out: Path, *more: str) -> list[str]:
    words = ["--recipe", write_recipe(out.parent), "--out", str(out), "--device", "cpu"]
    words += ["--stage", "first"]
    words += [word for one in NETWORK for word in ("--set", f"model_settings.{one}")]
    return words + [word for one in (*SETTINGS, *more) for word in ("--set", f"first.{one}")]


def start_two(arguments: list[str], *, trouble: str = "") -> list[subprocess.Popen[str]]:
    """As ``torchrun --nproc-per-node 2`` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [
        start(
            arguments, trouble=trouble, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
            MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
        )
        for rank in range(2)
    ]  # fmt: skip


def finished(*started: subprocess.Popen[str]) -> list[str]:
    """What they said, each with exit code 0."""
    found = finish(*started)
    assert [code for code, _, _ in found] == [0] * len(found), found
    return [said for _, said, _ in found]


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path: Path):
    alone, both = tmp_path / "alone", tmp_path / "both"
    one, first, second = finished(start(command(alone)), *start_two(command(both)))
    assert "weights in" in one
    assert "weights in" in first
    assert second == ""  # only the first one speaks
    found, wanted = rows(both / "log.csv"), rows(alone / "log.csv")
    assert len(found) == len(wanted) == 10
    for mine, theirs in zip(found, wanted, strict=True):
        for what in ("loss", "grad_norm"):
            assert float(mine[what]) == pytest.approx(float(theirs[what]), rel=1e-5)
    for mine, theirs in zip(
        rows(both / "validation.csv"), rows(alone / "validation.csv"), strict=True
    ):
        assert float(mine["strict_rmse"]) == pytest.approx(float(theirs["strict_rmse"]), rel=1e-2)


@pytest.mark.slow
def test_two_processes_stop_together_and_one_goes_on_alone(tmp_path: Path):
    out = tmp_path / "run"
    first, second = finished(*start_two(command(out), trouble="terminate:4"))
    assert "first: stopped after step" in first
    assert "to go on: torchrun ... -m training --recipe" in first
    assert second == ""
    done = len(rows(out / "log.csv"))
    assert 1 <= done < 10
    (said,) = finished(start(command(out)))  # the state of both is in the checkpoint
    assert "first: 10 steps" in said
    assert [row["step"] for row in rows(out / "log.csv")] == [str(n + 1) for n in range(10)]


def test_a_batch_is_shared_equally_or_not_at_all():
    cpu = torch.device("cpu")
    parts = [Processes(rank, 3, cpu).share(12) for rank in range(3)]
    assert [list(range(12))[part] for part in parts] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="batch 10 cannot be shared by 3 processes equally"):
        Processes(0, 3, cpu).share(10)


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with processes("cpu") as us:
        assert (us.rank, us.count, us.first, us.device.type) == (0, 1, True, "cpu")
        values = torch.arange(3.0)
        assert us.mean(values) is values
        assert us.gather(values) is values
        us.wait()
        us.same_weights(torch.nn.Linear(1, 1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="--device cuda: no CUDA device was found"):
        processes("cuda").__enter__()
