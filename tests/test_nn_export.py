"""The models as ONNX: torch's exporter takes them, and ONNX Runtime gives the same numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

import torch

from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict

HEIGHT, WIDTH = 260, 346


def flat(state: Any) -> list[torch.Tensor]:
    return [tensor for pair in state for tensor in pair]


def export(model: DepthAnyEvent, path: Path) -> Any:
    names = model.state_names()
    arguments = (torch.zeros(1, 3, HEIGHT, WIDTH), model.zero_state(HEIGHT, WIDTH))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not ours to mend
        program = torch.onnx.export(
            model.bake(HEIGHT, WIDTH),
            arguments,
            dynamo=True,
            opset_version=18,
            verbose=False,
            input_names=["image", *(f"state_in.{name}" for name in names)],
            output_names=["depth", *(f"state_out.{name}" for name in names)],
        )
    assert program is not None
    program.save(path)
    return onnx.load(path).graph


@pytest.mark.parametrize("recurrent", [False, True])
def test_exported_model_gives_the_same_depth_and_state(recurrent: bool, tmp_path: Path) -> None:
    model = DepthAnyEvent(ModelConfig("tiny", recurrent)).eval()
    model.load_state_dict(seeded_state_dict(model))
    graph = export(model, tmp_path / "model.onnx")
    assert_graph_is_plain(graph)

    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    inputs = [value.name for value in session.get_inputs()]
    assert inputs[1:] == [f"state_in.{name}" for name in model.state_names()]
    state = model.zero_state(HEIGHT, WIDTH)
    arrays = [tensor.numpy() for tensor in flat(state)]
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        image = torch.rand(1, 3, HEIGHT, WIDTH, generator=generator)
        with torch.no_grad():
            wanted, state = model(image, state)
        feeds = dict(zip(inputs, [image.numpy(), *arrays], strict=True))
        depth, *arrays = session.run(None, feeds)
        np.testing.assert_allclose(depth, wanted.numpy(), rtol=1e-4)
        for found, tensor in zip(arrays, flat(state), strict=True):
            np.testing.assert_allclose(found, tensor.numpy(), atol=5e-4)


def assert_graph_is_plain(graph: Any) -> None:
    """LayerNorm is one node, the position table a constant, and no Resize works on the table."""
    types = [node.op_type for node in graph.node]
    assert types.count("LayerNormalization") == 2 * 12 + 4
    assert types.count("Resize") == 6  # the image, four fusions, the output, the depth
    tables = [constant for constant in graph.initializer if "positions" in constant.name]
    assert [list(table.dims) for table in tables] == [[1, 1 + 19 * 25, 192]]
    readers = [node.op_type for node in graph.node if tables[0].name in node.input]
    assert readers == ["Add"]
    assert not any("pos_embed" in constant.name for constant in graph.initializer)
