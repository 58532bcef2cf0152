"""Inference engines by name. Each module imports its engine only when asked for."""

from __future__ import annotations

from pathlib import Path

from dae_edge.backends.backend import Engine, Session
from dae_edge.contract import Contract
from dae_edge.hints import closest

CPU = ("onnxruntime", "openvino", "openvino-stateful")
"""What runs a bundle's portable ONNX on any computer."""

NAMES = (*CPU, "tensorrt", "tensorrt-rtx")

COMPUTE = ("float32", "bfloat16", "float16", "int8", "int8+bfloat16")
"""What a target computes in, where its file says no more: the layers; after a plus, the rest."""

__all__ = ["COMPUTE", "CPU", "NAMES", "Engine", "Session", "load_engine"]


def load_engine(
    name: str,
    path: Path,
    contract: Contract,
    *,
    threads: int | None,
    compute: str = "float32",
) -> Engine:
    """Compile the model file at ``path`` with the engine ``name``.

    Args:
        name: Of ``NAMES``.
        path: The model.
        contract: What it must keep.
        threads: Of the CPU; None: the engine's own choice.
        compute: Of ``COMPUTE``: what its target computes in.

    Raises:
        ValueError: no such engine or precision, or a number of threads below 1.
        MissingExtraError: the engine's package is not installed.
        ContractError: the engine cannot read the file, or it breaks the contract.
    """
    if name not in NAMES:
        raise ValueError(f"unknown backend {name!r}{closest(name, NAMES)}")
    if compute not in COMPUTE:
        raise ValueError(f"unknown precision {compute!r}{closest(compute, COMPUTE)}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    if name == "onnxruntime":
        from dae_edge.backends.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, contract, threads=threads, compute=compute)
    if name.startswith("tensorrt"):
        from dae_edge.backends.tensorrt.engine import TensorRtEngine

        return TensorRtEngine(path, contract, flavour=name)
    from dae_edge.backends.openvino import OpenVinoEngine

    stateful = name.endswith("-stateful")
    return OpenVinoEngine(path, contract, threads=threads, stateful=stateful, compute=compute)
