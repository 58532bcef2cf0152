"""Does the engine give what torch gives, also after many windows with the state carried?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dae_edge.backends import Engine
from dae_edge.export.graph import ContractGraph
from dae_edge.nn.network import flat


@dataclass(frozen=True)
class WindowError:
    """How far an engine is from torch in one window of a rolled sequence.

    Attributes:
        depth_mean: Mean over pixels of |difference| / depth of torch.
        depth_p999: 99.9th percentile of the same.
        state: Largest |difference| of a state tensor, relative to its largest value; 0 without.
        finite: No NaN, no infinity.
    """

    depth_mean: float
    depth_p999: float
    state: float
    finite: bool


@dataclass(frozen=True)
class Parity:
    """An engine against torch over a sequence: the worst window of each error, and the limits."""

    engine: str
    limits: dict[str, float]
    windows: tuple[WindowError, ...]
    stepwise: bool = False

    @property
    def worst(self) -> dict[str, float]:
        """The largest of each error."""
        return {
            name: max(getattr(window, name) for window in self.windows)
            for name in ("depth_mean", "depth_p999", "state")
        }

    @property
    def passed(self) -> bool:
        """Every error within its limit, and every number finite."""
        within = all(value <= self.limits[name] for name, value in self.worst.items())
        return within and all(window.finite for window in self.windows)

    def as_dict(self) -> dict[str, Any]:
        """For report.json."""
        return {
            "engine": self.engine,
            "passed": self.passed,
            "stepwise": self.stepwise,
            "worst": self.worst,
            "limits": self.limits,
            "windows": [asdict(window) for window in self.windows],
        }


def roll_torch(
    graph: ContractGraph, images: Iterable[NDArray[Any]]
) -> list[tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]]:
    """Depth and state of the torch model after each image, from zero state on."""
    rolled = []
    state: Any = None
    names = graph.model.state_names()
    with torch.inference_mode():
        for image in images:
            depth, state = graph(torch.from_numpy(image[None]), state)
            tensors = zip(names, flat(state), strict=True)
            arrays = {name: tensor.numpy().copy() for name, tensor in tensors}
            rolled.append((depth[0].numpy().copy(), arrays))
    return rolled


def compare(
    engine: Engine,
    images: Iterable[NDArray[Any]],
    truth: list[tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]],
    limits: dict[str, float],
    *,
    stepwise: bool = False,
) -> Parity:
    """Roll an engine's session over the same images as torch was.

    With ``stepwise`` every window starts from torch's state instead of the engine's own: for models
    in which rounding grows from window to window, in torch as much as in the engine.
    """
    session = engine.session()
    errors = []
    before = session.state()
    for image, (depth, state) in zip(images, truth, strict=True):
        if stepwise:
            session.restore(before)
            before = state
        session.image[...] = image
        errors.append(_window_error(session.run(), depth, session.state(), state))
    limits = {name: limits[name] for name in ("depth_mean", "depth_p999", "state")}
    return Parity(engine.description, limits, tuple(errors), stepwise)


def _window_error(
    depth: NDArray[np.float32],
    true_depth: NDArray[np.float32],
    state: dict[str, NDArray[Any]],
    true_state: dict[str, NDArray[np.float32]],
) -> WindowError:
    finite = bool(np.isfinite(depth).all() and all(np.isfinite(a).all() for a in state.values()))
    if not finite:
        return WindowError(float("inf"), float("inf"), float("inf"), finite=False)
    relative = np.abs(depth - true_depth) / np.maximum(np.abs(true_depth), 1e-6)
    drifts = [
        float(np.abs(state[name] - true).max() / max(float(np.abs(true).max()), 1e-6))
        for name, true in true_state.items()
    ]
    return WindowError(
        float(relative.mean()), float(np.quantile(relative, 0.999)), max(drifts, default=0.0), True
    )
