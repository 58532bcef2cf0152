"""Ahead of time, without a GPU: NVIDIA's own parser and builder, in TensorRT for RTX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dae_edge.backends.tensorrt.api import load_api
from dae_edge.backends.tensorrt.build import build_plan

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

CAPABILITIES = ("SM86", "SM89")
"""GeForce RTX 30 and 40. Jetson Orin is SM87, which RTX does not build for: SM86 is its sibling."""


def build_ahead(
    onnx: Path,
    *,
    compute_capabilities: Sequence[str] = CAPABILITIES,
    progress: Steps = lambda step, fraction=None: None,
) -> dict[str, Any]:
    """Parse and build an ONNX file for real, and throw the plan away: nothing here can run it.

    What it proves: NVIDIA's parser takes every node, the types fit a strongly typed network, and
    the builder finds a kernel for each layer. It does not prove a number.

    Returns:
        For report.json: ``flavour``, ``version``, ``compute_capabilities``, ``executed`` (False),
        ``layers``, ``placement``, ``plan_bytes``, ``seconds``, ``warnings``.

    Raises:
        MissingExtraError: TensorRT for RTX is not installed.
        ContractError: the file is refused.
        ValueError: an unknown compute capability.
    """
    api = load_api("tensorrt-rtx")
    built = build_plan(api, onnx, compute_capabilities=compute_capabilities, progress=progress)
    return {
        "flavour": api.flavour,
        "version": api.version,
        "compute_capabilities": list(compute_capabilities),
        "executed": False,
        "layers": len(built.placement.layers),
        "placement": built.placement.as_dict(),
        "plan_bytes": len(built.plan),
        "seconds": round(built.seconds, 2),
        "warnings": list(built.warnings),
    }
