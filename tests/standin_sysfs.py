"""Stand-ins for the files of machines that are not at hand: /sys, /proc, /etc as small folders.

Made from public documentation and from what owners of such machines have published, not recorded on
one: the Jetson Linux Developer Guide ("Platform Power and Performance": rails, nvpmodel, throttle
alerts, soctherm_oc), the kernel's documentation of ina3221, ina238, powercap and thermal, and the
device trees of tegra234-p3701 and -p3767. Values are plausible, not measured.
"""

from __future__ import annotations

from pathlib import Path

from dae_edge.bench.tree import Tree

Files = dict[str, str]

STAT = """\
cpu  1000 0 500 90000 100 0 10 0 0 0
cpu0 1000 0 500 90000 100 0 10 0 0 0
"""


def _rails(hwmon: int, *rails: tuple[str, int, int]) -> Files:
    """An INA3221: (label, millivolt, milliampere) of its channels, and the sum channel."""
    folder = f"sys/class/hwmon/hwmon{hwmon}"
    files = {f"{folder}/name": "ina3221", f"{folder}/in7_label": "sum of shunt voltages"}
    files[f"{folder}/in7_input"] = "9999"
    for channel, (label, volt, ampere) in enumerate(rails, 1):
        files[f"{folder}/in{channel}_label"] = label
        if label != "NC":
            files[f"{folder}/in{channel}_input"] = str(volt)
            files[f"{folder}/curr{channel}_input"] = str(ampere)
    return files


def _clocks(cores: int, low: int, high: int, now: int) -> Files:
    """cpufreq of so many processors, kHz."""
    files: Files = {"sys/devices/system/cpu/online": f"0-{cores - 1}"}
    for core in range(cores):
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        files[f"{folder}/scaling_governor"] = "schedutil"
        files[f"{folder}/scaling_min_freq"] = str(low)
        files[f"{folder}/scaling_max_freq"] = str(high)
        files[f"{folder}/scaling_cur_freq"] = str(now)
    return files


def _gpu(name: str, low: int, high: int, now: int) -> Files:
    folder = f"sys/class/devfreq/{name}"
    values = {"min_freq": low, "max_freq": high, "cur_freq": now}
    return {f"{folder}/{key}": str(value) for key, value in values.items()}


def _thermal(**zones: int) -> Files:
    """Thermal zones in thousandths of a degree, throttle alerts, and over-current counters."""
    files: Files = {}
    for number, (name, value) in enumerate(zones.items()):
        files[f"sys/class/thermal/thermal_zone{number}/type"] = name.replace("_", "-")
        files[f"sys/class/thermal/thermal_zone{number}/temp"] = str(value)
    names = ("pwm-fan", "cpu-throttle-alert", "gpu-throttle-alert")
    for number, name in enumerate(names):
        files[f"sys/class/thermal/cooling_device{number}/type"] = name
        files[f"sys/class/thermal/cooling_device{number}/cur_state"] = "2" if number == 0 else "0"
    files["sys/class/hwmon/hwmon9/name"] = "soctherm_oc"
    for number in (1, 2, 3):
        files[f"sys/class/hwmon/hwmon9/oc{number}_event_cnt"] = "0"
        files[f"sys/class/hwmon/hwmon9/oc{number}_throt_en"] = "1"
    return files


def _jetson(model: str, release: str, mode: str, modes: dict[int, str]) -> Files:
    listed = "\n".join(f"< POWER_MODEL ID={key} NAME={name} >" for key, name in modes.items())
    return {
        "proc/device-tree/model": f"{model}\0",
        "etc/nv_tegra_release": f"# {release}, GCID: 1, BOARD: generic, EABI: aarch64",
        "var/lib/nvpmodel/status": f"pmode:{mode} fmode:fan_mode_quiet",
        "etc/nvpmodel.conf": f"{listed}\n< PM_CONFIG DEFAULT=0 >",
        "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n",
        "proc/stat": STAT,
        "proc/loadavg": "0.10 0.10 0.10 1/200 1234",
    }


