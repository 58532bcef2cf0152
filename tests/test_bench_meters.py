"""Energy from rails and counters. All trees are stand-ins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from standin_sysfs import AGX_ORIN, AMD, INTEL, JETSONS, ORIN_NANO, Files, change, write_tree

from dae_edge.bench.meters import open_meter
from dae_edge.bench.tree import Tree
from dae_edge.bench.watch import Watch


@pytest.mark.parametrize(
    ("name", "rails", "watts"),
    [
        ("Orin Nano", ["VDD_IN"], 4.984 * 1.856),
        ("Orin NX", ["VDD_IN"], 12.0),
        ("AGX Orin", ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"], 3.8 + 1.9 + 4.0),
        ("Thor", ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"], 6.0 + 7.2 + 6.5),
    ],
)
def test_the_total_of_a_stand_in_jetson_counts_no_rail_twice(
    tmp_path: Path, name: str, rails: list[str], watts: float
):
    meter, kind = open_meter(write_tree(tmp_path, JETSONS[name]))
    assert meter is not None
    assert kind == "INA3221"
    meter.sample(10.0)
    meter.sample(12.5)
    told = meter.result()
    assert told["total_of"] == rails
    assert told["total"] == pytest.approx(2.5 * watts)
    assert "NC" not in told["by_rail"]
    assert "sum of shunt voltages" not in told["by_rail"]


def test_the_board_input_of_a_stand_in_thor_is_told_beside_the_total(tmp_path: Path):
    meter, _ = open_meter(write_tree(tmp_path, JETSONS["Thor"]))
    assert meter is not None
    meter.sample(0.0)
    meter.sample(1.0)
    assert meter.result()["by_rail"]["VIN"] == pytest.approx(25.0)


def test_power_that_changes_is_integrated(tmp_path: Path):
    tree = write_tree(tmp_path, ORIN_NANO)
    meter, _ = open_meter(tree)
    assert meter is not None
    change(tree, {"sys/class/hwmon/hwmon1/in1_input": "5000"})
    for t_s, milliampere in ((0.0, 1000), (1.0, 3000), (2.0, 3000)):
        change(tree, {"sys/class/hwmon/hwmon1/curr1_input": str(milliampere)})
        meter.sample(t_s)
    assert meter.result()["total"] == pytest.approx(10.0 + 15.0)  # trapezoids


def test_a_rail_that_stops_answering_adds_nothing(tmp_path: Path):
    tree = write_tree(tmp_path, AGX_ORIN)
    meter, _ = open_meter(tree)
    assert meter is not None
    meter.sample(0.0)
    (tree.root / "sys/class/hwmon/hwmon3/curr1_input").unlink()
    meter.sample(1.0)
    assert meter.result()["by_rail"]["VDD_GPU_SOC"] == 0.0
    assert meter.result()["by_rail"]["VDD_CPU_CV"] == pytest.approx(1.9)


def test_a_counter_that_wraps_around_goes_on(tmp_path: Path):
    tree = write_tree(tmp_path, INTEL)
    meter, kind = open_meter(tree)
    assert meter is not None
    assert kind == "RAPL"
    meter.sample(0.0)
    change(tree, {"sys/class/powercap/intel-rapl:0/energy_uj": "4671150"})  # wrapped
    change(tree, {"sys/class/powercap/intel-rapl:0:0/energy_uj": "3000000"})
    meter.sample(1.0)
    told = meter.result()
    assert told["total"] == pytest.approx(5.0)
    assert told["total_of"] == ["package-0"]
    assert told["by_rail"]["core"] == pytest.approx(2.0)  # inside the package, not added


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (AMD, "no meter: /sys/class/powercap/intel-rapl:0/energy_uj can be read by root only"),
        ({}, "no meter: neither RAPL nor INA3221 was found"),
        ({"sys/class/hwmon/hwmon0/name": "ina3221"}, "no meter: neither"),
    ],
)
def test_without_a_meter_it_says_so(tmp_path: Path, files: Files, words: str):
    meter, why = open_meter(write_tree(tmp_path, files))
    assert meter is None
    assert why.startswith(words)


def test_the_watch_sees_a_clock_that_is_lowered_and_a_counter_that_grows(tmp_path: Path):
    tree = write_tree(tmp_path, INTEL)
    watch = Watch(tree, os.getpid())
    slower = {
        f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq": "800000" for core in range(4)
    }
    change(
        tree, {**slower, "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "9"}
    )
    watch.sample()
    told = watch.result()
    assert told["cpu_mhz"] == [3200.0, 800.0, 800.0]
    assert told["throttled"] == ["core too hot"]
    assert told["temperature_c"][0] == 61.0
    assert told["energy"]["meter"] == "RAPL"


def test_the_watch_tells_other_processes_time_from_ours(tmp_path: Path):
    ticks = os.sysconf("SC_CLK_TCK")
    pid = 77
    tree = write_tree(tmp_path, {**INTEL, f"proc/{pid}/stat": _process(pid, 0)})
    watch = Watch(tree, pid)
    cpu = f"cpu  {1000 + 6 * ticks} 0 500 90000 100 0 10 {2 * ticks} 0 0"
    change(tree, {"proc/stat": cpu, f"proc/{pid}/stat": _process(pid, 4 * ticks)})
    told = watch.result()
    assert told["others_cores"] / told["own_cores"] == pytest.approx(2 / 4, rel=0.01)
    assert told["stolen"] > 0


def test_the_watch_works_without_any_file():
    told = Watch(Tree(Path("/nonexistent")), os.getpid()).result()
    assert told["others_cores"] is None
    assert told["cpu_mhz"] is None
    assert "no meter" in told["energy"]["why"]


def _process(pid: int, ticks: int) -> str:
    return f"{pid} (a name (with) blanks) R 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 0 0 0"
