"""Machines by their files: names, wrong machines, power modes, clocks. Trees are stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest
from standin_sysfs import AMD, INTEL, JETSONS, ORIN_NANO, Files, change, write_tree

from dae_edge.bench.devices import WrongMachineError, open_device
from dae_edge.bench.sensors import Sensors
from dae_edge.bench.tree import Tree


def test_a_file_that_is_not_there_or_no_number_is_none(tmp_path: Path):
    tree = write_tree(tmp_path, {"sys/limit": "32760 ma", "sys/word": "fast", "sys/empty": ""})
    assert tree.number("sys/limit") == 32760
    assert tree.number("sys/word") is None
    assert tree.number("sys/empty") is None
    assert tree.text("sys/absent") is None
    assert tree.text("sys") is None  # a folder
    assert not tree.real
    assert Tree().real


@pytest.mark.parametrize(
    ("name", "model", "l4t", "jetpack", "mode", "clocks"),
    [
        ("Orin Nano", "Orin Nano", "36.4.3", "6.2", "MAXN_SUPER (2)", "not fixed"),
        ("Orin NX", "Orin NX", "36.3.0", "6.0", "MAXN (0)", "fixed at their maximum"),
        ("AGX Orin", "AGX Orin", "35.4.1", "5", "50W (3)", "not fixed"),
        ("Thor", "AGX Thor", "38.4.0", "7.1", "120W (1)", "not fixed"),
    ],
)
def test_a_stand_in_jetson_is_told_by_its_files(
    tmp_path: Path, name: str, model: str, l4t: str, jetpack: str, mode: str, clocks: str
):
    device = open_device("auto", write_tree(tmp_path, JETSONS[name]))
    assert device.kind == "jetson"
    assert model in device.name
    assert device.facts["l4t"] == l4t
    assert device.facts["jetpack"] == jetpack
    assert device.facts["power_mode"] == mode
    assert device.facts["clocks"].startswith(clocks)
    assert device.facts["meter"] == "INA3221"
    assert device.facts["stand_in"] == tmp_path.name
    assert any("jetson_clocks" in note for note in device.notes) == (clocks == "not fixed")


def test_a_jetson_that_hides_half_of_its_files_is_still_told(tmp_path: Path):
    device = open_device("jetson", write_tree(tmp_path, {"etc/nv_tegra_release": "# R99"}))
    assert device.name == "Jetson, model unknown"
    assert device.facts["l4t"] is None
    assert device.facts["power_mode"] is None
    assert device.facts["clocks"] == "unknown"


def test_an_unknown_power_mode_keeps_its_number(tmp_path: Path):
    files = {**ORIN_NANO, "etc/nvpmodel.conf": "< POWER_MODEL ID=x NAME= >\n\0"}
    assert open_device("jetson", write_tree(tmp_path, files)).facts["power_mode"] == "mode (2)"


@pytest.mark.parametrize(
    ("kind", "files", "words"),
    [
        ("jetson", INTEL, ("Intel(R) Core(TM) Ultra 7 155H", "needed: an NVIDIA Jetson")),
        ("intel", AMD, ("AMD Ryzen 7 7840U", "maker: AMD", "--force")),
        ("intel", ORIN_NANO, ("ARM, part 0xd42", "needed: an Intel processor")),
        ("intel-gpu", AMD, ("AMD Ryzen 7 7840U", "needed: an Intel processor")),
        ("intel-gpu", INTEL, ("OpenVINO finds nothing", "needed: a device GPU")),
        ("intel-npu", INTEL, ("needed: a device NPU and its driver",)),
        ("cuda", AMD, ("no NVIDIA GPU", "needed: one that nvidia-smi lists")),
    ],
)
def test_the_wrong_machine_says_what_it_is_and_what_is_needed(
    tmp_path: Path, kind: str, files: Files, words: tuple[str, ...]
):
    tree = write_tree(tmp_path, files)
    with pytest.raises(WrongMachineError) as raised:
        open_device(kind, tree)
    for word in words:
        assert word in str(raised.value)


def test_an_amd_machine_under_intel_and_force_is_called_amd(tmp_path: Path):
    tree = write_tree(tmp_path, AMD)
    device = open_device("intel", tree, force=True)
    assert device.name == "AMD Ryzen 7 7840U"
    assert device.notes == [
        "not an Intel processor: AMD Ryzen 7 7840U (maker: AMD), measured by --force"
    ]
    with pytest.raises(WrongMachineError):  # force makes no accelerator
        open_device("intel-npu", tree, force=True)


def test_a_wrong_name_gets_the_closest_one(tmp_path: Path):
    with pytest.raises(ValueError, match="did you mean 'jetson'"):
        open_device("jetsen", write_tree(tmp_path, INTEL))


def test_an_intel_machine_runs_openvino_only(tmp_path: Path):
    device = open_device("intel", write_tree(tmp_path, INTEL))
    assert device.backends
    assert all(name.startswith("openvino") for name in device.backends)
    assert device.facts["meter"] == "RAPL"
    assert device.notes == []


def test_a_virtual_machine_is_called_so(tmp_path: Path):
    device = open_device("cpu", write_tree(tmp_path, AMD))
    assert device.facts["virtual"]
    assert "virtual machine" in device.notes[0]
    assert device.facts["meter"].startswith("no meter: /sys/class/powercap/intel-rapl:0/energy_uj")


def test_clocks_and_temperature_are_read_and_switched_off_sensors_left_out(tmp_path: Path):
    sensors = Sensors(write_tree(tmp_path, ORIN_NANO))
    assert sensors.cpu_mhz() == 1510.4
    assert sensors.gpu_mhz() == 612.0
    assert sensors.temperature_c() == 51.0  # and not the -256 of a GPU that sleeps


@pytest.mark.parametrize("name", JETSONS)
def test_throttling_of_a_stand_in_jetson_is_seen(tmp_path: Path, name: str):
    tree = write_tree(tmp_path, JETSONS[name])
    sensors = Sensors(tree)
    assert sensors.alerts() == []
    assert set(sensors.throttle_counts().values()) == {0}
    change(tree, {"sys/class/thermal/cooling_device2/cur_state": "1"})
    change(tree, {"sys/class/hwmon/hwmon9/oc3_event_cnt": "7"})
    assert sensors.alerts() == ["gpu-throttle-alert"]
    assert sensors.throttle_counts()["over-current"] == 7


def test_throttle_counters_of_intel_are_added_up(tmp_path: Path):
    sensors = Sensors(write_tree(tmp_path, INTEL))
    assert sensors.throttle_counts() == {"core too hot": 12, "package too hot": 12}


def test_an_empty_tree_has_nothing(tmp_path: Path):
    sensors = Sensors(Tree(tmp_path))
    assert sensors.cpu_mhz() is sensors.gpu_mhz() is sensors.temperature_c() is None
    assert sensors.alerts() == []
    assert open_device("auto", Tree(tmp_path)).name == "unknown processor"
