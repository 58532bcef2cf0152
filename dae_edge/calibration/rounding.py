"""Weights to int8: each to the nearest step, or so that what a layer gives stays near.

The nearest step is the least error of each weight, not of their sum. In GPTQ (Frantar et al., ICLR
2023; in the form of Chee et al., NeurIPS 2023, equation 2) weights are rounded one input after the
other, and those still to come make good what was rounded off, as far as their inputs went along
with it in calibration. Weights of 7 bits then lose about as little as those of 8 rounded to the
nearest, in ViTs less (calibrate/README.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.calibration.graph import View
from dae_edge.calibration.layers import Layer

Stored = tuple[NDArray[np.int8], NDArray[np.float32]]
"""Weights in steps, in their own shape, and the step of each output, float32 [outputs]."""

ROWS = 128
"""Of a window's tokens or pixels, the same in each, chosen once: more do not change the weights."""

MOST_INPUTS = 4608
"""Of a layer, kernel included: the time grows with their third power."""

DAMPING = 0.05
"""Of the mean moment, added to each: inputs that were hardly seen are not trusted."""

BLOCK = 64
"""Inputs whose error reaches those after the block at once: products are faster than sums."""


def nearest(weights: NDArray[np.float32], axis: int, bits: int) -> Stored:
    """Each weight to the nearest step; the step is 1 for an output of zeros."""
    levels, rows = _levels(bits), _rows(weights, axis)
    scales = np.abs(rows).max(axis=1) / levels
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    stored = np.clip(np.round(rows / scales[:, None]), -levels, levels)
    return _shaped(stored, weights, axis), scales


def compensated(
    weights: NDArray[np.float32], axis: int, bits: int, moments: NDArray[np.float64]
) -> Stored:
    """Weights in the same steps as the nearest, each error made good by those that follow.

    Args:
        weights: Of any shape.
        axis: Counts outputs.
        bits: Of the steps, at most 8.
        moments: Sums of products of the inputs, [inputs, inputs], in the order of the other axes.
    """
    levels, (_, scales) = _levels(bits), nearest(weights, axis, bits)
    # Inputs that matter most come first, as nothing makes good the error of the last.
    order = np.argsort(-np.diag(moments), kind="stable")
    feedback = _feedback(moments[np.ix_(order, order)])
    wanted = (_rows(weights, axis) / scales[:, None]).T[order].astype(np.float64)
    rounded, errors = np.empty_like(wanted), np.empty_like(wanted)
    for first in range(0, len(wanted), BLOCK):
        block = slice(first, first + BLOCK)
        made_good = wanted[block] + feedback[:first, block].T @ errors[:first]
        for at, row in enumerate(made_good, start=first):
            row += feedback[first:at, at] @ errors[first:at]
            rounded[at] = np.clip(np.round(row), -levels, levels)
            errors[at] = wanted[at] - rounded[at]
    stored = np.empty_like(rounded)
    stored[order] = rounded
    return _shaped(stored.T, weights, axis), scales


class Moments:
    """How the inputs of layers go together, over windows.

    Args:
        view: Of the model.
        layers: Those to look at; what cannot be looked at is left out.
    """

    def __init__(self, view: View, layers: Iterable[Layer]) -> None:
        self._layers = [(layer, view.named[layer.name]) for layer in layers if layer.weight]
        self._shapes = {layer.weight: view.array(layer.weight).shape for layer, _ in self._layers}
        self.sums: dict[str, NDArray[np.float64]] = {}
        """By the name of the weights."""

    def add(self, activations: Mapping[str, NDArray[Any]]) -> None:
        """Take in one window."""
        for layer, node in self._layers:
            if layer.input in activations:
                rows = _inputs(node, self._shapes[layer.weight], activations[layer.input])
                if rows is not None and rows.shape[1] <= MOST_INPUTS:
                    exact = rows.astype(np.float64)
                    self.sums[layer.weight] = self.sums.get(layer.weight, 0.0) + exact.T @ exact


def _inputs(
    node: Any, shape: tuple[int, ...], activation: NDArray[Any]
) -> NDArray[np.float32] | None:
    """Rows of what one output is a sum over, float32 [rows, inputs]; None: no such sum."""
    if node.op_type == "MatMul":
        rows = activation.reshape(-1, activation.shape[-1])
        return rows[_some(len(rows))]
    if node.op_type == "Conv" and shape[1] == activation.shape[1]:  # not in groups
        return _patches(node, shape, activation)
    return None


def _patches(
    node: Any, shape: tuple[int, ...], activation: NDArray[Any]
) -> NDArray[np.float32] | None:
    given = {one.name: list(one.ints) for one in node.attribute}
    if set(given.get("dilations", [1])) != {1}:
        return None
    top, left, bottom, right = given.get("pads", [0, 0, 0, 0])
    down, across = given.get("strides", [1, 1])
    padded = np.pad(activation, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, shape[2:], axis=(2, 3))
    windows = windows[:, :, ::down, ::across]
    images, _, height, width = windows.shape[:4]
    image, y, x = np.unravel_index(_some(images * height * width), (images, height, width))
    return windows[image, :, y, x].reshape(len(y), -1)


def _some(count: int) -> NDArray[np.intp]:
    if count <= ROWS:
        return np.arange(count)
    return np.random.default_rng(count).choice(count, ROWS, replace=False)


def _feedback(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the error of input j input k takes over, at [j, k] for j < k.

    The moments are M D M' with M an upper triangle of ones on its diagonal: M is that.
    """
    damping = max(DAMPING * float(np.diag(moments).mean()), 1e-12)
    damped = moments + damping * np.eye(len(moments))
    upper = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
    feedback: NDArray[np.float64] = upper / np.diag(upper)
    return feedback


def _levels(bits: int) -> int:
    return int(2 ** (bits - 1) - 1)


def _rows(weights: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    return np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)


def _shaped(rows: NDArray[Any], weights: NDArray[Any], axis: int) -> NDArray[np.int8]:
    shape = np.moveaxis(weights, axis, 0).shape
    return np.moveaxis(rows.reshape(shape), 0, axis).astype(np.int8)