SUPER = {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"}

ORIN_NANO: Files = {
    **_jetson(
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "R36 (release), REVISION: 4.3",
        "0002",
        SUPER,
    ),
    **_clocks(6, 729_600, 1_728_000, 1_510_400),
    **_gpu("17000000.gpu", 306_000_000, 1_020_000_000, 612_000_000),
    **_rails(1, ("VDD_IN", 4984, 1856), ("VDD_CPU_GPU_CV", 4984, 640), ("VDD_SOC", 4984, 320)),
    **_thermal(cpu_thermal=48_500, gpu_thermal=-256_000, tj_thermal=51_000),
}

ORIN_NX: Files = {
    **_jetson(
        "NVIDIA Jetson Orin NX Engineering Reference Developer Kit",
        "R36 (release), REVISION: 3.0",
        "0000",
        {0: "MAXN", 1: "10W", 2: "15W", 3: "25W"},
    ),
    **_clocks(8, 1_984_000, 1_984_000, 1_984_000),
    **_gpu("17000000.ga10b", 918_000_000, 918_000_000, 918_000_000),
    **_rails(2, ("VDD_IN", 5000, 2400), ("VDD_CPU_GPU_CV", 5000, 900), ("VDD_SOC", 5000, 420)),
    **_thermal(cpu_thermal=55_000, gpu_thermal=53_000, tj_thermal=56_000),
}

AGX_ORIN: Files = {
    **_jetson(
        "NVIDIA Jetson AGX Orin Developer Kit",
        "R35 (release), REVISION: 4.1",
        "0003",
        {0: "MAXN", 1: "15W", 2: "30W", 3: "50W"},
    ),
    **_clocks(12, 729_600, 2_201_600, 1_497_600),
    **_gpu("17000000.ga10b", 306_000_000, 1_300_500_000, 306_000_000),
    **_rails(
        3, ("VDD_GPU_SOC", 19_000, 200), ("VDD_CPU_CV", 19_000, 100), ("VIN_SYS_5V0", 5000, 800)
    ),
    **_rails(4, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5000, 220), ("NC", 0, 0)),
    **_thermal(cpu_thermal=47_000, gpu_thermal=44_000, tj_thermal=47_500),
}

THOR: Files = {
    **_jetson(
        "NVIDIA Jetson AGX Thor Developer Kit",
        "R38 (release), REVISION: 4.0",
        "0001",
        {0: "MAXN", 1: "120W", 2: "90W"},
    ),
    **_clocks(14, 54_000, 2_601_000, 2_601_000),
    **_gpu("gpu-gpc-0", 315_000_000, 1_575_000_000, 1_575_000_000),
    **_rails(
        1, ("VDD_GPU", 12_000, 500), ("VDD_CPU_SOC_MSS", 12_000, 600), ("VIN_SYS_5V0", 5000, 1300)
    ),
    "sys/class/hwmon/hwmon2/name": "ina238",
    "sys/class/hwmon/hwmon2/in1_input": "20000",
    "sys/class/hwmon/hwmon2/curr1_input": "1250",
    "sys/class/hwmon/hwmon2/power1_input": "25000000",
    **_thermal(cpu_thermal=53_700, soc012_thermal=55_100, tj_thermal=55_100),
}

JETSONS = {"Orin Nano": ORIN_NANO, "Orin NX": ORIN_NX, "AGX Orin": AGX_ORIN, "Thor": THOR}

_X86 = "processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: {name}\nflags\t\t: fpu avx2{more}\n"

INTEL: Files = {
    "proc/cpuinfo": _X86.format(
        vendor="GenuineIntel", name="Intel(R) Core(TM) Ultra 7 155H", more=" avx_vnni"
    ),
    "proc/stat": STAT,
    "proc/loadavg": "0.20 0.10 0.10 1/300 1234",
    **_clocks(4, 400_000, 4_800_000, 3_200_000),
    **{
        f"sys/devices/system/cpu/cpu{core}/thermal_throttle/{kind}_throttle_count": "3"
        for core in range(4)
        for kind in ("core", "package")
    },
    "sys/class/powercap/intel-rapl:0/name": "package-0",
    "sys/class/powercap/intel-rapl:0/energy_uj": "262143000000",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850",
    "sys/class/powercap/intel-rapl:0:0/name": "core",
    "sys/class/powercap/intel-rapl:0:0/energy_uj": "1000000",
    "sys/class/powercap/intel-rapl:0:0/max_energy_range_uj": "262143328850",
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp",
    "sys/class/thermal/thermal_zone0/temp": "61000",
}

AMD: Files = {
    "proc/cpuinfo": _X86.format(
        vendor="AuthenticAMD", name="AMD Ryzen 7 7840U", more=" avx512_vnni hypervisor"
    ),
    "proc/stat": STAT,
    **_clocks(2, 400_000, 5_100_000, 3_000_000),
    # since 2020 only root reads it: here there is no such file at all
    "sys/class/powercap/intel-rapl:0/name": "package-0",
}


def write_tree(folder: Path, files: Files) -> Tree:
    """Write a stand-in; change its files later to make the machine do something."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return Tree(folder)


def change(tree: Tree, files: Files) -> None:
    """Other values for some files, each replaced whole, as sysfs would show it."""
    for name, content in files.items():
        part = tree.root / f"{name}.part"
        part.write_text(f"{content}\n")
        part.replace(tree.root / name)
