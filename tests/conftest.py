"""Fixtures that many test files share: golden vectors, real recordings, a small exported bundle."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sharing import made_once, traced_once
from students import ship_student

from dae_edge import student
from dae_edge.backends import CPU
from dae_edge.model import Model, load
from dae_edge.recipes import Recipe, Sensor, load_target
from dae_edge.student import Student

# A busy machine is no failure. In CI the examples are the same each time; elsewhere they explore.
settings.register_profile(
    "dae",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("dae")

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of outputs of the official code (see golden/README.md)."""
    return GOLDEN


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real event-camera files, which are not ours to ship."""
    folder = Path(os.environ.get("DAE_RECORDINGS", ROOT.parent / "shared" / "recordings"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set DAE_RECORDINGS)")
    return folder


@pytest.fixture
def no_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as if no student shipped with it."""
    monkeypatch.setattr(student, "FOLDER", tmp_path / "no student")


@pytest.fixture(scope="session")
def small_recipe() -> Recipe:
    """ViT-Ti with memory at 112x84 pixels: a window takes milliseconds."""
    model = {"encoder": "tiny", "recurrent": True, "input_width": 98, "input_height": 84}
    return Recipe("small", "for tests", model, 50_000, "black", "relative depth")


@pytest.fixture(scope="session")
def small_sensor() -> Sensor:
    """The sensor of ``small_bundle``."""
    return Sensor("112x84", 112, 84, (0, 0, 112, 84))


@pytest.fixture(scope="session")
def small_bundle(
    tmp_path_factory: pytest.TempPathFactory, small_recipe: Recipe, small_sensor: Sensor
) -> Path:
    """``small_recipe``, untrained, exported to ov-fp16: model.onnx, model.xml, model.bin."""
    for package in ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package)
    from dae_edge.export import export_bundle

    def make(folder: Path) -> None:
        export_bundle(small_recipe, load_target("ov-fp16"), small_sensor, folder / "small.dae")

    return made_once(tmp_path_factory, "bundle", make) / "small.dae"


@pytest.fixture(scope="module")
def one_trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Exports of the same weights for the same sensor share one run of torch's exporter.

    It makes the same bytes each time, as test_export.py shows; all that comes after it is done.
    """
    from dae_edge.export import exporting

    traced = traced_once(exporting.export_onnx, tmp_path_factory.mktemp("traced"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "export_onnx", traced)
        yield


@pytest.fixture(scope="session", params=CPU)
def model(request: pytest.FixtureRequest, small_bundle: Path) -> Model:
    """The small model in each engine."""
    return load(small_bundle, backend=request.param, threads=1)


@pytest.fixture(scope="session")
def small_model(small_bundle: Path) -> Model:
    """The small model in ONNX Runtime."""
    return load(small_bundle, backend="onnxruntime", threads=1)


@pytest.fixture(scope="session")
def small_student(tmp_path_factory: pytest.TempPathFactory, small_recipe: Recipe) -> Student:
    """A small student with a model card, ready for the sensors in ``students.PROFILES``."""
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)

    def make(folder: Path) -> None:
        (folder / "card.md").write_text("# A card\n")
        ship_student(folder / "student", small_recipe, card=folder / "card.md")

    return student.read(made_once(tmp_path_factory, "student", make) / "student")


@pytest.fixture
def shipped(small_student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Student:
    """A copy of it to damage, which this package ships, with a cache of its own."""
    folder = tmp_path / "package" / "student"
    shutil.copytree(small_student.folder, folder, copy_function=os.link)
    monkeypatch.setattr(student, "FOLDER", folder)
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))
    return student.read(folder)


@pytest.fixture(scope="session")
def cuda_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in of the CUDA driver, compiled."""
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    from standin_tensorrt import build_cuda

    library = build_cuda(tmp_path_factory.mktemp("cuda"))
    if library is None:
        pytest.skip("no C compiler for the stand-in of the CUDA driver")
    return library


@pytest.fixture
def gpu(cuda_library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stand-in GPU; afterwards nothing may be allocated on it, and no context current."""
    from standin_tensorrt import load_cuda

    from dae_edge.backends.tensorrt import cuda

    gpu = load_cuda(cuda_library)
    assert gpu.standin_alive() == 0
    monkeypatch.setattr(cuda, "LIBRARY", str(cuda_library))
    yield gpu
    gpu.standin_fail(b"", 0)
    gpu.standin_no_gpu(0)
    if gpu.standin_alive() or gpu.standin_contexts():
        gc.collect()  # an error that was caught may still hold what raised it
    assert (gpu.standin_alive(), gpu.standin_contexts(), gpu.standin_depth()) == (0, 0, 0)


@pytest.fixture
def install_tensorrt(gpu: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Installs a stand-in TensorRT of some version on that GPU, in place of any that was there."""
    from standin_tensorrt import StandinTensorRt

    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))

    def install(version: str = "10.13.3.9", failing: str = "") -> Any:
        standin = StandinTensorRt(version, gpu, failing)
        name = "tensorrt_rtx_bindings" if standin.rtx else "tensorrt"
        monkeypatch.setitem(sys.modules, name, standin.module)
        return standin

    return install
