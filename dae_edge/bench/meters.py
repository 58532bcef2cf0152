"""Energy: counters of RAPL, or the INA3221 power monitors of a Jetson, integrated over time."""

from __future__ import annotations

from typing import Any, Protocol

from dae_edge.bench.tree import Tree

WHOLE = ("VDD_IN", "POM_5V_IN")
"""Rails that feed the whole module (Orin Nano, Orin NX)."""
INSIDE_ANOTHER = ("VDDQ_VDD2_1V8AO", "VIN")
"""Not added up: fed by VIN_SYS_5V0 on AGX Orin; the board's input on Thor, which feeds the rest."""


class Meter(Protocol):
    """Something that knows power or energy; one that knows only power must be asked often."""

    name: str

    def sample(self, t_s: float) -> None:
        """Read it; ``t_s`` is the time of a steady clock."""

    def result(self) -> dict[str, Any]:
        """Joules ``by_rail`` and in ``total``, of ``total_of``, between first and last sample."""


class Rapl:
    """Energy counters of Intel and AMD processors, microjoules, which wrap around."""

    name = "RAPL"

    def __init__(self, tree: Tree, domains: dict[str, str]) -> None:
        self._tree = tree
        self._domains = domains
        self._last: dict[str, int] = {}
        self._joules = dict.fromkeys(domains, 0.0)

    def sample(self, t_s: float) -> None:
        """See ``Meter.sample``."""
        for name, folder in self._domains.items():
            value = self._tree.number(f"{folder}/energy_uj")
            if value is None:
                continue
            if name in self._last:
                step = value - self._last[name]
                if step < 0:
                    step += self._tree.number(f"{folder}/max_energy_range_uj") or 0
                self._joules[name] += max(0, step) / 1e6
            self._last[name] = value

    def result(self) -> dict[str, Any]:
        """See ``Meter.result``; packages count, not what is inside them."""
        packages = [name for name in self._domains if name.startswith("package")]
        total = sum(self._joules[name] for name in packages)
        return {"meter": self.name, "by_rail": self._joules, "total": total, "total_of": packages}


class Ina:
    """Rails of INA3221 (millivolt, milliampere) and INA238 (microwatt) monitors."""

    name = "INA3221"

    def __init__(self, tree: Tree, rails: dict[str, tuple[str, ...]]) -> None:
        self._tree = tree
        self._rails = rails
        self._last: tuple[float, dict[str, float]] | None = None
        self._joules = dict.fromkeys(rails, 0.0)

    def power_w(self) -> dict[str, float]:
        """Power of each rail now; rails that cannot be read are left out."""
        power = {}
        for name, paths in self._rails.items():
            values = [self._tree.number(path) for path in paths]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                power[name] = known[0] / 1e6 if len(known) == 1 else known[0] * known[1] / 1e6
        return power

    def sample(self, t_s: float) -> None:
        """See ``Meter.sample``."""
        power = self.power_w()
        if self._last is not None:
            before_s, before = self._last
            for name in power.keys() & before.keys():
                self._joules[name] += (power[name] + before[name]) / 2 * (t_s - before_s)
        self._last = t_s, power

    def result(self) -> dict[str, Any]:
        """See ``Meter.result``."""
        whole = [name for name in self._rails if name in WHOLE]
        of = whole or [name for name in self._rails if name not in INSIDE_ANOTHER]
        total = sum(self._joules[name] for name in of)
        return {"meter": self.name, "by_rail": self._joules, "total": total, "total_of": of}


def open_meter(tree: Tree) -> tuple[Meter | None, str]:
    """The machine's meter and its name; or None and why there is none."""
    if rails := _rails(tree):
        return Ina(tree, rails), Ina.name
    domains, hidden = _domains(tree)
    if domains:
        return Rapl(tree, domains), Rapl.name
    if hidden:
        return None, f"no meter: {hidden} can be read by root only"
    return None, "no meter: neither RAPL nor INA3221 was found"


def _rails(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Paths by label; ``NC`` is not connected, channel 7 is a sum of shunt voltages."""
    rails: dict[str, tuple[str, ...]] = {}
    for path in tree.glob("sys/class/hwmon/hwmon*/name"):
        folder, kind = path.removesuffix("/name"), tree.text(path)
        if kind == "ina238" and tree.number(f"{folder}/power1_input") is not None:
            rails[tree.text(f"{folder}/in1_label") or "VIN"] = (f"{folder}/power1_input",)
        if kind != "ina3221":
            continue
        for channel in (1, 2, 3):
            label = tree.text(f"{folder}/in{channel}_label")
            paths = (f"{folder}/in{channel}_input", f"{folder}/curr{channel}_input")
            if label and label != "NC" and all(tree.number(one) is not None for one in paths):
                rails[label] = paths
    return rails


def _domains(tree: Tree) -> tuple[dict[str, str], str | None]:
    """Folders of RAPL domains by name, and one that cannot be read."""
    domains: dict[str, str] = {}
    hidden = None
    for path in tree.glob("sys/class/powercap/intel-rapl:*/name"):
        folder, name = path.removesuffix("/name"), tree.text(path) or "?"
        if tree.number(f"{folder}/energy_uj") is None:
            hidden = f"/{folder}/energy_uj"
            continue
        if name in domains:  # a second package's dram
            name = f"{name} {folder.rsplit(':', 2)[-2]}"
        domains[name] = folder
    return domains, hidden
