"""What an engine is tied to: the GPU, its driver, and on a Jetson the release of its software."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dae_edge.backends.tensorrt.cuda import Cuda

TEGRA_RELEASE = Path("/etc/nv_tegra_release")
POWER_MODE = Path("/var/lib/nvpmodel/status")


@dataclass(frozen=True)
class Device:
    """The first GPU of this machine.

    Attributes:
        gpu: Its name, e.g. ``"Orin"``.
        compute_capability: E.g. ``"8.7"``.
        cuda: The driver's CUDA version, e.g. ``"12.6"``.
        l4t: Release of Jetson Linux, e.g. ``"36.4.3"``; empty elsewhere.
        power_mode: Of a Jetson at this moment, as nvpmodel notes it; empty elsewhere.
    """

    gpu: str
    compute_capability: str
    cuda: str
    l4t: str
    power_mode: str


def this_device(cuda: Cuda) -> Device:
    """What this machine is."""
    return Device(
        cuda.gpu, cuda.compute_capability, cuda.version, l4t_release(), _text_of(POWER_MODE)
    )


def l4t_release(path: Path = TEGRA_RELEASE) -> str:
    """Release of Jetson Linux, e.g. ``"36.4.3"``; empty where the file is not there."""
    found = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", _text_of(path))
    return f"{found[1]}.{found[2]}" if found else ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
