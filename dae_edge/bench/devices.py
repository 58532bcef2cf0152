"""The machine that is measured: what it truly is, and whether it is the one that was asked for."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from typing import Any

from dae_edge.backends import NAMES
from dae_edge.bench.jetson import advice, is_jetson, jetson_facts
from dae_edge.bench.meters import open_meter
from dae_edge.bench.tree import Tree
from dae_edge.errors import MissingExtraError
from dae_edge.extras import require
from dae_edge.hints import closest

DEVICES = ("auto", "cpu", "intel", "intel-gpu", "intel-npu", "jetson", "cuda")
_INTEL, _AMD = "GenuineIntel", "AuthenticAMD"


@dataclass(frozen=True)
class Device:
    """A machine and what of it is used.

    Attributes:
        kind: One of ``DEVICES`` but ``auto``.
        name: The machine's true name.
        facts: Power mode, clocks, meter, and what else differs between two of a kind.
        backends: Inference engines that run there; empty: any.
        notes: What a reader must know, e.g. that it is not what was asked for.
    """

    kind: str
    name: str
    facts: dict[str, Any]
    backends: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class WrongMachineError(ValueError):
    """The machine is not the one that was asked for; the text says what it is."""


def open_device(kind: str, tree: Tree, *, force: bool = False) -> Device:
    """The machine as the device that was asked for.

    Args:
        kind: See ``DEVICES``.
        tree: The machine's files.
        force: Go on where only the maker of the processor is another than asked for.

    Raises:
        ValueError: no such kind.
        WrongMachineError: it is another machine; says what was found and what would be needed.
    """
    if kind not in DEVICES:
        raise ValueError(f"no device {kind!r}{closest(kind, DEVICES)}")
    if kind == "auto":
        kind = "jetson" if is_jetson(tree) else "cpu"
    opener = {"jetson": _jetson, "cuda": _cuda, "cpu": _cpu}.get(kind)
    return opener(tree) if opener else _intel(kind, tree, force)


def cpu_name(tree: Tree) -> str:
    """The processor's own name for itself."""
    lines = _cpuinfo(tree)
    for key in ("model name", "Model", "Hardware", "Processor"):
        if lines.get(key):
            return lines[key]
    if lines.get("CPU implementer") == "0x41":
        return f"ARM, part {lines.get('CPU part', 'unknown')}"
    return (platform.processor() or platform.machine()) if tree.real else "unknown processor"


def _cpuinfo(tree: Tree) -> dict[str, str]:
    lines = [line.partition(":") for line in (tree.text("proc/cpuinfo") or "").splitlines()]
    return {key.strip(): value.strip() for key, _, value in reversed(lines)}


def _common(tree: Tree) -> dict[str, Any]:
    governor = tree.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    hypervisor = "hypervisor" in _cpuinfo(tree).get("flags", "").split()
    return {
        "processor": cpu_name(tree),
        "cores": os.cpu_count() if tree.real else len(_cores(tree)) or None,
        "governor": governor or "not told by the machine",
        "virtual": hypervisor,
        "meter": open_meter(tree)[1],
        **({} if tree.real else {"stand_in": str(tree.root.name)}),
    }


def _cores(tree: Tree) -> list[str]:
    return tree.glob("sys/devices/system/cpu/cpu[0-9]*")


def _cpu(tree: Tree) -> Device:
    facts = _common(tree)
    notes = ["a virtual machine: neighbours and clocks cannot be seen"] if facts["virtual"] else []
    return Device("cpu", cpu_name(tree), facts, notes=notes)


def _jetson(tree: Tree) -> Device:
    if not is_jetson(tree):
        raise WrongMachineError(
            f"--device jetson: found {cpu_name(tree)}; needed: an NVIDIA Jetson (its name in "
            "/proc/device-tree/model, or /etc/nv_tegra_release)"
        )
    facts = {**_common(tree), **jetson_facts(tree)}
    return Device("jetson", str(facts["model"]), facts, notes=advice(facts))


def _intel(kind: str, tree: Tree, force: bool) -> Device:
    """The CPU of an Intel machine, or an accelerator that OpenVINO finds in it."""
    name, vendor = cpu_name(tree), _cpuinfo(tree).get("vendor_id")
    notes = []
    if vendor != _INTEL:
        maker = {_AMD: "AMD"}.get(vendor or "", vendor or "unknown")
        if not force or kind != "intel":
            hint = "" if kind != "intel" else "; --force measures it all the same, as what it is"
            raise WrongMachineError(
                f"--device {kind}: found {name} (maker: {maker}); needed: an Intel processor{hint}"
            )
        notes.append(f"not an Intel processor: {name} (maker: {maker}), measured by --force")
    facts = {**_common(tree), "vendor": vendor, "openvino_devices": _openvino(tree)}
    if kind == "intel":
        return Device(kind, name, facts, _backends("openvino"), notes)
    wanted = kind.removeprefix("intel-").upper()
    found = facts["openvino_devices"]
    if not any(device.partition(".")[0] == wanted for device in found):
        raise WrongMachineError(
            f"--device {kind}: OpenVINO finds {', '.join(found) or 'nothing'} in {name}; needed: "
            f"a device {wanted} and its driver"
        )
    return Device(kind, name, facts, _needed(kind, f"openvino-{wanted.lower()}"), notes)


def _cuda(tree: Tree) -> Device:
    name = _gpu_name() if tree.real else None
    if name is None:
        raise WrongMachineError(
            f"--device cuda: found {cpu_name(tree)} and no NVIDIA GPU; needed: one that nvidia-smi "
            "lists"
        )
    return Device("cuda", name, _common(tree), _needed("cuda", "tensorrt", "tensorrt-rtx"))


def _needed(kind: str, *prefixes: str) -> tuple[str, ...]:
    found = _backends(*prefixes)
    if not found:
        raise WrongMachineError(
            f"--device {kind}: this version has no backend for it (needed: {' or '.join(prefixes)};"
            f" there are: {', '.join(NAMES)})"
        )
    return found


def _backends(*prefixes: str) -> tuple[str, ...]:
    return tuple(name for name in NAMES if name.startswith(prefixes))


def _openvino(tree: Tree) -> list[str]:
    """Devices that OpenVINO finds; none for a stand-in, and where it is not installed."""
    if not tree.real:
        return []
    try:
        openvino = require("openvino", extra="openvino", purpose="looking for devices")
    except MissingExtraError:
        return []
    return [str(name) for name in openvino.Core().available_devices]


def _gpu_name() -> str | None:
    """The first discrete NVIDIA GPU, as the driver's own tool names it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None
