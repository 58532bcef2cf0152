"""Finishing a bundle on a stand-in GPU: order of calls, what is kept, and failures."""

from __future__ import annotations

import ctypes
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import edit_manifest, write_bundle
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from standin_tensorrt import (
    REAL,
    DataType,
    Mode,
    Severity,
    StandinTensorRt,
)
from tiny_onnx import CONTRACT, FOR_TENSORRT, HEIGHT, LIMITS, WIDTH, tiny_bundle

from dae_edge import bundle as bundles
from dae_edge.backends import parity
from dae_edge.backends.onnxruntime import OnnxRuntimeEngine
from dae_edge.backends.tensorrt import cuda as cuda_module
from dae_edge.backends.tensorrt import finish as finish_module
from dae_edge.backends.tensorrt.cuda import CudaError
from dae_edge.backends.tensorrt.engine import TensorRtEngine
from dae_edge.backends.tensorrt.finish import finish_bundle, limits_of
from dae_edge.errors import BudgetError, ContractError, MissingExtraError
from dae_edge.recipes import load_target
from dae_edge.sample import sample_windows

VERSIONS = ("10.3.0", "10.13.3.9", "11.4.0.106")
Install = Callable[..., StandinTensorRt]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A bundle for TensorRT as an export leaves it: without an engine."""
    return tiny_bundle(tmp_path / "tiny.dae", **FOR_TENSORRT)


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    return list(islice(sample_windows(CONTRACT, window_us=50_000), 6))


def open_engine(path: Path, **options: Any) -> TensorRtEngine:
    return TensorRtEngine(path / "model.onnx", bundles.read(path).contract, **options)


def engines(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*engine-*.*"))


# ---- Finishing -----------------------------------------------------------------------------------


def test_the_real_model_is_finished_and_carries_its_states(
    small_bundle: Path, tmp_path: Path, install_tensorrt: Install
) -> None:
    standin = install_tensorrt()
    path = tmp_path / "small.dae"
    shutil.copytree(small_bundle, path)
    edit_manifest(path, lambda manifest: manifest.update(FOR_TENSORRT))
    report = finish_bundle(bundles.read(path))
    assert report.parity["passed"]
    assert report.parity["worst"]["state"] < 1e-5
    assert len(report.placement["tensors"]) == 18
    assert len(standin.runs[-1]) == 18


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bundle_is_finished_and_serves_what_onnxruntime_gives(
    path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]], version: str
) -> None:
    standin = install_tensorrt(version)
    steps: list[tuple[str, float | None]] = []
    report = finish_bundle(
        bundles.read(path), progress=lambda step, fraction=None: steps.append((step, fraction))
    )
    assert report.path.parent == path
    assert report.key.version == version
    assert report.parity["passed"]
    assert report.parity["windows"] == LIMITS["windows"]
    assert report.placement["precision"] == {"float16": 1, "int8": 1, "float32": 1}
    assert len(report.placement["tensors"]) == 6
    assert standin.did("builder", "parser", "parse", "build", "deserialise", "enqueue", "capture")
    fractions = [fraction for step, fraction in steps if "building" in step]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    bundles.read(path).verify()

    standin.trace.clear()
    engine = open_engine(path)
    assert engine.report.reused
    assert "build" not in standin.trace
    session = engine.session()
    truth = OnnxRuntimeEngine(path / "model.onnx", engine.contract, threads=1).session()
    for image in images:
        session.image[...] = truth.image[...] = image
        np.testing.assert_allclose(session.run(), truth.run(), rtol=1e-5)
        for name, array in truth.state().items():
            np.testing.assert_allclose(session.state()[name], array, rtol=1e-4, atol=1e-5)


def test_a_bundle_for_rtx_is_finished_for_the_gpu_that_is_there(
    tmp_path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]]
) -> None:
    backend = {"engine": {"backend": "tensorrt-rtx", "file": "model.onnx"}}
    path = tiny_bundle(tmp_path / "rtx.dae", **(FOR_TENSORRT | backend))
    standin = install_tensorrt("1.7.1.116")
    report = finish_bundle(bundles.read(path))
    assert report.key.flavour == "tensorrt-rtx"
    assert list((tmp_path / "cache").rglob("timing-*")) == []  # RTX measures nothing
    standin.trace.clear()
    engine = open_engine(path, flavour="tensorrt-rtx")
    engine.session().run()
    assert standin.did("capture", "run")

    standin = install_tensorrt("1.7.1.116", failing="compiling")
    engine = open_engine(path, flavour="tensorrt-rtx")
    depth = engine.session().run()
    assert depth.shape == (HEIGHT, WIDTH)
    assert "capture" not in standin.trace
    wanted = "TensorRT-RTX 1.7.1.116 on Stand-in, 2 x no CUDA graph: the engine compiles as it runs"
    assert engine.description == wanted


def test_the_stand_in_has_no_call_that_tensorrt_lacks(install_tensorrt: Install) -> None:
    real = pytest.importorskip("tensorrt_rtx_bindings", reason="needs dae-edge[rtx]")
    module = install_tensorrt("1.7.1.116").module
    assert set(vars(module)) - set(dir(real)) <= {"__builtins__"}
    for name, standin in REAL.items():
        ours = {call for call in vars(standin) if not call.startswith("_")}
        assert ours, name
        assert ours <= set(dir(getattr(real, name))), name
    for name in ("Severity", "DataType", "TensorIOMode"):
        kinds = getattr(real.ILogger if name == "Severity" else real, name)
        for kind in {"Severity": Severity, "DataType": DataType, "TensorIOMode": Mode}[name]:
            assert int(getattr(kinds, kind.name)) == int(kind), kind


def test_an_engine_is_built_at_first_load_and_found_at_the_second(
    path: Path, install_tensorrt: Install
) -> None:
    standin = install_tensorrt()
    told: list[str] = []
    engine = open_engine(path, progress=lambda step, fraction=None: told.append(step))
    assert not engine.report.reused
    assert any("an engine for Stand-in, once; it takes minutes" in step for step in told)
    assert engine.description == "TensorRT 10.13.3.9 on Stand-in"
    before = engines(path)
    assert open_engine(path).report.reused
    assert engines(path) == before
    assert standin.trace.count("build") == 1


def test_suspicious_versions_are_named_before_anything_is_built(
    path: Path, install_tensorrt: Install
) -> None:
    install_tensorrt("10.3.0")
    told: list[str] = []
    report = finish_bundle(
        bundles.read(path), progress=lambda step, fraction=None: told.append(step)
    )
    warnings = [step for step in told if step.startswith("warning: TensorRT 10.3.0")]
    assert warnings
    assert "DINO" in report.warnings[0]
    assert any("workspace" in line for line in report.warnings)


def test_an_engine_of_another_version_is_left_alone_and_named(
    path: Path, install_tensorrt: Install
) -> None:
    install_tensorrt("10.3.0")
    old = finish_bundle(bundles.read(path))
    install_tensorrt("10.13.3.9")
    told: list[str] = []
    new = finish_bundle(bundles.read(path), progress=lambda step, fraction=None: told.append(step))
    assert old.path.is_file()
    assert new.path != old.path
    wanted = f"not for this device: {old.path.name}: version '10.3.0' instead of '10.13.3.9'"
    assert wanted in told


def test_an_engine_of_another_onnx_file_is_not_used(path: Path, install_tensorrt: Install) -> None:
    onnx = pytest.importorskip("onnx")
    install_tensorrt()
    old = finish_bundle(bundles.read(path))
    model = onnx.load(path / "model.onnx")
    model.producer_name = "another"
    onnx.save(model, path / "model.onnx")
    entry = bundles.file_entry(path / "model.onnx")
    edit_manifest(path, lambda manifest: manifest["files"].update({"model.onnx": entry}))
    new = finish_bundle(bundles.read(path))
    assert not new.reused
    assert new.path != old.path


def test_timings_are_kept_and_shorten_the_next_build(
    path: Path, install_tensorrt: Install, tmp_path: Path
) -> None:
    standin = install_tensorrt()
    for expected in (1, 1):
        report = finish_bundle(bundles.read(path))
        assert standin.timings == expected
        for file in (report.path, report.path.with_suffix(".json")):
            file.unlink()
    (cache,) = (tmp_path / "cache").rglob("timing-*.cache")
    cache.write_bytes(b"damaged")
    assert not finish_bundle(bundles.read(path)).reused
    assert standin.timings == 2


def test_a_bundle_that_cannot_be_written_keeps_its_engine_in_the_cache(
    path: Path, install_tensorrt: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_tensorrt()
    real = finish_module.plans._write

    def write(target: Path, content: bytes) -> None:
        if target.parent == path:
            raise PermissionError(13, "Permission denied", str(target))
        real(target, content)

    monkeypatch.setattr(finish_module.plans, "_write", write)
    report = finish_bundle(bundles.read(path), cache=tmp_path / "engines")
    assert report.path.parent == tmp_path / "engines"
    assert engines(path) == []
    assert open_engine(path, cache=tmp_path / "engines").report.reused


def test_an_engine_that_came_with_the_bundle_is_not_executed(
    path: Path, install_tensorrt: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = install_tensorrt()
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "where it was built"))
    theirs = finish_bundle(bundles.read(path))
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))
    standin.trace.clear()
    told: list[str] = []
    ours = open_engine(path, progress=lambda step, fraction=None: told.append(step)).report
    assert f"not for this device: {theirs.path.name}: not built here, so not trusted" in told
    assert standin.did("build", "deserialise")
    assert ours.path.parent == tmp_path / "cache" / "engines"
    assert open_engine(path).report.path == ours.path


def test_a_report_says_where_on_what_and_how_far_off(path: Path, install_tensorrt: Install) -> None:
    install_tensorrt("10.3.0")
    report = finish_bundle(bundles.read(path))
    lines = str(report).splitlines()
    assert lines[0].startswith(f"{report.path}: built in ")
    assert lines[1] == "for tensorrt 10.3.0, Stand-in (8.7), CUDA 12.6"
    assert lines[2].startswith("against onnxruntime ")
    assert "over 3 windows: depth_mean 0.0e+00 (limit 1e-05), depth_p999" in lines[2]
    assert lines[3] == "layers: 1 float16, 1 int8, 1 float32"
    assert lines[4].startswith("warning: TensorRT 10.3.0: ")
    assert str(finish_bundle(bundles.read(path))).startswith(f"{report.path}: there already\n")
    json.dumps(report.as_dict(), allow_nan=False)


def test_a_bundle_for_another_engine_has_nothing_to_finish(
    tmp_path: Path, install_tensorrt: Install
) -> None:
    install_tensorrt()
    with pytest.raises(ContractError, match="made for onnxruntime, there is nothing to finish"):
        finish_bundle(bundles.read(tiny_bundle(tmp_path / "other.dae")))


def test_an_engine_outside_a_bundle_or_of_another_contract_is_refused(
    path: Path, install_tensorrt: Install, tmp_path: Path
) -> None:
    install_tensorrt()
    (tmp_path / "alone").mkdir()
    shutil.copy(path / "model.onnx", tmp_path / "alone")
    with pytest.raises(ContractError, match="alone: not a bundle"):
        TensorRtEngine(tmp_path / "alone" / "model.onnx", CONTRACT)
    with pytest.raises(ContractError, match=r"model\.onnx: the contract is not that of"):
        TensorRtEngine(path / "model.onnx", replace(CONTRACT, states=()))


def test_limits_come_from_the_manifest_the_target_or_the_precision(tmp_path: Path) -> None:
    written = bundles.read(write_bundle(tmp_path / "a.dae"))
    onnx = written.path / "model.onnx"

    def limits(**changes: Any) -> dict[str, float]:
        manifest = {**written.manifest, "engine": {"file": "model.onnx"}, **changes}
        return limits_of(replace(written, manifest=manifest), onnx)

    assert limits(target="onnx-fp32") == load_target("onnx-fp32").parity
    half = {"compute": "float16"}
    assert limits(target="of a later version", precision=half) == parity.LIMITS["float16"]
    assert limits(target="unknown", precision={"compute": "int8"}) == parity.LIMITS["int8"]
    assert limits(engine={"file": "other.onnx"}, precision=half) == parity.LIMITS["float32"]
    assert limits(parity=LIMITS, precision=half) == LIMITS
    for bad in ("much", True, None, 0, -1, float("inf"), float("nan")):
        with pytest.raises(ContractError, match=r"parity\.state: wanted a number above 0"):
            limits(parity={**LIMITS, "state": bad})
    with pytest.raises(ContractError, match=r"parity\.windows: wanted"):
        limits(parity={**LIMITS, "windows": None})
    with pytest.raises(ContractError, match=r"parity\.depth_mean: wanted"):
        limits(parity=3)


# ---- What goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "error", "words"),
    [
        ("builder", ContractError, "cannot start: CUDA initialization failure with error: 35"),
        ("parser", ContractError, "Transpose 'node_7': Invalid Node - node_7 uint8 is not"),
        ("build", ContractError, "built no engine: Error Code 10: Could not find any impl"),
        ("plan", ContractError, "cannot load it: The engine plan file is not compatible"),
        ("context", CudaError, "no execution context: OutOfMemory"),
        ("run", CudaError, "the engine does not run: operation not permitted"),
        ("wrong", BudgetError, "too far from ONNX Runtime, no engine kept: depth_mean 5.00e-01 >"),
        ("nan", BudgetError, "NaN or infinity within 3 windows"),
    ],
)
def test_a_step_that_fails_leaves_nothing_and_says_why_in_one_line(
    path: Path, install_tensorrt: Install, failing: str, error: type[Exception], words: str
) -> None:
    install_tensorrt("10.3.0", failing)
    with pytest.raises(error) as caught:
        finish_bundle(bundles.read(path))
    text = str(caught.value)
    assert words in text
    assert "\n" not in text
    assert engines(path.parent) == []


@pytest.mark.parametrize(
    ("call", "allocation"),
    [(b"cuMemAlloc_v2", n) for n in range(1, 7)] + [(b"cuMemHostAlloc", n) for n in range(1, 5)],
)
def test_no_memory_on_the_gpu_is_an_error_and_nothing_stays_allocated(
    path: Path, install_tensorrt: Install, gpu: ctypes.CDLL, call: bytes, allocation: int
) -> None:
    install_tensorrt()
    engine = open_engine(path)
    gpu.standin_fail(call, allocation)
    with pytest.raises(CudaError, match=f"{call.decode()}: out of memory"):
        engine.session()
    gpu.standin_fail(b"", 0)
    assert engine.session().run().shape == (HEIGHT, WIDTH)  # the engine survives


def test_no_gpu_and_no_driver_are_errors_in_one_line(
    path: Path, install_tensorrt: Install, gpu: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_tensorrt()
    gpu.standin_no_gpu(1)
    with pytest.raises(CudaError, match="cuInit: no CUDA-capable device is detected"):
        finish_bundle(bundles.read(path))
    monkeypatch.setattr(cuda_module, "LIBRARY", "libcuda-is-not-here.so.1")
    with pytest.raises(CudaError, match="no NVIDIA driver that this needs: libcuda-is-not-here"):
        finish_bundle(bundles.read(path))


def test_ctrl_c_stops_the_build_and_leaves_nothing(path: Path, install_tensorrt: Install) -> None:
    standin = install_tensorrt()

    def progress(step: str, fraction: float | None = None) -> None:
        if fraction is not None and fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish_bundle(bundles.read(path), progress=progress)
    assert "build" not in standin.trace
    assert engines(path.parent) == []


def test_a_changed_bundle_is_refused_before_tensorrt_sees_it(
    path: Path, install_tensorrt: Install
) -> None:
    standin = install_tensorrt()
    with (path / "model.onnx").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ContractError, match="bytes, got"):
        finish_bundle(bundles.read(path))
    assert standin.trace == []


def test_a_missing_tensorrt_is_an_error_that_says_how_to_get_it(
    path: Path, install_tensorrt: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingExtraError, match=r"not installed: on a Jetson .*dae-edge\[tensor"):
        open_engine(path)
