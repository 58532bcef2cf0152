"""OpenVINO's own files: IR from an ONNX form, with weights in FP32 or FP16; and INT8 by NNCF, from
the same ONNX and the same calibration windows, to compare with."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.calibration.int8 import Settings
from dae_edge.calibration.sequences import WindowSequence
from dae_edge.contract import INPUT, Contract
from dae_edge.extras import require


def write_ir(onnx: Path, xml: Path, *, half: bool) -> None:
    """ONNX to IR; ``half``: weights stored in float16."""
    openvino = require("openvino", extra="openvino", purpose="this target")
    openvino.save_model(openvino.Core().read_model(str(onnx)), str(xml), compress_to_fp16=half)


def write_int8(
    onnx: Path,
    xml: Path,
    contract: Contract,
    sequences: Sequence[WindowSequence],
    settings: Settings,
    *,
    keep: Collection[str] = (),
) -> None:
    """ONNX to an INT8 IR, quantized by NNCF.

    Args:
        onnx: FP32.
        xml: Where the IR goes.
        contract: Of the model.
        sequences: Calibration windows; each meets the state that the FP32 model has there.
        settings: Of the target's ``[int8]`` table.
        keep: Layers (ONNX nodes) that stay as they are.
    """
    openvino = require("openvino", extra="openvino", purpose="this target")
    nncf = require("nncf", extra="nncf", purpose="INT8 by NNCF")
    model = openvino.Core().read_model(str(onnx))
    items = list(with_states(model, contract, sequences))
    smooth, fix = settings.smooth or -1, nncf.OverflowFix  # -1: none; the fix: 7 bits
    advanced = nncf.AdvancedQuantizationParameters(
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=smooth),
        overflow_fix=fix.ENABLE if settings.weight_bits == 7 else fix.DISABLE,
    )
    with _quiet(nncf):
        quantized = nncf.quantize(
            model,
            nncf.Dataset(items),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(items),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(names=[*keep, *_never(model, keep)]),
            advanced_parameters=advanced,
        )
    openvino.save_model(quantized, str(xml), compress_to_fp16=False)


def _never(model: Any, keep: Collection[str]) -> list[str]:
    """Names NNCF must leave alone besides the layers kept: whatever is no layer with weights."""
    layers = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
    never = []
    for node in model.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in ("Parameter", "Result", "Constant") or name in keep:
            continue
        if kind not in layers or node.input_value(1).get_node().get_type_name() != "Constant":
            never.append(name)
    return never


def with_states(
    model: Any, contract: Contract, sequences: Sequence[WindowSequence]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Every window as the model's inputs, with the states that its own outputs left."""
    openvino = require("openvino", extra="openvino", purpose="calibration")
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()
    for sequence in sequences:
        state = {s.input: np.zeros(s.shape, s.dtype) for s in contract.states}
        for image in sequence.images:
            item = {INPUT: image[None], **state}
            yield item
            request.infer(item)
            state = {s.input: request.get_tensor(s.output).data.copy() for s in contract.states}


@contextmanager
def _quiet(nncf: Any) -> Iterator[None]:
    """NNCF draws bars and logs of its own; progress is told by the caller."""
    logger = logging.getLogger("nncf")
    level, disabled = logger.level, logging.root.manager.disable
    nncf.set_log_level(logging.ERROR)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        logger.setLevel(level)
