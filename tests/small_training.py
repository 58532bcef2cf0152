"""A recipe and clips that are small enough to train in a second; also run as a command by tests.

``python tests/small_training.py ARGUMENTS`` is ``python -m training ARGUMENTS`` with these clips;
the environment variable TRAINING_TROUBLE makes them misbehave: "nan:STEP", "memory:STEP",
"terminate:STEP" or "slow:SECONDS".
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.clip import Clip
from training.recipe import Stage, read_recipe
from training.settings import apply_setting, parse_toml

ROOT = Path(__file__).resolve().parent.parent

HEIGHT, WIDTH = 40, 52

RECIPE = """
name = "small"
model = "depthanyevent-r-tiny"
seed = 3
[model_settings]
input_width = 84
input_height = 70
activation = "relu"
inv_prediction = true
scale_factor = 1.0
features = 8
out_channels = [8, 8, 8, 8]
[[stage]]
name = "first"
data = "toy"
steps = 6
batch = 2
clip = 2
carry = 2
loss = [{name = "ssi", space = "inverse"}, {name = "silog", weight = 0.5}]
lr = 1e-3
weight_decay = 0.05
warmup = 2
ema = 0.9
validate_every = 4
checkpoint_every = 2
[[stage]]
name = "second"
data = "toy"
steps = 2
batch = 2
clip = 1
loss = "l1"
space = "log"
lr = 1e-4
freeze = "encoder"
"""

TIMES = ("seconds", "samples_per_s")
"""Columns of log.csv that differ between runs that compute the same."""


def write_recipe(folder: Path) -> str:
    """The recipe above as a file; its path."""
    path = folder / "small.toml"
    path.write_text(RECIPE)
    return str(path)


def small_recipe(*settings: str) -> Any:
    """The recipe above, read, with settings as of ``--set``."""
    content = parse_toml(RECIPE, "small.toml")
    for setting in settings:
        apply_setting(content, setting)
    return read_recipe(content, "small.toml")


def start(arguments: list[str], *, trouble: str = "", **environment: str) -> subprocess.Popen[str]:
    """Train in a process of its own, in one thread."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", __file__, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "TRAINING_TROUBLE": trouble,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*started: subprocess.Popen[str], seconds: float = 600) -> list[tuple[int, str, str]]:
    """Exit codes, and what was said on stdout and stderr; none is left running."""
    try:
        said = [one.communicate(timeout=seconds) for one in started]
        return [(one.returncode, *texts) for one, texts in zip(started, said, strict=True)]
    finally:
        for one in started:
            one.kill()


def rows(path: Path) -> list[dict[str, str]]:
    """A table of a run, without what a clock says."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key not in TIMES} for row in found]


def wait_for(condition: Any, *, seconds: float = 600) -> None:
    """Until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class ToyClips:
    """Clips of random events in front of a slanted wall."""

    def __init__(self, stage: Stage, *, seed: int, channels: int = 3) -> None:
        self._stage, self._seed, self._channels = stage, seed, channels
        self.asked: list[tuple[int, int]] = []
        self._trouble, _, number = os.environ.get("TRAINING_TROUBLE", "").partition(":")
        self._number = float(number or 0)

    def clip(self, sequence_batch: int, chunk: int, items: slice) -> Clip:
        stage = self._stage
        step = sequence_batch * stage.carry + chunk
        self.asked.append((sequence_batch, chunk))
        numbers = [sequence_batch * stage.batch + item for item in range(stage.batch)[items]]
        made = [self._one(self._seed * 1000 + number, chunk) for number in numbers]
        windows, depth = (torch.stack(parts) for parts in zip(*made, strict=True))
        if self._trouble == "nan" and step >= self._number:
            windows = torch.full_like(windows.float(), torch.nan)
        if self._trouble == "memory" and step >= self._number:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if self._trouble == "terminate" and step == self._number:
            signal.raise_signal(signal.SIGTERM)
        if self._trouble == "slow":
            time.sleep(self._number)
        return Clip(windows, depth)

    def _one(self, number: int, chunk: int) -> tuple[Tensor, Tensor]:
        draw = torch.Generator().manual_seed(100 * number + chunk)
        shape = (self._stage.clip, self._channels, HEIGHT, WIDTH)
        if self._channels == 3:
            windows = torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)
        else:
            windows = torch.randn(shape, generator=draw)
        depth = 2 + 10 * torch.rand(self._stage.clip, 1, 1, generator=draw)
        depth = depth + torch.linspace(0, 5, HEIGHT)[:, None] + torch.zeros(WIDTH)
        depth[:, : HEIGHT // 4] = 0  # unknown; the amount differs between images
        depth[:, :, : number % 7] = 0
        return windows, depth

    def validation(self) -> Iterator[tuple[str, list[Clip]]]:
        for name in ("a", "b"):
            pairs = [self._one(ord(name), chunk) for chunk in range(2)]
            yield name, [Clip(windows[None], depth[None]) for windows, depth in pairs]


def open_toy_clips(
    stage: Stage,
    *,
    seed: int,
    root: Path,
    window_kind: str,
    size: Any,
    device: torch.device,
) -> ToyClips:
    return ToyClips(stage, seed=seed, channels=5 if window_kind == "voxels" else 3)


if __name__ == "__main__":
    from training.__main__ import main

    sys.exit(main(open_clips=open_toy_clips))
