"""dae-run on every recording of a folder, each in a process of its own: time and memory.

    python benchmarks/readers.py RECORDINGS [--json FILE]

Each run reads the whole recording and infers every window with the default model for the
recording's sensor; the bundles are made before anything is timed. Wall time is that of the whole
process, imports included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from dae_edge.cli.info import machine
from dae_edge.cli.progress import Progress, Steps
from dae_edge.default_model import default_bundle
from dae_edge.sources import open_source

SENSORS = {"ncars.dat": (120, 100)}
"""Sensors of recordings that do not say theirs."""


def main() -> None:
    """Run, print the table, write the JSON."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    paths = [path for path in sorted(options.folder.iterdir()) if path.suffix != ".md"]
    bar = Progress("recordings", total=len(paths), unit="file")
    rows = []
    for index, path in enumerate(paths):
        rows.append(measure(path))
        bar.to(index + 1, path.name)
    bar.close()
    print(table(rows))
    if options.json:
        about = machine()
        about.pop("packages")
        options.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n")


def measure(path: Path) -> dict[str, Any]:
    """One recording through dae-run."""
    sensor = SENSORS.get(path.name)
    with open_source(path, sensor=sensor) as source:
        size = source.width, source.height
    with Steps() as steps:
        bundle = default_bundle(size, steps)
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        command = [sys.executable, "-m", "dae_edge.cli.run", str(path), "--model", str(bundle)]
        command += ["--sensor", f"{size[0]}x{size[1]}"] if sensor else []
        began = perf_counter()
        subprocess.run([*command, "--json", str(summary)], check=True, capture_output=True)
        wall = perf_counter() - began
        told = json.loads(summary.read_text())
    return {
        "file": path.name,
        "format": told["source"]["format"],
        "sensor": told["source"]["sensor"],
        "events": told["health"]["events"],
        "counters": told["source"]["counters"],
        "windows": told["windows"],
        "model": told["model"]["name"],
        "engine": told["model"]["engine"],
        "process_s": round(wall, 2),
        "peak_memory_mb": told["peak_memory_mb"],
        "latency_ms": told["latency_ms"],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| file | format | sensor | events | windows | wall s | peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        width, height = row["sensor"]
        cells = [
            row["file"],
            row["format"],
            f"{width}x{height}",
            f"{row['events']:,}",
            str(row["windows"]),
            f"{row['process_s']:.1f}",
            f"{row['peak_memory_mb']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
