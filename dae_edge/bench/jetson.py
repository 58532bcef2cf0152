"""A Jetson by its files: model, L4T, JetPack, power mode, clocks.

Sources: the device tree (model), /etc/nv_tegra_release (L4T), /var/lib/nvpmodel/status and
/etc/nvpmodel.conf (power mode), cpufreq and devfreq (``jetson_clocks`` sets the lowest clock to the
highest). As described in the Jetson Linux Developer Guide, "Platform Power and Performance".
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from dae_edge.bench.sensors import gpu_clocks
from dae_edge.bench.tree import Tree

FIXED = "fixed at their maximum (jetson_clocks)"
_JETPACK = (
    ((39, 0), "7.2 or later"),
    ((38, 4), "7.1"),
    ((38, 0), "7.0"),
    ((36, 4, 3), "6.2"),
    ((36, 4), "6.1"),
    ((36, 3), "6.0"),
    ((35, 0), "5"),
    ((32, 0), "4"),
)
"""Oldest L4T of each JetPack, newest first."""


def is_jetson(tree: Tree) -> bool:
    """Whether the device tree, or the release file, says so."""
    model = tree.text("proc/device-tree/model") or ""
    return "jetson" in model.lower() or tree.text("etc/nv_tegra_release") is not None


def jetson_facts(tree: Tree) -> dict[str, Any]:
    """What a reader must know of a Jetson before comparing two numbers; unknown is None."""
    l4t = _l4t(tree.text("etc/nv_tegra_release") or "")
    cpu, gpu = _cpu_clocks(tree), _gpu_clocks(tree)
    fixed = [low == high for low, high in (*cpu, *gpu)]
    return {
        "model": tree.text("proc/device-tree/model") or "Jetson, model unknown",
        "l4t": ".".join(map(str, l4t)) or None,
        "jetpack": next((name for oldest, name in _JETPACK if l4t and l4t >= oldest), None),
        "power_mode": _power_mode(tree),
        "clocks": _in_words(fixed),
        "cpu_max_mhz": max((high / 1e3 for _, high in cpu), default=None),
        "gpu_max_mhz": max((high / 1e6 for _, high in gpu), default=None),
        "cores_online": tree.text("sys/devices/system/cpu/online"),
        **(_jetson_stats() if tree.real else {}),
    }


def advice(facts: dict[str, Any]) -> list[str]:
    """What to change for numbers that hold."""
    told = []
    if facts["clocks"] != FIXED:
        told.append("clocks are not fixed: run sudo jetson_clocks first")
    if facts["power_mode"] is None:
        told.append("the power mode is unknown: see sudo nvpmodel -q")
    return told


def _l4t(text: str) -> tuple[int, ...]:
    """(36, 4, 3) of ``# R36 (release), REVISION: 4.3, ...``."""
    match = re.search(r"R(\d+) \(release\), REVISION: (\d+)\.(\d+)", text)
    return tuple(int(number) for number in match.groups()) if match else ()


def _power_mode(tree: Tree) -> str | None:
    """Name and number, e.g. ``MAXN_SUPER (2)``."""
    match = re.search(r"pmode:\s*(\d+)", tree.text("var/lib/nvpmodel/status") or "")
    if not match:
        return None
    pattern = r"<\s*POWER_MODEL\s+ID\s*=\s*(\d+)\s+NAME\s*=\s*([^\s>]+)"
    found = re.findall(pattern, tree.text("etc/nvpmodel.conf") or "")
    names = {int(key): name for key, name in found}
    return f"{names.get(int(match[1]), 'mode')} ({int(match[1])})"


def _cpu_clocks(tree: Tree) -> list[tuple[int, int]]:
    """(Lowest, highest) that each processor may run at, kHz."""
    folders = tree.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq")
    limits = [
        (tree.number(f"{one}/scaling_min_freq"), tree.number(f"{one}/scaling_max_freq"))
        for one in folders
    ]
    return [(low, high) for low, high in limits if low and high]


def _gpu_clocks(tree: Tree) -> list[tuple[int, int]]:
    """The same of the GPU, Hz."""
    folders = [path.removesuffix("/cur_freq") for path in gpu_clocks(tree)]
    limits = [(tree.number(f"{one}/min_freq"), tree.number(f"{one}/max_freq")) for one in folders]
    return [(low, high) for low, high in limits if low and high]


def _in_words(fixed: list[bool]) -> str:
    if not fixed:
        return "unknown"
    return FIXED if all(fixed) else "not fixed (no jetson_clocks)"


def _jetson_stats() -> dict[str, Any]:
    """Serial-free facts that jetson-stats adds where it is installed and its service answers."""
    try:
        jtop = importlib.import_module("jtop")
        with jtop.jtop() as jetson:
            board = jetson.board
            hardware, libraries = board["hardware"], board["libraries"]
            return {
                "jetson_stats": str(jtop.__version__),
                "module": hardware.get("Module"),
                "jetpack": hardware.get("Jetpack") or None,
                "cuda": libraries.get("CUDA"),
                "tensorrt": libraries.get("TensorRT"),
            }
    except Exception:  # not installed, no service, or a Jetson that it does not know yet
        return {}
