"""What else happens on the machine while a launch is measured, seen from another process."""

from __future__ import annotations

import os
import time
from typing import Any

from dae_edge.bench.meters import open_meter
from dae_edge.bench.sensors import Sensors
from dae_edge.bench.tree import Tree

EVERY_S = 0.1
_BUSY = slice(0, 7)
"""user, nice, system, idle, iowait, irq, softirq of /proc/stat's first line; idle is taken out."""
_IDLE, _IOWAIT, _STOLEN = 3, 4, 7


class Watch:
    """Samples clocks, temperature and power, and counts processor time, until ``result``.

    Args:
        tree: The machine.
        pid: The process that is measured.
    """

    def __init__(self, tree: Tree, pid: int) -> None:
        self._tree = tree
        self._pids = (pid, os.getpid())
        self._sensors = Sensors(tree)
        self._meter, self._meter_name = open_meter(tree)
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._rows: list[tuple[float, float | None, float | None, float | None, bool]] = []
        self._alerts: set[str] = set()
        self._load = (tree.text("proc/loadavg") or "").split()[:1]
        self._counts = self._sensors.throttle_counts()
        self._began = time.monotonic()
        self._times = self._processor_times()
        self.sample()

    def sample(self) -> None:
        """Look once; call it every ``EVERY_S`` or so."""
        sensors, now = self._sensors, time.monotonic()
        alerts = sensors.alerts()
        self._alerts |= set(alerts)
        self._rows.append(
            (
                round(now - self._began, 3),
                sensors.cpu_mhz(),
                sensors.gpu_mhz(),
                sensors.temperature_c(),
                bool(alerts),
            )
        )
        if self._meter is not None:
            self._meter.sample(now)

    def result(self) -> dict[str, Any]:
        """Everything seen, for the record and for ``judging``."""
        self.sample()
        elapsed = time.monotonic() - self._began
        counts = self._sensors.throttle_counts()
        more = [name for name, count in counts.items() if count > self._counts.get(name, 0)]
        t_s, cpu, gpu, temperature, throttled = zip(*self._rows, strict=True)
        energy = self._meter.result() if self._meter else {"why": self._meter_name}
        return {
            "seconds": round(elapsed, 3),
            **self._shares(elapsed),
            "load_before": float(self._load[0]) if self._load else None,
            "throttled": sorted({*more, *self._alerts}),
            "t_s": list(t_s),
            "throttled_now": list(throttled),
            "cpu_mhz": list(cpu) if any(cpu) else None,
            "gpu_mhz": list(gpu) if any(gpu) else None,
            "temperature_c": list(temperature) if any(temperature) else None,
            "energy": energy,
        }

    def _shares(self, elapsed: float) -> dict[str, float | None]:
        """Processor time of others, in cores, and the share that a hypervisor took."""
        if self._times is None or (now := self._processor_times()) is None or elapsed <= 0:
            return {"others_cores": None, "stolen": None}
        busy, own, stolen = (b - a for a, b in zip(self._times, now, strict=True))
        cores = os.cpu_count() or 1
        return {
            "others_cores": round(max(0.0, busy - own) / elapsed, 3),
            "own_cores": round(own / elapsed, 3),
            "stolen": round(stolen / elapsed / cores, 4),
        }

    def _processor_times(self) -> tuple[float, float, float] | None:
        """Seconds of processor time so far: all that was busy, our own, stolen."""
        line = (self._tree.text("proc/stat") or "").partition("\n")[0].split()
        if len(line) <= _STOLEN + 1 or line[0] != "cpu":
            return None
        values = [int(word) for word in line[1:]]
        busy = sum(values[_BUSY]) - values[_IDLE] - values[_IOWAIT]
        own = sum(self._of_process(pid) for pid in self._pids)
        return busy / self._ticks, own / self._ticks, values[_STOLEN] / self._ticks

    def _of_process(self, pid: int) -> int:
        """Ticks of user and system time; 0 where there is no such process."""
        after_name = (self._tree.text(f"proc/{pid}/stat") or "").rpartition(")")[2].split()
        return int(after_name[11]) + int(after_name[12]) if len(after_name) > 12 else 0
