"""The TensorRT engine on a stand-in GPU: ping-pong, graphs, memory, threads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from standin_tensorrt import (
    StandinTensorRt,
)
from tiny_onnx import CONTRACT, FOR_TENSORRT, tiny_bundle

from dae_edge import bundle as bundles
from dae_edge.backends.tensorrt.cuda import Cuda
from dae_edge.backends.tensorrt.engine import TensorRtEngine
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


def test_states_swap_places_and_each_window_is_one_graph(
    path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]]
) -> None:
    standin = install_tensorrt()
    session = open_engine(path).session()
    assert standin.trace[-6:] == ["enqueue", "run", "capture"] * 2
    standin.trace.clear()
    standin.runs.clear()
    for image in images:
        session.image[...] = image
        session.run()
    assert standin.trace == ["run"] * len(images)  # nothing was enqueued call by call
    for earlier, later in zip(standin.runs, standin.runs[1:], strict=False):
        for name in (name for name in earlier if name.startswith("state_in.")):
            out = name.replace("state_in.", "state_out.")
            assert later[name] == earlier[out]
            assert later[out] == earlier[name]
    assert len({run["events"] for run in standin.runs}) == 1


def test_without_graphs_it_runs_the_same_and_says_so(
    path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]]
) -> None:
    def depths() -> tuple[list[NDArray[np.float32]], str]:
        engine = open_engine(path)
        session = engine.session()
        depths = []
        for image in images:
            session.image[...] = image
            depths.append(session.run())
        return depths, engine.description

    install_tensorrt()
    wanted, _ = depths()
    standin = install_tensorrt(failing="capture")
    got, description = depths()
    np.testing.assert_array_equal(got, wanted)
    assert "2 x no CUDA graph: TensorRT 10.13.3.9: the engine does not run" in description
    assert "capture" in standin.trace


def test_a_session_begins_with_zero_state_and_keeps_the_contract_of_sessions(
    path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]]
) -> None:
    install_tensorrt()
    engine = open_engine(path)
    session = engine.session()
    assert not any(array.any() for array in session.state().values())
    session.image[...] = images[0]
    first = session.run()
    moved = session.state()
    assert all(array.any() for array in moved.values())
    second = session.run()
    assert not np.array_equal(first, second)
    session.discard()  # of the second run
    for name, array in session.state().items():
        np.testing.assert_array_equal(array, moved[name])
    np.testing.assert_array_equal(session.run(), second)
    session.restore(moved)
    np.testing.assert_array_equal(session.run(), second)
    assert session.is_finite()
    moved["layer1.cell"][0, -1, -1, -1] = np.inf
    session.restore(moved)
    assert not session.is_finite()
    assert not any(array.any() for array in engine.session().state().values())


def test_a_depth_outlives_its_session_and_so_does_the_image(
    path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]], gpu: ctypes.CDLL
) -> None:
    install_tensorrt()
    engine = open_engine(path)
    session = engine.session()
    image, depth = session.image, session.run()
    image[...] = images[0]
    before = depth.copy()
    del session
    np.testing.assert_array_equal(image, images[0])
    np.testing.assert_array_equal(depth, before)
    assert gpu.standin_alive() == 1  # the image
    del image
    assert gpu.standin_alive() == 0


def test_a_session_made_in_one_thread_runs_in_another(
    path: Path, install_tensorrt: Install, images: list[NDArray[np.uint8]]
) -> None:
    install_tensorrt()
    session = open_engine(path).session()
    session.image[...] = images[0]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(session.run).result()
    session.discard()
    np.testing.assert_array_equal(session.run(), first)


def test_the_thread_keeps_its_own_context(install_tensorrt: Install, gpu: ctypes.CDLL) -> None:
    cuda = Cuda()
    assert (cuda.gpu, cuda.compute_capability, cuda.version) == ("Stand-in", "8.7", "12.6")
    assert gpu.standin_depth() == 0
    with cuda.current():
        assert gpu.standin_depth() == 1
    with pytest.raises(ZeroDivisionError), cuda.current():
        raise ZeroDivisionError
    assert gpu.standin_depth() == 0
