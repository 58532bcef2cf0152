"""The INT8 form of a model: calibrated once, written for any choice of layers that stay float."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge.calibration import graph, qdq
from dae_edge.calibration.layers import Layer, also_quantizable, quantizable
from dae_edge.calibration.ranges import Range, activations, collect
from dae_edge.calibration.rounding import Moments, Stored, compensated, nearest
from dae_edge.calibration.sequences import WindowSequence
from dae_edge.calibration.smooth import smooth
from dae_edge.contract import Contract


class Settings(NamedTuple):
    """A target's ``[int8]``.

    Attributes:
        windows: Calibration windows of each sequence.
        smooth: SmoothQuant's strength; 0: none.
        compensate: Round weights by what goes in together, not each to the nearest (see
            ``rounding``).
        weight_bits: 7 is right on every processor; 8 is finer by a bit and saturates on x86
            without VNNI (see ``qdq``).
        also: What is quantized besides layers, to see why it is not: ``"residual sums"``,
            ``"cell states"``.
    """

    windows: int = 16
    smooth: float = 0.5
    compensate: bool = True
    weight_bits: int = 7
    also: tuple[str, ...] = ()


class Int8:
    """A calibrated model.

    Attributes:
        layers: What may be quantized, in the graph's order.
        smoothed: For each smoothed activation, its range as a part of what it was.
    """

    def __init__(
        self,
        onnx: Path,
        contract: Contract,
        sequences: Sequence[WindowSequence],
        settings: Settings,
        progress: Callable[[int], None] = lambda windows: None,
    ) -> None:
        self._model = graph.load(onnx)
        self._settings = settings
        layers = quantizable(self._model)
        extra = also_quantizable(self._model, contract, settings.also)
        self.smoothed: dict[str, float] = {}

        def windows(watched: Sequence[Layer]) -> Iterator[dict[str, NDArray[Any]]]:
            names = [layer.input for layer in watched]
            return activations(self._model, names, contract, sequences, progress)

        if settings.smooth:
            linear = [layer for layer in layers if layer.kind == "MatMul"]
            seen = collect([layer.input for layer in linear], windows(linear))
            self.smoothed = smooth(self._model, linear, seen, settings.smooth)
            layers = quantizable(self._model)
        self.layers: list[Layer] = [*extra, *layers]
        view = graph.View(self._model)
        self._moments = Moments(view, layers if settings.compensate else ())
        self.ranges: dict[str, Range] = collect(
            [layer.input for layer in self.layers], self._watched(windows(self.layers))
        )
        self._rounded: dict[str, Stored] = {}

    def _watched(
        self, windows: Iterator[dict[str, NDArray[Any]]]
    ) -> Iterator[dict[str, NDArray[Any]]]:
        for values in windows:
            self._moments.add(values)
            yield values

    def model(self, keep: Collection[str] = (), only: Collection[str] | None = None) -> Any:
        """The model with Q/DQ before its layers.

        Args:
            keep: Names of layers that stay float.
            only: Names of the only ones to quantize; None: all.
        """
        chosen = [
            layer
            for layer in self.layers
            if layer.name not in keep and (only is None or layer.name in only)
        ]
        copy = type(self._model)()
        copy.CopyFrom(self._model)
        return qdq.to_int8(copy, chosen, self.ranges, self._weights)

    def _weights(self, name: str, weights: NDArray[np.float32], axis: int) -> Stored:
        """A layer's weights in int8, the same in every form."""
        if name not in self._rounded:
            bits, moments = self._settings.weight_bits, self._moments.sums.get(name)
            self._rounded[name] = (
                nearest(weights, axis, bits)
                if moments is None
                else compensated(weights, axis, bits, moments)
            )
        return self._rounded[name]
