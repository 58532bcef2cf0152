"""The baselines as ONNX: torch's exporter takes them, and ONNX Runtime gives the same numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

import torch
from baselines import flat, like, root_mean_square, seeded, sparse
from torch import Tensor

from dae_edge.nn import DepthAnythingV2, E2Depth, EReFormer

WINDOWS = 8
STATE_RTOL = 1e-4  # of the root mean square


def export(baked: torch.nn.Module, arguments: Any, names: tuple[str, ...], path: Path) -> Any:
    """Write ONNX with the state's names; the graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not ours to mend
        program = torch.onnx.export(
            baked,
            arguments,
            dynamo=True,
            opset_version=18,
            verbose=False,
            input_names=["input", *(f"state_in.{name}" for name in names)],
            output_names=["depth", *(f"state_out.{name}" for name in names)],
        )
    assert program is not None
    program.save(path)
    return onnx.load(path).graph


def assert_every_window_agrees(model: Any, path: Path, windows: list[Tensor]) -> None:
    """ONNX Runtime carries its own state; torch takes each step from there.

    So a difference in a step shows, and what a long recurrence makes of rounding does not.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    assert inputs[1:] == [f"state_in.{name}" for name in model.state_names()]
    nested = model.zero_state(*windows[0].shape[2:])
    state = [tensor.numpy() for tensor in flat(nested)]
    for window in windows:
        before = like(nested, [torch.from_numpy(array) for array in state])
        wanted, after = model(window, before)
        depth, *state = session.run(None, dict(zip(inputs, [window.numpy(), *state], strict=True)))
        torch.testing.assert_close(torch.from_numpy(depth), wanted, rtol=1e-4, atol=0)
        for name, found, tensor in zip(model.state_names(), state, flat(after), strict=True):
            error = root_mean_square(torch.from_numpy(found) - tensor)
            assert error <= STATE_RTOL * root_mean_square(tensor), name


def test_exported_e2depth_gives_the_same_depth_and_state(tmp_path: Path) -> None:
    height, width, path = 90, 122, tmp_path / "e2depth.onnx"
    model = seeded(E2Depth())
    shape = (1, 5, height, width)
    windows = [
        8 * (sparse(*shape, seed=n) - sparse(*shape, seed=-n)) for n in range(1, WINDOWS + 1)
    ]
    arguments = (windows[0], model.zero_state(height, width))
    graph = export(model.bake(height, width), arguments, model.state_names(), path)
    types = [node.op_type for node in graph.node]
    assert types.count("Conv") == 1 + 3 * 2 + 2 * 2 + 3 + 1
    assert types.count("Resize") == 3
    assert_every_window_agrees(model, path, windows)


@pytest.mark.slow
def test_exported_ereformer_gives_the_same_depth_and_state(tmp_path: Path) -> None:
    height, width, path = 64, 100, tmp_path / "ereformer.onnx"
    model = seeded(EReFormer("tiny"))
    windows = [sparse(1, 3, height, width, seed=n) for n in range(WINDOWS)]
    arguments = (windows[0], model.zero_state(height, width))
    graph = export(model.bake(height, width), arguments, model.state_names(), path)
    types = [node.op_type for node in graph.node]
    assert types.count("Softmax") == 12 + 2 + 2 + 3 * 4
    assert types.count("Resize") == 1  # the position tables are constants
    assert_every_window_agrees(model, path, windows)


def test_exported_teacher_gives_the_same_inverse_depth(tmp_path: Path) -> None:
    height, width, path = 60, 80, tmp_path / "teacher.onnx"
    model = seeded(DepthAnythingV2("tiny", input_size=98))
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    export(model.bake(height, width), (image,), (), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (inverse,) = session.run(None, {"input": image.numpy()})
    torch.testing.assert_close(torch.from_numpy(inverse), model(image)[0], rtol=1e-4, atol=1e-4)
