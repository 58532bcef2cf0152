"""Clocks, temperatures and throttle flags below a tree: what there is, found once, read often."""

from __future__ import annotations

from dae_edge.bench.tree import Tree

_HOTTEST_C, _COLDEST_C = 150.0, -50.0
"""Readings outside are of sensors that are switched off."""


class Sensors:
    """Everything about a machine's pace that can be read while something runs on it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._cpu = tree.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        self._gpu = [path for path in gpu_clocks(tree) if tree.number(path) is not None]
        self._zones = tree.glob("sys/class/thermal/thermal_zone*/temp")
        self._counters = _throttle_counters(tree)
        self._alerts = _alerts(tree)

    def cpu_mhz(self) -> float | None:
        """Mean clock of the processors; a virtual machine may tell a constant, or nothing."""
        clocks = [value / 1e3 for path in self._cpu if (value := self._tree.number(path))]
        return round(sum(clocks) / len(clocks), 1) if clocks else None

    def gpu_mhz(self) -> float | None:
        """Fastest clock of the integrated GPU."""
        clocks = [value / 1e6 for path in self._gpu if (value := self._tree.number(path))]
        return round(max(clocks), 1) if clocks else None

    def temperature_c(self) -> float | None:
        """Hottest zone."""
        values = [value / 1e3 for path in self._zones if (value := self._tree.number(path))]
        values = [value for value in values if _COLDEST_C < value < _HOTTEST_C]
        return max(values) if values else None

    def throttle_counts(self) -> dict[str, int]:
        """How often the machine has slowed itself down since it started, by kind."""
        counts: dict[str, int] = {}
        for name, path in self._counters:
            counts[name] = counts.get(name, 0) + (self._tree.number(path) or 0)
        return counts

    def alerts(self) -> list[str]:
        """What slows the machine down at this moment."""
        return [name for name, path in self._alerts if self._tree.number(path)]


def gpu_clocks(tree: Tree) -> list[str]:
    """Current clocks of an integrated NVIDIA GPU: ``17000000.gpu`` (Orin), ``gpu-gpc-0`` (Thor)."""
    paths = tree.glob("sys/class/devfreq/*/cur_freq")
    return [path for path in paths if any(word in path for word in (".gpu/", ".ga10b/", "gpu-gpc"))]


def _throttle_counters(tree: Tree) -> list[tuple[str, str]]:
    """(Name, path): Intel's thermal counters, and the over-current events of Tegra."""
    found = []
    for kind in ("core", "package"):
        pattern = f"sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/{kind}_throttle_count"
        found += [(f"{kind} too hot", path) for path in tree.glob(pattern)]
    for name in tree.glob("sys/class/hwmon/hwmon*/name"):
        if tree.text(name) == "soctherm_oc":
            folder = name.removesuffix("/name")
            words = {"oc1": "under-voltage", "oc2": "average over-current", "oc3": "over-current"}
            for path in tree.glob(f"{folder}/oc*_event_cnt"):
                key = path.rsplit("/", 1)[1].removesuffix("_event_cnt")
                found.append((words.get(key, key), path))
    return found


def _alerts(tree: Tree) -> list[tuple[str, str]]:
    """(Name, path) of Tegra's cooling devices that stand for throttling: cpu-throttle-alert, .."""
    found = []
    for path in tree.glob("sys/class/thermal/cooling_device*/type"):
        name = tree.text(path) or ""
        if name.endswith("throttle-alert"):
            found.append((name, path.removesuffix("type") + "cur_state"))
    return found
