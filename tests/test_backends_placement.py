"""What engines tell of themselves: where and in which precision each node runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime")
from standin_tensorrt import StandinTensorRt
from tiny_onnx import FOR_TENSORRT, tiny_bundle

from dae_edge import bundle as bundles
from dae_edge.backends import load_engine
from dae_edge.backends.placement import Placement, placement


def of(path: Path, backend: str, file: str) -> Placement:
    contract = bundles.read(path).contract
    placed = placement(load_engine(backend, path / file, contract, threads=1))
    assert placed is not None
    return placed


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "openvino-stateful"])
def test_every_layer_of_a_float32_model_runs_in_float32(small_bundle: Path, backend: str) -> None:
    pytest.importorskip(backend.partition("-")[0])
    placed = of(small_bundle, backend, "model.onnx")
    assert placed.devices == ("CPU",)
    assert list(placed.heavy) == ["float32"]
    assert 50 < placed.heavy["float32"] < sum(placed.nodes.values())
    counts = list(placed.nodes.values())
    assert counts == sorted(counts, reverse=True)


def test_nodes_are_named_by_kind_and_precision_and_the_source_is_told(small_bundle: Path) -> None:
    pytest.importorskip("openvino")
    sources = {
        "onnxruntime": ("ONNX Runtime's profile", "LayerNormalization float32"),
        "openvino": ("OpenVINO's runtime model", "FullyConnected f32"),
    }
    for backend, (source, node) in sources.items():
        placed = of(small_bundle, backend, "model.onnx")
        assert placed.source == source
        assert placed.nodes[node] > 5
        report = json.loads(json.dumps(placed.as_dict()))
        assert report["devices"] == ["CPU"]
        assert report["heavy"] == placed.heavy


def test_tensorrt_tells_what_its_inspector_said_when_the_plan_was_built(
    tmp_path: Path, install_tensorrt: Callable[..., StandinTensorRt]
) -> None:
    install_tensorrt()
    placed = of(tiny_bundle(tmp_path / "tiny.dae", **FOR_TENSORRT), "tensorrt", "model.onnx")
    assert placed.source == "TensorRT's inspector"
    assert placed.devices == ("GPU",)
    assert placed.nodes == {"gemm float16": 1, "CaskConvolution int8": 1, "Reformat float32": 1}


def test_an_engine_that_tells_nothing_has_no_placement() -> None:
    engine: Any = object()
    assert placement(engine) is None
