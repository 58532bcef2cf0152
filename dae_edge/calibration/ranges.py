"""How large each activation gets, over sequences with the state carried from window to window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.calibration.sequences import WindowSequence
from dae_edge.contract import INPUT, Contract
from dae_edge.extras import require

BINS = 2048
LEVELS = 127
"""Of a symmetric int8 quantizer, on each side."""

CLIPS = np.linspace(0.3, 1.0, 71)
"""Parts of the largest value that are tried as the end of the range."""


@dataclass
class Range:
    """What was seen of one activation.

    Attributes:
        largest: Absolute value.
        negative: Whether values below zero were seen.
        channels: Largest absolute value per channel (the last axis), float32 [C]; for images [0].
        counts: Histogram of absolute values over [0, ``top``], float64 [BINS].
        top: Its end.
    """

    largest: float = 0.0
    negative: bool = False
    channels: NDArray[np.float32] | None = None
    counts: NDArray[np.float64] | None = None
    top: float = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Take in one window's values."""
        size = np.abs(values)
        largest = float(size.max(initial=0.0))
        self.negative = self.negative or bool((values < 0).any())
        if values.ndim <= 3:
            peaks = size.reshape(-1, size.shape[-1]).max(axis=0).astype(np.float32)
            self.channels = peaks if self.channels is None else np.maximum(self.channels, peaks)
        self.largest = max(self.largest, largest)
        self._widen(largest)
        if self.top > 0 and self.counts is not None:
            self.counts += np.histogram(size, BINS, (0.0, self.top))[0]

    def _widen(self, largest: float) -> None:
        """Double the histogram's end until the value fits: two bins become one."""
        if self.counts is None:
            self.counts, self.top = np.zeros(BINS), largest
        while self.top < largest and self.top > 0:
            merged = self.counts.reshape(BINS // 2, 2).sum(axis=1)
            self.counts = np.concatenate([merged, np.zeros(BINS // 2)])
            self.top *= 2
        if self.top == 0.0 and largest > 0:
            self.top = largest

    def scale(self) -> float:
        """Step of the int8 quantizer with the least squared error; 1 for what is always 0."""
        if self.counts is None or self.largest == 0.0:
            return 1.0
        centres = (np.arange(BINS) + 0.5) * self.top / BINS
        ends = CLIPS * self.largest
        errors = [float((self.counts * _error(centres, end)).sum()) for end in ends]
        return float(ends[int(np.argmin(errors))]) / LEVELS


def _error(values: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    step = end / LEVELS
    rounded: NDArray[np.float64] = np.minimum(np.round(values / step), LEVELS) * step
    return (values - rounded) ** 2


def collect(
    names: Iterable[str], windows: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, Range]:
    """The range of each named activation, over :func:`activations` of windows."""
    found = {name: Range() for name in names}
    for values in windows:
        for name, seen in found.items():
            seen.add(values[name])
    return found


def activations(
    model: Any,
    names: Iterable[str],
    contract: Contract,
    sequences: Iterable[WindowSequence],
    progress: Callable[[int], None] = lambda windows: None,
) -> Iterator[dict[str, NDArray[Any]]]:
    """Run an ONNX model over sequences, with the state carried.

    Args:
        model: onnx.ModelProto in float32; not changed.
        names: Of activations.
        contract: Of the model.
        sequences: What to run.
        progress: Called with the number of windows done.

    Yields:
        The named activations of each window.

    Raises:
        ValueError: no window at all.
    """
    given = {value.name for value in model.graph.input}
    computed = [name for name in dict.fromkeys(names) if name not in given]
    session = _watched(model, computed)
    outputs = [*(state.output for state in contract.states), *computed]
    done = 0
    for sequence in sequences:
        state = {s.input: np.zeros(s.shape, s.dtype) for s in contract.states}
        for image in sequence.images:
            inputs = {INPUT: image[None], **state}
            values = session.run(outputs, inputs)
            state = {s.input: value for s, value in zip(contract.states, values, strict=False)}
            watched = values[len(contract.states) :]
            yield {**inputs, **dict(zip(computed, watched, strict=True))}
            done += 1
            progress(done)
    if not done:
        raise ValueError("calibration: no window to look at")


def _watched(model: Any, names: Sequence[str]) -> Any:
    """An ONNX Runtime session that also gives the named activations."""
    import onnx

    runtime = require("onnxruntime", extra="export", purpose="calibration")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    given = {value.name for value in copy.graph.output}
    for name in dict.fromkeys(names):
        if name not in given:
            copy.graph.output.append(onnx.ValueInfoProto(name=name))
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return runtime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
