"""The C library turns events into the same depth as Python, bit for bit, and is small."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_builds import RUNTIME, program, run, shared
from numpy.typing import NDArray

import dae_edge as dae
from dae_edge import bundle
from dae_edge.default_model import default_bundle
from dae_edge.sample import SAMPLE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="engines as shared libraries")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped student's bundle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return default_bundle((346, 260), lambda line: None)


def engine_library(backend: str) -> Path:
    """The shared library inside an engine's Python package."""
    package, pattern = {
        "onnxruntime": ("onnxruntime", "capi/libonnxruntime.so.*"),
        "openvino": ("openvino", "libs/libopenvino_c.so.*"),
    }[backend]
    module = pytest.importorskip(package)
    found = sorted(Path(module.__file__).parent.glob(pattern))
    return found[0] if found else pytest.skip(f"{package} comes without {pattern}")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first windows of the sample."""
    path = tmp_path_factory.mktemp("short") / "short.raw"
    path.write_bytes(SAMPLE.read_bytes()[:300_000])
    return path


def depths_in_python(path: Path, backend: str, recording: Path) -> NDArray[np.float32]:
    model = dae.load(path, backend=backend, threads=1)
    stream = model.stream()
    depths = [depth for packet in dae.open(recording) for depth in stream.push(packet)]
    return np.stack([depth.values for depth in [*depths, *stream.flush()]])


def depths_in_c(
    path: Path, backend: str, recording: Path, out: Path
) -> tuple[NDArray[np.float32], list[str]]:
    library = engine_library(backend)
    said = run(program("dae-example-depth"), path, recording, out, backend, library, "1")
    shape = bundle.read(path).contract.depth_shape
    return np.fromfile(out, np.float32).reshape(-1, *shape), said.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_sample_gives_the_same_depth_in_c_and_in_python_to_the_last_bit(
    student: Path, tmp_path: Path, backend: str
) -> None:
    wanted = depths_in_python(student, backend, SAMPLE)
    got, said = depths_in_c(student, backend, SAMPLE, tmp_path / "depth.f32")
    assert len(wanted) == 40
    assert got.tobytes() == wanted.tobytes()
    assert np.ptp(wanted[-1]) > 0
    assert said[0].startswith(f"depthanyevent-r-tiny, onnx-fp32, 346x260, {backend} ")
    assert said[-1].startswith("40 windows, 40 inferred, 0 stale")


@pytest.mark.slow
def test_the_other_examples_give_the_same_depth(student: Path, tmp_path: Path) -> None:
    library = engine_library("onnxruntime")
    wanted, _ = depths_in_c(student, "onnxruntime", SAMPLE, tmp_path / "c.f32")
    out = tmp_path / "cpp.f32"
    run(program("dae-example-depth-cpp"), student, SAMPLE, out, "onnxruntime", library, "1")
    assert out.read_bytes() == wanted.tobytes()
    # With OpenEB absent a stand-in for it plays the recording, in callbacks from another thread.
    said = run(program("dae-example-metavision"), student, SAMPLE, "onnxruntime", library)
    *windows, last = said.splitlines()
    assert last.startswith("40 windows, 40 inferred")
    assert last.endswith(", 0 events and 0 windows dropped")
    row = wanted[:, wanted.shape[1] // 2]
    shown = [[float(number) for number in line.split()[4:7]] for line in windows]
    np.testing.assert_allclose(shown, row[:, [0, row.shape[1] // 2, -1]], atol=2e-3)


@pytest.mark.parametrize(
    ("backend", "compute"),
    [("onnxruntime", "int8"), ("openvino", "float32"), ("openvino", "bfloat16")],
)
def test_an_engines_own_file_gives_the_same_depth_in_its_precision(
    student: Path, tmp_path: Path, short: Path, backend: str, compute: str
) -> None:
    file = "model.xml" if backend == "openvino" else "model.onnx"
    path = tmp_path / "native.dae"
    manifest = dict(bundle.read(student).manifest)
    manifest["engine"] = {"backend": backend, "file": file}
    manifest["precision"] = {"weights": compute, "compute": compute, "state": "float32"}
    with bundle.writing(path) as folder:
        for name in ("model.onnx", "weights.bin"):
            (folder / name).hardlink_to(student / name)
        if backend == "openvino":
            openvino = pytest.importorskip("openvino")
            model = openvino.convert_model(student / "model.onnx")
            openvino.save_model(model, folder / file, compress_to_fp16=True)
        bundle.seal(folder, manifest)
    wanted = depths_in_python(path, backend, short)
    got, said = depths_in_c(path, backend, short, tmp_path / "depth.f32")
    assert len(wanted) >= 4
    assert got.tobytes() == wanted.tobytes()
    assert dae.load(path, threads=1).engine.description in said[0]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_model_that_breaks_the_contract_is_refused_by_name(
    student: Path, tmp_path: Path, backend: str
) -> None:
    assert "outputs: not in the contract: state_out.layer4.other" in refusal(
        student, tmp_path, backend, rename_output
    )


def test_a_model_whose_metadata_do_not_fit_is_refused(student: Path, tmp_path: Path) -> None:
    said = refusal(student, tmp_path, "onnxruntime", forget_pairs)
    assert "model.onnx: metadata 'dae.states': wanted 'state_in.layer4.hidden=" in said


def refusal(student: Path, folder: Path, backend: str, change: Callable[[Any], None]) -> str:
    """What the example says to a bundle whose model was changed."""
    onnx = pytest.importorskip("onnx")
    path = folder / "changed.dae"
    with bundle.writing(path) as inside:
        model = onnx.load(student / "model.onnx", load_external_data=False)
        change(model)
        (inside / "model.onnx").write_bytes(model.SerializeToString())
        (inside / "weights.bin").hardlink_to(student / "weights.bin")
        bundle.seal(inside, bundle.read(student).manifest)
    out, library = folder / "out.f32", engine_library(backend)
    done = subprocess.run(
        [program("dae-example-depth"), path, SAMPLE, out, backend, library],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not out.exists()
    return done.stderr


def rename_output(model: Any) -> None:
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == "state_out.layer4.hidden":
                    names[index] = "state_out.layer4.other"
    for output in model.graph.output:
        if output.name == "state_out.layer4.hidden":
            output.name = "state_out.layer4.other"


def forget_pairs(model: Any) -> None:
    for entry in model.metadata_props:
        if entry.key == "dae.states":
            entry.value = ""


def test_the_library_is_smaller_than_a_megabyte() -> None:
    assert shared().stat().st_size < 1_000_000


def test_all_but_the_engine_takes_less_than_20_megabytes(student: Path) -> None:
    said = run(program("dae-example-callback"), student, SAMPLE)
    found = re.fullmatch(r"39 windows, at most (\d+) KiB resident\n", said)
    assert found, said
    assert int(found[1]) * 1024 < 20_000_000


def test_the_library_exports_what_its_headers_declare_and_nothing_else() -> None:
    declared = set()
    for header in sorted((RUNTIME / "include").glob("*.h")):
        declared |= set(re.findall(r"^DAE_API [^(]*?\b(dae_\w+)\(", header.read_text(), re.M))
    lines = run("nm", "--dynamic", "--defined-only", shared()).splitlines()
    exported = {line.split()[-1] for line in lines}
    assert "dae_stream_push" in declared
    assert exported == declared


def test_the_library_needs_only_the_c_library() -> None:
    lines = run("readelf", "--dynamic", shared()).splitlines()
    needed = {line.split("[")[1].rstrip("]") for line in lines if "(NEEDED)" in line}
    assert needed <= {"libc.so.6", "libm.so.6", "libdl.so.2", "ld-linux-x86-64.so.2"} | {
        "ld-linux-aarch64.so.1"
    }
