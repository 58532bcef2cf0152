"""The comparison that every engine has to pass on the device before it serves.

The engine and ONNX Runtime get the same windows and carry their own states; errors are those of
calibrate/README.md. Needs no torch: a robot has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.backends.backend import Engine

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


def compare(
    engine: Engine,
    reference: Engine,
    images: list[NDArray[Any]],
    limits: dict[str, float],
    *,
    stepwise: bool = False,
    progress: Steps = lambda step, fraction=None: None,
) -> dict[str, Any]:
    """Roll both engines over the same windows, from zero state on.

    Args:
        engine: What is to be proven.
        reference: What it is held against.
        images: Windows as the model's input.
        limits: Largest error allowed of each of ``METRICS``.
        stepwise: Each window starts from the reference's state (see calibrate/README.md).
        progress: Hears how far it is.

    Returns:
        For reports: ``passed``, ``finite``, ``windows``, ``stepwise``, ``reference``, ``worst`` (a
        number of each metric, None where something was not finite), ``limits``.
    """
    session, truth = engine.session(), reference.session()
    worst = dict.fromkeys(METRICS, 0.0)
    finite = True
    step = f"{engine.description} against {reference.description}"
    for index, image in enumerate(images):
        progress(step, index / len(images))
        if stepwise:
            session.restore(truth.state())
        for one in (session, truth):
            one.image[...] = image
        depths = session.run(), truth.run()
        errors = _errors(*depths, session.state(), truth.state())
        finite = finite and all(np.isfinite(list(errors.values())))
        worst = {name: max(worst[name], errors[name]) for name in METRICS}
    within = all(worst[name] <= limits[name] for name in METRICS)
    return {
        "passed": bool(images) and finite and within,
        "finite": finite,
        "windows": len(images),
        "stepwise": stepwise,
        "reference": reference.description,
        "worst": worst if finite else dict.fromkeys(METRICS),
        "limits": {name: float(limits[name]) for name in METRICS},
    }


def complaint(parity: dict[str, Any]) -> str:
    """What missed its limit, in words."""
    if not parity["finite"]:
        return f"NaN or infinity within {parity['windows']} windows"
    return "; ".join(
        f"{name} {value:.2e} > {parity['limits'][name]:.2e}"
        for name, value in parity["worst"].items()
        if not value <= parity["limits"][name]
    )


def _errors(
    depth: NDArray[np.float32],
    true_depth: NDArray[np.float32],
    state: dict[str, NDArray[Any]],
    true_state: dict[str, NDArray[Any]],
) -> dict[str, float]:
    if not all(np.isfinite(array).all() for array in [depth, *state.values()]):
        return dict.fromkeys(METRICS, float("inf"))
    relative = np.abs(depth - true_depth) / np.maximum(np.abs(true_depth), _TINY)
    drifts = [_drift(state[name], true_state[name]) for name in true_state]
    return {
        "depth_mean": float(relative.mean()),
        "depth_p999": float(np.quantile(relative, 0.999)),
        "state": max(drifts, default=0.0),
    }


def _drift(state: NDArray[Any], true: NDArray[Any]) -> float:
    difference = np.abs(state.astype(np.float32) - true.astype(np.float32)).max()
    return float(difference / max(float(np.abs(true).max()), _TINY))
