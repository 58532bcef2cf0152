"""How fast training data is made and learnt from: windows per second on this machine.

    python benchmarks/training_speed.py [--device cuda] [--threads 1] [--json FILE]

Filming: the synthetic world, 16 scenes at once, after a warm-up that compiles. Training: whole
steps (network, loss, gradient, optimiser) on made-up clips at a recipe's size. Each row is the
median over repeats, with the fastest and the slowest.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from dae_edge.cli.info import machine
from dae_edge.nn import DepthAnyEvent, ModelConfig
from dae_edge.recipes import load_recipe
from dae_edge.world.families import make_scenes
from dae_edge.world.film import Film
from dae_edge.world.sensor import load_profile
from training.objective import objective
from training.recipe import Term
from training.spaces import own_output

SCENES, REPEATS = 16, 7
FAMILIES = ["indoor", "road", "clutter", "road-night"]
STUDENTS = {"depthanyevent-r-tiny": 16, "depthanyevent-r": 4}
"""Recipes, and the batch of each."""

CLIP = 2
TERMS = [
    Term("silog", "log", mean_weight=0.3),
    Term("gradient", "log", weight=0.2, scales=3),
]


def main() -> None:
    """Measure, print the table, write the JSON."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    rows = [filming(name, device, fused) for name in ("half", "davis346") for fused in (0, 1)]
    rows += [step(name, device, amp) for name in STUDENTS for amp in ("off", "bf16")]
    print(table(rows))
    if options.json:
        about = machine()
        about.pop("packages")
        content = {
            "machine": about,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
            "torch": torch.__version__,
            "threads": options.threads,
            "rows": rows,
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def filming(sensor: str, device: torch.device, fused: int) -> dict[str, Any]:
    """Windows that the synthetic world gives."""
    families = (FAMILIES * SCENES)[:SCENES]
    scenes = make_scenes(list(range(SCENES)), families).to(device)
    film = Film(scenes, load_profile(sensor), compiled=bool(fused))
    what = f"filming {sensor}, {'compiled' if fused else 'eager'}"
    return timed(what, film.window, SCENES, device)


def step(name: str, device: torch.device, amp: str) -> dict[str, Any]:
    """Windows that a student learns from."""
    settings = load_recipe(name).model
    model = DepthAnyEvent(ModelConfig(**settings)).to(device)
    height, width = model.config.input_height, model.config.input_width
    batch = STUDENTS[name]
    windows = torch.rand(CLIP, batch, 3, height, width, device=device)
    depth = 1 + torch.rand(CLIP * batch, height, width, device=device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def one() -> None:
        state, outputs = None, []
        with torch.autocast(device.type, torch.bfloat16, enabled=amp == "bf16"):
            for window in windows:
                own, state = own_output(model, window, state)
                outputs.append(own.float())
        loss = objective(
            model, torch.cat(outputs), depth, TERMS, range_m=80.0, mean=lambda value: value
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    what = f"training {name} at {width}x{height}, batch {batch} x {CLIP}, amp {amp}"
    return timed(what, one, CLIP * batch, device)


def timed(what: str, work: Callable[[], Any], windows: int, device: torch.device) -> dict[str, Any]:
    """Windows per second over repeats."""
    speeds = []
    for repeat in range(REPEATS + 1):
        began = perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if repeat:  # the first one warms up
            speeds.append(windows / (perf_counter() - began))
    return {
        "what": what,
        "windows_per_s": round(statistics.median(speeds), 2),
        "slowest": round(min(speeds), 2),
        "fastest": round(max(speeds), 2),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| what | windows/s, median | slowest .. fastest |", "| --- | ---: | ---: |"]
    for row in rows:
        span = f"{row['slowest']:.1f} .. {row['fastest']:.1f}"
        lines.append(f"| {row['what']} | {row['windows_per_s']:.1f} | {span} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
