"""Does an engine give what it should, also after many windows with the state carried?

What it should give comes from torch when a model is exported, and from ONNX Runtime on the device,
where there is no torch. Errors are those of calibrate/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.backends.backend import Engine
from dae_edge.finite import finite_only

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

METRICS = ("depth_mean", "depth_p999", "state")

LIMITS: dict[str, dict[str, float]] = {
    "float32": {"windows": 24, "depth_mean": 1e-3, "depth_p999": 1e-2, "state": 1e-2},
    "float16": {"windows": 24, "depth_mean": 1e-2, "depth_p999": 5e-2, "state": 1e-1},
    "int8": {"windows": 24, "depth_mean": 2e-2, "depth_p999": 1e-1, "state": 1.0},
}
"""By what is computed in, where a target says no more.

Two engines with one file differ in order of summation and in rounding. For scale, the shipped
student over 24 windows: its FP16 form is 1.1e-3, 1.5e-3 and 1.7e-2 from float32; its INT8 form with
FP16 between the layers is 3.8e-3, 1.7e-2 and 0.29 from the one with float32 there. An engine that
was built wrong is beyond all of these at once.
"""
_TINY = 1e-6

Rolled = tuple[NDArray[np.float32], Mapping[str, NDArray[Any]]]
"""Depth [H, W] of a window, and the state by name after it."""


@dataclass(frozen=True)
class WindowError:
    """How far an engine is from the truth in one window of a rolled sequence.

    Attributes:
        depth_mean: Mean over pixels of |difference| / true depth.
        depth_p999: 99.9th percentile of the same.
        state: Largest |difference| of a state tensor, relative to its largest value; 0 without.
        finite: No NaN, no infinity, also in the truth. Where there is one, the errors are infinite.
    """

    depth_mean: float
    depth_p999: float
    state: float
    finite: bool


@dataclass(frozen=True)
class Parity:
    """An engine against the truth over a sequence.

    Attributes:
        engine: What was compared.
        reference: What it was held against.
        limits: Largest error allowed of each of ``METRICS``.
        windows: Errors of each window.
        stepwise: Each window started from the true state.
    """

    engine: str
    reference: str
    limits: dict[str, float]
    windows: tuple[WindowError, ...]
    stepwise: bool = False

    @property
    def worst(self) -> dict[str, float]:
        """The largest of each error: the worst window counts."""
        return {
            name: max((getattr(window, name) for window in self.windows), default=0.0)
            for name in METRICS
        }

    @property
    def finite(self) -> bool:
        """Whether every number was."""
        return all(window.finite for window in self.windows)

    @property
    def passed(self) -> bool:
        """Every error within its limit, and every number finite; not without a window."""
        within = all(value <= self.limits[name] for name, value in self.worst.items())
        return bool(self.windows) and within and self.finite

    @property
    def complaint(self) -> str:
        """What missed its limit, in words; nothing where nothing did."""
        if not self.finite:
            return f"NaN or infinity within {len(self.windows)} windows"
        return "; ".join(
            f"{name} {value:.2e} > {self.limits[name]:.2e}"
            for name, value in self.worst.items()
            if not value <= self.limits[name]
        )

    def as_dict(self) -> dict[str, Any]:
        """For reports, which are JSON: None where an error is not finite."""
        told = {
            "engine": self.engine,
            "reference": self.reference,
            "passed": self.passed,
            "finite": self.finite,
            "stepwise": self.stepwise,
            "worst": self.worst,
            "limits": self.limits,
            "windows": [asdict(window) for window in self.windows],
        }
        return finite_only(told)  # type: ignore[no-any-return]


def roll(engine: Engine, images: Iterable[NDArray[Any]]) -> Iterator[Rolled]:
    """Depth and state of an engine after each image, from zero state on."""
    session = engine.session()
    for image in images:
        session.image[...] = image
        depth = session.run()
        yield depth, session.state()


def told(images: Sequence[NDArray[Any]], step: str, progress: Steps) -> Iterator[NDArray[Any]]:
    """The images one by one, telling how many are done."""
    for index, image in enumerate(images):
        progress(step, index / len(images))
        yield image


def compare(
    engine: Engine,
    images: Iterable[NDArray[Any]],
    truth: Iterable[Rolled],
    limits: Mapping[str, float],
    *,
    reference: str,
    stepwise: bool = False,
) -> Parity:
    """Roll an engine over the windows that the truth was rolled over, from zero state on.

    Args:
        engine: What is to be proven.
        images: Windows as the model's input.
        truth: What it should give: ``roll`` of another engine, or ``roll_torch``.
        limits: Largest error allowed of each of ``METRICS``; other entries are ignored.
        reference: Where the truth comes from, for reports.
        stepwise: Every window starts from the true state instead of the engine's own: for models in
            which rounding grows from window to window, in torch as much as in the engine.
    """
    session = engine.session()
    before: Mapping[str, NDArray[Any]] = session.state()
    errors = []
    for image, (depth, state) in zip(images, truth, strict=True):
        if stepwise:
            session.restore(before)
            before = state
        session.image[...] = image
        errors.append(_window_error(session.run(), depth, session.state(), state))
    limits = {name: float(limits[name]) for name in METRICS}
    return Parity(engine.description, reference, limits, tuple(errors), stepwise)


def _window_error(
    depth: NDArray[np.float32],
    true_depth: NDArray[np.float32],
    state: Mapping[str, NDArray[Any]],
    true_state: Mapping[str, NDArray[Any]],
) -> WindowError:
    infinite = WindowError(math.inf, math.inf, math.inf, finite=False)
    if not all(np.isfinite(array).all() for array in [depth, *state.values()]):
        return infinite
    relative = np.abs(depth - true_depth) / np.maximum(np.abs(true_depth), _TINY)
    drifts = [_drift(state[name], true) for name, true in true_state.items()]
    errors = float(relative.mean()), float(np.quantile(relative, 0.999)), max(drifts, default=0.0)
    return WindowError(*errors, finite=True) if all(map(math.isfinite, errors)) else infinite


def _drift(state: NDArray[Any], true: NDArray[Any]) -> float:
    difference = np.abs(state.astype(np.float32) - true.astype(np.float32)).max()
    return float(difference / max(float(np.abs(true).max()), _TINY))
