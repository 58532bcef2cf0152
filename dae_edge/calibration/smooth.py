"""SmoothQuant: large channels of an activation are moved into the weights, exactly.

A few channels of a transformer's normalised activations are far larger than the others and take the
whole int8 range. Dividing channel j by s_j in the LayerNormalization and multiplying row j of the
weights by it changes nothing in float32 (Xiao et al., ICML 2023, equation 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dae_edge.calibration.graph import View, add_constant, drop_unused_constants
from dae_edge.calibration.layers import Layer
from dae_edge.calibration.ranges import Range


def smooth(
    model: Any, layers: list[Layer], ranges: Mapping[str, Range], strength: float
) -> dict[str, float]:
    """Smooth every linear layer that alone reads a LayerNormalization.

    Args:
        model: onnx.ModelProto in float32; changed.
        layers: Quantizable layers.
        ranges: Of their inputs, with channels.
        strength: 0: activations as they are; 1: all of it goes into the weights.

    Returns:
        For each smoothed activation the range it has afterwards, as a part of what it had.
    """
    view = View(model)
    shrunk = {}
    for layer in layers:
        norm = view.maker.get(layer.input)
        alone = len(view.readers[layer.input]) == 1 and layer.input not in view.outputs
        seen = ranges[layer.input].channels
        if layer.kind != "MatMul" or norm is None or not alone or seen is None:
            continue
        if norm.op_type != "LayerNormalization" or len(norm.input) != 3:
            continue
        weights = view.array(layer.weight)
        factors = _factors(seen, np.abs(weights).max(axis=1), strength)
        _move(model, view, norm, layer, factors)
        shrunk[layer.input] = float((seen / factors).max() / max(float(seen.max()), 1e-12))
    drop_unused_constants(model)
    return shrunk


def _factors(seen: Any, weights: Any, strength: float) -> Any:
    factors = np.maximum(seen, 1e-5) ** strength / np.maximum(weights, 1e-5) ** (1 - strength)
    return np.maximum(factors, 1e-5).astype(np.float32)


def _move(model: Any, view: View, norm: Any, layer: Layer, factors: Any) -> None:
    """New constants, as others may read the old ones."""
    for index in (1, 2):
        values = view.array(norm.input[index]) / factors
        norm.input[index] = add_constant(model, f"{norm.input[index]}.smooth", values)
    (reader,) = view.readers[layer.input]
    values = view.array(layer.weight) * factors[:, None]
    reader.input[1] = add_constant(model, f"{layer.weight}.smooth", values)
