"""What dae-run measured, as numbers for JSON and as a table for people."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from dae_edge.depth import Depth
from dae_edge.model import Model
from dae_edge.processor import processor
from dae_edge.sources.source import Source
from dae_edge.stream import DepthStream

WARM_UP = 3
"""First inferences left out of the latencies: engines settle caches and threads in them."""
STAGES = ("read", "encode", "infer", "output")
PERCENTILES = (50, 90, 99)


class Stopwatch:
    """Collects what each window took, stage by stage."""

    def __init__(self) -> None:
        self.began = perf_counter()
        self.windows = 0
        self.dropped_events = 0  # waited too long to be taken from the source
        self._microseconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self._read = 0.0

    def reading(self, seconds: float) -> None:
        """Time spent on events before they are a window, to be counted with the next one."""
        self._read += seconds

    def window(self, depth: Depth, output_seconds: float) -> None:
        """One window is done."""
        self.windows += 1
        if depth.infer_us:
            values = (self._read * 1e6, depth.encode_us, depth.infer_us, output_seconds * 1e6)
            for stage, value in zip(STAGES, values, strict=True):
                self._microseconds[stage].append(value)
        self._read = 0.0

    def latencies(self) -> dict[str, dict[str, float]]:
        """Milliseconds by stage and percentile; without the warm-up if enough windows are left."""
        measured = {}
        for stage, values in self._microseconds.items():
            kept = values[WARM_UP:] if len(values) > 2 * WARM_UP else values
            if kept:
                milliseconds = np.percentile(kept, PERCENTILES) / 1e3
                measured[stage] = {
                    f"p{p}": round(float(value), 3)
                    for p, value in zip(PERCENTILES, milliseconds, strict=True)
                }
                measured[stage]["max"] = round(max(kept) / 1e3, 3)
        return measured


def summarise(
    source: Source,
    model: Model,
    stream: DepthStream,
    stopwatch: Stopwatch,
    *,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Everything there is to say about a run."""
    counters = {name: count for name, count in source.counters().items() if count}
    return {
        "source": {
            "name": source.name,
            "format": source.format,
            "sensor": [source.width, source.height],
            "counters": counters,
        },
        "model": {
            "name": model.name,
            "bundle": str(model.bundle.path),
            "unit": model.unit,
            "trained": model.trained,
            "engine": model.engine.description,
        },
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "windows": stopwatch.windows,
        "dropped_before_reading": stopwatch.dropped_events,
        "wall_s": round(perf_counter() - stopwatch.began, 3),
        "peak_memory_mb": peak_memory_mb(),
        "health": asdict(stream.health),
        "latency_ms": stopwatch.latencies(),
        **extra,
    }


def peak_memory_mb() -> float | None:
    """Largest resident size of this process so far; None where the system does not tell.

    Not by getrusage: its figure outlives exec, so a child would report its parent's size.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    high_water = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return round(int(high_water[1]) / 1024, 1) if high_water else None


def lines(summary: dict[str, Any]) -> list[str]:
    """The summary as a table."""
    source, model, health = summary["source"], summary["model"], summary["health"]
    width, height = source["sensor"]
    told = [
        f"source   {source['name']}: {source['format']}, {width}x{height}, "
        f"{health['events']:,} events",
        f"model    {model['name']} ({model['bundle']})",
        f"engine   {model['engine']}, on {summary['machine']['processor']}",
        f"windows  {summary['windows']} in {summary['wall_s']:.1f} s: "
        f"{health['inferred']} inferred, {health['stale']} stale, "
        f"{health['dropped_windows']} dropped; "
        f"{health['restarts']} restarts",
        f"depth    {model['unit']}",
    ]
    odd = {k: v for k, v in source["counters"].items() if k not in ("bytes", "words", "events")}
    if odd:
        told.append("counted  " + ", ".join(f"{count:,} {name}" for name, count in odd.items()))
    if summary["peak_memory_mb"] is not None:
        told.append(f"memory   {summary['peak_memory_mb']:.0f} MB at most, engine included")
    if summary["latency_ms"]:
        told += [
            "",
            "ms per window       " + "".join(f"{f'p{p}':>9}" for p in PERCENTILES) + "      max",
        ]
        for stage, values in summary["latency_ms"].items():
            told.append(f"  {stage:<18}" + "".join(f"{value:9.2f}" for value in values.values()))
        told.append(
            f"  (inferred windows but the first {WARM_UP}; read = read, decode and sort into "
            "windows, output = draw and write)"
        )
    return told
