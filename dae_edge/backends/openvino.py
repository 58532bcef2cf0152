"""OpenVINO on the CPU: with explicit states swapped between two sets of tensors, or made stateful.

Stateful means that the state pairs become variables inside the compiled model, which the engine
keeps where it likes; the model file is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge._native import all_finite
from dae_edge.contract import INPUT, OUTPUT, Contract, TensorSpec
from dae_edge.errors import ContractError
from dae_edge.extras import require

_DTYPES = {"u8": "uint8", "f32": "float32", "f16": "float16"}


class OpenVinoEngine:
    """An IR or ONNX file compiled for the CPU, set up for latency."""

    def __init__(
        self,
        path: Path,
        contract: Contract,
        *,
        threads: int | None = None,
        stateful: bool = False,
        compute: str = "float32",
    ) -> None:
        self.openvino = require("openvino", extra="openvino", purpose="this backend")
        self.contract = contract
        self.stateful = stateful and bool(contract.states)
        core = self.openvino.Core()
        with _readable(path):
            model = core.read_model(str(path))
        contract.check(
            [_spec(port) for port in model.inputs],
            [_spec(port) for port in model.outputs],
            where=str(path),
            metadata=_metadata(model),
        )
        with _readable(path):
            if self.stateful:
                self._make_stateful(model)
            self.compiled = core.compile_model(model, "CPU", _settings(threads, compute))
        kind = "states inside" if self.stateful else "explicit states"
        version = self.openvino.__version__.split("-")[0]
        precision = self.compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        threads_ = threads or "default"
        self.description = f"openvino {version} CPU {precision}, {threads_} threads, {kind}"

    def _make_stateful(self, model: Any) -> None:
        passes = require("openvino.passes", extra="openvino", purpose="this backend")
        manager = passes.Manager()
        pairs = {state.input: state.output for state in self.contract.states}
        manager.register_pass(passes.MakeStateful(pairs))
        manager.run_passes(model)

    def session(self) -> OpenVinoSession:
        """A new session with zero state."""
        return OpenVinoSession(self)


class OpenVinoSession:
    """An infer request of one stream."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self._engine = engine
        self._request = engine.compiled.create_infer_request()
        events = engine.contract.input
        self.image = np.zeros(events.shape[1:], events.dtype)
        self._request.set_tensor(INPUT, self._tensor(self.image[None]))
        self._states = engine.contract.states
        self._stateful = engine.stateful
        if not self._stateful:
            self._sets = [[np.zeros(s.shape, s.dtype) for s in self._states] for _ in range(2)]
            self._tensors = [[self._tensor(array) for array in arrays] for arrays in self._sets]
            self._current = 0

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._engine.openvino.Tensor(array, shared_memory=True)

    def run(self) -> NDArray[np.float32]:
        """See ``Session.run``."""
        depth = np.empty(self._engine.contract.depth_shape, np.float32)
        self._request.set_tensor(OUTPUT, self._tensor(depth[None]))
        if not self._stateful:
            before, after = self._tensors[self._current], self._tensors[1 - self._current]
            for spec, tensor_in, tensor_out in zip(self._states, before, after, strict=True):
                self._request.set_tensor(spec.input, tensor_in)
                self._request.set_tensor(spec.output, tensor_out)
        self._request.infer()
        if not self._stateful:
            self._current = 1 - self._current
        return depth

    def discard(self) -> None:
        """See ``Session.discard``."""
        if self._stateful:
            self._request.reset_state()
        else:
            self._current = 1 - self._current

    def is_finite(self) -> bool:
        """See ``Session.is_finite``."""
        if self._stateful:
            arrays = [variable.state.data for variable in self._request.query_state()]
        else:
            arrays = self._sets[self._current]
        return all(map(all_finite, arrays))

    def state(self) -> dict[str, NDArray[Any]]:
        """See ``Session.state``."""
        if self._stateful:
            variables = self._variables()
            return {s.name: np.array(variables[s.name].state.data) for s in self._states}
        arrays = self._sets[self._current]
        return {s.name: array.copy() for s, array in zip(self._states, arrays, strict=True)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See ``Session.restore``."""
        if self._stateful:
            for name, variable in self._variables().items():
                variable.state = self._engine.openvino.Tensor(np.ascontiguousarray(state[name]))
        else:
            for spec, array in zip(self._states, self._sets[self._current], strict=True):
                array[...] = state[spec.name]

    def _variables(self) -> dict[str, Any]:
        """The engine's variables by the contract's state names (it names them input + output)."""
        names = {spec.input + spec.output: spec.name for spec in self._states}
        return {names[variable.name]: variable for variable in self._request.query_state()}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # RuntimeError of several subtypes, without a common base
        last_line = str(error).strip().splitlines()[-1]
        raise ContractError(f"{path}: openvino cannot read it: {last_line}") from error


def _metadata(model: Any) -> dict[str, str]:
    """The ONNX file's metadata; an IR made from one keeps them."""
    if "framework" not in model.get_rt_info():
        return {}
    return {key: value.astype(str) for key, value in model.get_rt_info()["framework"].items()}


def _settings(threads: int | None, compute: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        # Said aloud: on CPUs with BF16 the default would be another precision than was verified.
        "INFERENCE_PRECISION_HINT": "bf16" if compute.endswith("bfloat16") else "f32",
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    return settings


def _spec(port: Any) -> TensorSpec:
    kind = port.get_element_type().get_type_name()
    shape = tuple(size.get_length() if size.is_static else -1 for size in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), _DTYPES.get(kind, kind), shape)
