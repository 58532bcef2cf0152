"""ONNX Runtime on the CPU: explicit states, preallocated in pairs and swapped, never copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge._native import all_finite
from dae_edge.contract import INPUT, OUTPUT, Contract, TensorSpec
from dae_edge.errors import ContractError
from dae_edge.extras import require

_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}


class OnnxRuntimeEngine:
    """An ONNX file in ONNX Runtime, set up for latency."""

    def __init__(
        self,
        path: Path,
        contract: Contract,
        *,
        threads: int | None = None,
        compute: str = "float32",
    ) -> None:
        self._runtime = require("onnxruntime", extra="onnxruntime", purpose="this backend")
        self._path, self._threads, self._compute = path, threads, compute
        self.session_ = self._open(self._options())
        contract.check(
            [_spec(tensor) for tensor in self.session_.get_inputs()],
            [_spec(tensor) for tensor in self.session_.get_outputs()],
            where=str(path),
            metadata=self.session_.get_modelmeta().custom_metadata_map,
        )
        self.contract = contract
        self.description = (
            f"onnxruntime {self._runtime.__version__} CPU, {threads or 'default'} threads"
        )

    def _options(self) -> Any:
        options = self._runtime.SessionOptions()
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = self._threads or 0
        options.log_severity_level = 3
        # Waiting threads sleep: a robot has other work for its cores between two windows.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._compute == "int8":
            # MatMul and Add made one Gemm first are not recognised as an int8 layer afterwards.
            options.add_session_config_entry(
                "optimization.disable_specified_optimizers", "MatMulAddFusion"
            )
        return options

    def _open(self, options: Any) -> Any:
        try:
            return self._runtime.InferenceSession(
                str(self._path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own C++ types, without a common base
            line = " ".join(str(error).split())
            raise ContractError(f"{self._path}: onnxruntime cannot load it: {line}") from error

    def session(self) -> OnnxRuntimeSession:
        """A new session with zero state."""
        return OnnxRuntimeSession(self)

    def profile(self, folder: Path) -> Path:
        """Run one window of zeros under ONNX Runtime's profiler; its file, in ``folder``."""
        options = self._options()
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")
        session = self._open(options)
        tensors = self.contract.inputs()
        session.run(None, {spec.name: np.zeros(spec.shape, spec.dtype) for spec in tensors})
        return Path(session.end_profiling())

    def value(self, array: NDArray[Any]) -> Any:
        """An OrtValue on the memory of ``array`` (on the CPU it is not copied)."""
        return self._runtime.OrtValue.ortvalue_from_numpy(array)


class OnnxRuntimeSession:
    """Buffers of one stream: state goes in from one set and out into the other."""

    def __init__(self, engine: OnnxRuntimeEngine) -> None:
        self._engine = engine
        events = engine.contract.input
        self.image = np.zeros(events.shape[1:], events.dtype)
        self._states = engine.contract.states
        self._sets = [[np.zeros(s.shape, s.dtype) for s in self._states] for _ in range(2)]
        self._current = 0
        image = engine.value(self.image[None])
        values = [[engine.value(array) for array in arrays] for arrays in self._sets]
        # One binding for each direction of the swap, made once.
        self._bindings = [self._bind(image, values[i], values[1 - i]) for i in range(2)]

    def _bind(self, image: Any, before: list[Any], after: list[Any]) -> Any:
        binding = self._engine.session_.io_binding()
        binding.bind_ortvalue_input(INPUT, image)
        for spec, value_in, value_out in zip(self._states, before, after, strict=True):
            binding.bind_ortvalue_input(spec.input, value_in)
            binding.bind_ortvalue_output(spec.output, value_out)
        return binding

    def run(self) -> NDArray[np.float32]:
        """See ``Session.run``."""
        depth = np.empty(self._engine.contract.depth_shape, np.float32)
        binding = self._bindings[self._current]
        binding.bind_ortvalue_output(OUTPUT, self._engine.value(depth[None]))
        self._engine.session_.run_with_iobinding(binding)
        self._current = 1 - self._current
        return depth

    def discard(self) -> None:
        """See ``Session.discard``."""
        self._current = 1 - self._current

    def is_finite(self) -> bool:
        """See ``Session.is_finite``."""
        return all(map(all_finite, self._sets[self._current]))

    def state(self) -> dict[str, NDArray[Any]]:
        """See ``Session.state``."""
        arrays = self._sets[self._current]
        return {s.name: array.copy() for s, array in zip(self._states, arrays, strict=True)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See ``Session.restore``."""
        for spec, array in zip(self._states, self._sets[self._current], strict=True):
            array[...] = state[spec.name]


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in tensor.shape)
    return TensorSpec(tensor.name, _DTYPES.get(tensor.type, tensor.type), shape)
