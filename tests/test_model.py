"""Loading a bundle into an engine, and what the model says of itself. Real engines throughout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import edit_manifest
from event_samples import random_events

import dae_edge as dae
from dae_edge import bundle
from dae_edge.errors import ContractError


@pytest.fixture
def altered(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy to damage: writing to a file of it anew leaves the original alone."""
    return shutil.copytree(small_bundle, tmp_path / "altered.dae", copy_function=os.link)


def rewrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_a_model_says_what_it_is(small_model: dae.Model) -> None:
    assert (small_model.name, small_model.sensor, small_model.trained) == (
        "small",
        (112, 84),
        False,
    )
    assert small_model.unit == "untrained weights"
    assert repr(small_model).startswith("<Model small ov-fp16 112x84, onnxruntime ")
    assert repr(small_model).endswith("CPU, 1 threads, untrained weights>")


def test_a_trained_model_has_the_unit_of_its_bundle(altered: Path) -> None:
    def train(manifest: dict[str, Any]) -> None:
        manifest["weights"]["trained"] = True
        manifest["output"]["unit"] = "m"

    edit_manifest(altered, train)
    loaded = dae.load(altered, backend="onnxruntime", threads=1)
    assert (loaded.trained, loaded.unit) == (True, "m")


def test_the_engine_it_was_verified_with_is_the_default(small_bundle: Path) -> None:
    assert "openvino" in dae.load(small_bundle, threads=1).engine.description
    stateful = dae.load(small_bundle, backend="openvino-stateful", threads=1)
    assert "states inside" in stateful.engine.description


def test_unknown_backends_and_no_threads_are_refused(small_bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"'onnxruntme': did you mean 'onnxruntime'\? Known: "):
        dae.load(small_bundle, backend="onnxruntme")
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        dae.load(small_bundle, threads=0)
    with pytest.raises(FileNotFoundError, match=r"nothing\.dae: no such bundle"):
        dae.load(small_bundle.parent / "nothing.dae")


def test_a_bundle_for_an_engine_of_a_later_version_is_refused(altered: Path) -> None:
    edit_manifest(altered, lambda manifest: manifest["engine"].update(backend="abacus"))
    with pytest.raises(ContractError, match=r"altered\.dae: .* no 'abacus'"):
        dae.load(altered)
    dae.load(altered, backend="onnxruntime")


@pytest.mark.parametrize("name", ["model.onnx", "model.xml", "model.bin", "report.json"])
def test_a_changed_file_is_not_loaded(altered: Path, name: str) -> None:
    data = bytearray((altered / name).read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(altered / name, bytes(data))
    with pytest.raises(ContractError, match=f"{name}: changed since it was verified"):
        dae.load(altered)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["states"].pop(), r"not in the contract: state_in\.layer1\.cell"),
        (lambda m: m["states"][0].update(name="layer5.hidden"), r"'state_in\.layer5.* is missing"),
        (lambda m: m["states"][0].update(dtype="float16"), "wanted .* float16 .* got .* float32"),
        (lambda m: m["states"][7].update(shape=[1, 32, 22, 31]), r"31\], got .*30\]"),
        (lambda m: m["states"].reverse(), "metadata 'dae.states'"),
        (lambda m: m["input"].update(sensor=[84, 112]), "wanted 'events' uint8"),
        (lambda m: m["output"].update(shape=[112, 84]), "wanted 'depth' float32"),
    ],
)
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "openvino-stateful"])
def test_a_manifest_that_promises_another_model_is_refused(
    altered: Path, backend: str, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit_manifest(altered, change)
    with pytest.raises(ContractError, match=words):
        dae.load(altered, backend=backend, verify=False)


def test_a_bundle_that_missed_its_budget_says_so(altered: Path) -> None:
    edit_manifest(altered, lambda manifest: manifest["verdict"].update(passed=False))
    with pytest.warns(UserWarning, match="missed its budget"):
        dae.load(altered, backend="onnxruntime", threads=1, verify=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window_us": 0}, "window_us must be at least 1, got 0"),
        ({"hop_us": -5}, "hop_us must be at least 1, got -5"),
        ({"window_events": 0}, "window_events must be at least 1"),
        ({"window_events": 10, "window_us": 10}, "by time or by count of events, not both"),
        ({"window_events": 10, "hop_us": 10}, "by time or by count of events, not both"),
        ({"hop_events": 10}, "hop_events needs window_events"),
        ({"hop_us": 50_001}, "hop <= window"),
        ({"window_us": 1 << 40}, "window < 2"),
        ({"max_gap_us": 0}, "max_gap_us"),
    ],
)
def test_windows_that_cannot_be_are_refused(
    small_model: dae.Model, options: dict[str, int], words: str
) -> None:
    with pytest.raises(ValueError, match=words.replace("^", r"\^")):
        small_model.stream(**options)


def test_many_threads_share_a_model_without_disturbing_each_other(small_model: dae.Model) -> None:
    def run(seed: int) -> list[np.ndarray]:
        events = random_events(10_000, width=112, height=84, seed=seed)
        return [depth.values for depth in small_model.stream(origin_us=0).push(events)]

    alone = [run(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, range(4)))
    assert all(len(depths) >= 3 for depths in alone)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_engine_changes_the_arithmetic_of_the_program_around_it(model: dae.Model) -> None:
    model.stream(origin_us=0).push(random_events(5_000, width=112, height=84))
    smallest = np.array([5e-324]) * np.array([1.0])
    assert smallest[0] > 0, "flush-to-zero is on"


def test_loading_reads_the_bundle_and_writes_nothing_into_it(small_bundle: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_bundle.iterdir()}
    dae.load(small_bundle, threads=1)
    assert {path: path.stat().st_mtime_ns for path in small_bundle.iterdir()} == before
    bundle.read(small_bundle).verify()
