"""Versions of TensorRT with reports of wrong results on networks like ours, and what to do.

A report is not a proof, and its absence is none either: what decides is the comparison with ONNX
Runtime on the device, which every engine has to pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from dae_edge.backends.tensorrt.api import release_of

_GATE = "the comparison with ONNX Runtime on this device decides"


@dataclass(frozen=True)
class Suspicion:
    """What was reported of the versions from ``first`` to ``last``, both included.

    Attributes:
        first: (major, minor).
        last: (major, minor).
        report: What happens, and where it was reported.
        remedy: What helped.
        compute_capability: Only of such GPUs; empty: of all.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    report: str
    remedy: str
    compute_capability: str = ""


SUSPICIONS = (
    Suspicion(
        (10, 3),
        (10, 4),
        "wrong output, or NaN in FP16, from vision transformers of the DINO family "
        "(NVIDIA/TensorRT #4419, #4558, #4723, #4742)",
        "TensorRT 10.8 or later, where such networks came out right",
    ),
    Suspicion(
        (10, 7),
        (10, 7),
        "wrong output where self-attention is fused (NVIDIA/TensorRT #4328, #4333)",
        "TensorRT 10.8 or later",
    ),
    Suspicion(
        (10, 0),
        (10, 16),
        "wrong output in FP16 where self-attention is fused, on this GPU (NVIDIA/TensorRT #4837)",
        "a float32 target, or a later TensorRT",
        compute_capability="12.0",
    ),
)


def warnings_for(version: str, l4t: str = "", *, compute_capability: str = "") -> list[str]:
    """What to know before an engine of this version is trusted, one line each; often nothing.

    Args:
        version: Of TensorRT (not of TensorRT for RTX).
        l4t: Release of Jetson Linux, e.g. ``"36.4.3"``; empty elsewhere. JetPack 6 is 36.
        compute_capability: Of the GPU, e.g. ``"8.7"``.
    """
    release = release_of(version)
    lines = []
    for known in SUSPICIONS:
        here = known.compute_capability in ("", compute_capability)
        if here and known.first <= release <= known.last:
            remedy = known.remedy
            if l4t.startswith("36.") and release == (10, 3):
                remedy += "; JetPack 6 has 10.3, so that takes a container or JetPack 7"
            lines.append(f"TensorRT {version}: {known.report}; remedy: {remedy}; {_GATE}")
    return lines
