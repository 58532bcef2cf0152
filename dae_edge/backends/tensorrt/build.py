"""ONNX to plan: parse and build, strongly typed, with progress, timing cache, readable errors."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dae_edge.backends.tensorrt.api import Api
from dae_edge.backends.tensorrt.inspect import Placement, network_placement
from dae_edge.backends.tensorrt.listeners import WARNING, complaint, listening, monitor_of
from dae_edge.errors import ContractError

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

WORKSPACE_BYTES = 1 << 30
"""Scratch memory a layer may use. On a Jetson the GPU's memory is the robot's own."""

MOST_ERRORS = 5
_NO_GPU = re.compile(r"\s*\[checkMacros\.cpp::catchCudaError.*")
"""What RTX adds to each error where there is no GPU; it needs none to build."""


@dataclass(frozen=True)
class BuiltPlan:
    """A plan that was built and not yet run.

    Attributes:
        plan: The serialised engine.
        placement: Precision of each layer of the network it was built from.
        seconds: What the build took.
        timing_cache_updated: Timings were saved, for a quicker build next time.
        warnings: What TensorRT warned of.
    """

    plan: bytes
    placement: Placement
    seconds: float
    timing_cache_updated: bool
    warnings: tuple[str, ...]


def build_plan(
    api: Api,
    onnx: Path,
    *,
    timing_cache: Path | None = None,
    compute_capabilities: Sequence[str] = (),
    workspace_bytes: int = WORKSPACE_BYTES,
    progress: Steps = lambda step, fraction=None: None,
) -> BuiltPlan:
    """Build a plan from an ONNX file whose precision is inside it.

    TF32 is off: where the file says float32, the engine computes in float32.

    Args:
        api: Which TensorRT.
        onnx: The file; weights may lie beside it.
        timing_cache: Read if there, written after the build; one file for each TensorRT and GPU.
        compute_capabilities: RTX only, e.g. ``["SM86", "SM89"]``; empty: RTX's own choice.
        workspace_bytes: Scratch memory that a layer may use.
        progress: Hears how far the build is; if it raises, the build stops.

    Raises:
        FileNotFoundError: no such file.
        ContractError: the parser or the builder refuses the file; names nodes and reasons.
        ValueError: a compute capability that this version cannot build for.
    """
    if not onnx.is_file():
        raise FileNotFoundError(f"no such file: {onnx}")
    if compute_capabilities and not api.portable:
        raise ValueError(f"{api.name} builds for the GPU it runs on, not for named ones")
    began = perf_counter()
    with listening(api.logger) as lines:
        builder = _builder(api, lines)
        network = _parse(api, builder, onnx, lines)
        config = _config(api, builder, compute_capabilities, workspace_bytes)
        monitor = monitor_of(api.module, f"{api.name}: building {onnx.name}", progress)
        config.progress_monitor = monitor
        cache = _TimingCache(api, config, timing_cache)
        plan = builder.build_serialized_network(network, config)
    if monitor.failure is not None:
        raise monitor.failure
    if plan is None:
        raise ContractError(f"{onnx}: {api.name} built no engine: {complaint(lines)}")
    return BuiltPlan(
        bytes(memoryview(plan)),
        network_placement(api, network),
        perf_counter() - began,
        cache.save(),
        tuple(dict.fromkeys(line for severity, line in lines if severity == WARNING)),
    )


def _builder(api: Api, lines: list[tuple[int, str]]) -> Any:
    try:
        builder = api.module.Builder(api.logger)
    except TypeError as error:  # what the binding makes of a null pointer
        raise ContractError(f"{api.name} cannot start: {complaint(lines, str(error))}") from error
    return builder


def _parse(api: Api, builder: Any, onnx: Path, lines: list[tuple[int, str]]) -> Any:
    network = builder.create_network(api.network_flags)
    parser = api.module.OnnxParser(network, api.logger)
    parsed = parser.parse_from_file(str(onnx))
    if parsed and not network.num_outputs:  # an empty file is a valid message of its format
        raise ContractError(f"{onnx}: {api.name} cannot parse it: it has no outputs")
    if not parsed:
        errors = [_parser_error(parser.get_error(index)) for index in range(parser.num_errors)]
        errors = list(dict.fromkeys(errors)) or [complaint(lines)]
        more = f" (and {len(errors) - MOST_ERRORS} more)" if len(errors) > MOST_ERRORS else ""
        text = "; ".join(errors[:MOST_ERRORS]) + more
        raise ContractError(f"{onnx}: {api.name} cannot parse it: {text}")
    return network


def _parser_error(error: Any) -> str:
    reason = _NO_GPU.sub("", " ".join(str(error.desc()).split()))
    operator = str(error.node_operator() or "")
    return f"{operator} {error.node_name()!r}: {reason}" if operator else reason


def _config(api: Api, builder: Any, capabilities: Sequence[str], workspace_bytes: int) -> Any:
    module = api.module
    config = builder.create_builder_config()
    config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, workspace_bytes)
    config.clear_flag(module.BuilderFlag.TF32)
    config.profiling_verbosity = module.ProfilingVerbosity.DETAILED  # or there is no inspection
    constants = [api.compute_capability(name) for name in capabilities]
    if constants:
        config.num_compute_capabilities = len(constants)
    for index, constant in enumerate(constants):
        if not config.set_compute_capability(constant, index):
            raise ValueError(f"{api.name} refuses to build for {capabilities[index]}")
    return config


class _TimingCache:
    """Timings of an earlier build. Without them, or if they do not fit, all is measured anew."""

    def __init__(self, api: Api, config: Any, path: Path | None) -> None:
        self._path = path if api.keeps_timings else None
        self._config = config
        if self._path is None:
            return
        old = self._path.read_bytes() if self._path.is_file() else b""
        for content in (old, b""):
            cache = config.create_timing_cache(content)
            if cache is not None and config.set_timing_cache(cache, False):
                return
        self._path = None

    def save(self) -> bool:
        """Write the timings; a disk that takes none costs time at the next build, nothing else."""
        cache = None if self._path is None else self._config.get_timing_cache()
        if self._path is None or cache is None:
            return False
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(memoryview(cache.serialize()))
            os.replace(aside, self._path)
        except OSError:
            return False
        finally:
            aside.unlink(missing_ok=True)
        return True
