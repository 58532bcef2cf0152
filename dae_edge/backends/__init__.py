"""Inference engines by name. Each module imports its engine only when asked for."""

from __future__ import annotations

from pathlib import Path

from dae_edge.backends.backend import Engine, Session
from dae_edge.contract import Contract
from dae_edge.hints import closest

NAMES = ("onnxruntime", "openvino", "openvino-stateful")

__all__ = ["NAMES", "Engine", "Session", "load_engine"]


def load_engine(name: str, path: Path, contract: Contract, *, threads: int | None) -> Engine:
    """Compile the model file at ``path`` with the engine ``name``.

    Raises:
        ValueError: no such engine, or a number of threads below 1.
        MissingExtraError: the engine's package is not installed.
        ContractError: the engine cannot read the file, or it breaks the contract.
    """
    if name not in NAMES:
        raise ValueError(f"unknown backend {name!r}{closest(name, NAMES)}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    if name == "onnxruntime":
        from dae_edge.backends.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, contract, threads=threads)
    from dae_edge.backends.openvino import OpenVinoEngine

    return OpenVinoEngine(path, contract, threads=threads, stateful=name.endswith("-stateful"))
