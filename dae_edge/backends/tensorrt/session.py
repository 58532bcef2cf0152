"""A plan on the GPU, and one stream's buffers: states stay there and swap places.

Two sets of state buffers: a window reads one and writes the other, the next window the other way
round. Addresses are baked into a CUDA graph, so there is a graph for each direction; it holds the
copies of image and depth as well, and a window is one call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge._native import all_finite
from dae_edge.backends.tensorrt.api import Api
from dae_edge.backends.tensorrt.cuda import Cuda, CudaError, DeviceMemory, Graph
from dae_edge.backends.tensorrt.inspect import deserialise
from dae_edge.backends.tensorrt.listeners import complaint, listening
from dae_edge.contract import INPUT, OUTPUT, Contract, TensorSpec


class PlanEngine:
    """A plan in TensorRT.

    Args:
        api: Which TensorRT; the one that built the plan.
        cuda: The GPU.
        plan: Bytes of the plan. A plan is code: they must have been checked.
        contract: What the model promised.
        where: Name of the plan in errors.

    Attributes:
        notes: How often something less than the best had to do, by reason.
        description: See ``Engine.description``; the notes are in it.

    Raises:
        ContractError: TensorRT refuses the plan, or it breaks the contract.
    """

    def __init__(self, api: Api, cuda: Cuda, plan: bytes, contract: Contract, where: str) -> None:
        self.api = api
        self.cuda = cuda
        self.contract = contract
        self.notes: Counter[str] = Counter()
        with cuda.current():
            self.engine_ = deserialise(api, plan, where)
        inputs, outputs = self._tensors()
        contract.check(inputs, outputs, where=where)
        self.description = self._name = f"{api.name} on {cuda.gpu}"

    def note(self, reason: str) -> None:
        """Something less than the best had to do; the description says so from now on."""
        self.notes[reason] += 1
        counted = [f"{count} x {note}" for note, count in sorted(self.notes.items())]
        self.description = ", ".join([self._name, *counted])

    def session(self) -> TensorRtSession:
        """See ``Engine.session``."""
        return TensorRtSession(self)

    def _tensors(self) -> tuple[list[TensorSpec], list[TensorSpec]]:
        inputs: list[TensorSpec] = []
        outputs: list[TensorSpec] = []
        for index in range(self.engine_.num_io_tensors):
            name = self.engine_.get_tensor_name(index)
            shape = tuple(int(size) for size in self.engine_.get_tensor_shape(name))
            spec = TensorSpec(name, self.api.dtype(self.engine_.get_tensor_dtype(name)), shape)
            mode = self.engine_.get_tensor_mode(name)
            (inputs if mode == self.api.module.TensorIOMode.INPUT else outputs).append(spec)
        return inputs, outputs


class TensorRtSession:
    """Buffers of one stream on the GPU, and pinned ones on the host.

    Raises:
        CudaError: not enough memory, or another failure; nothing stays allocated.
    """

    def __init__(self, engine: PlanEngine) -> None:
        self._engine = engine
        self._cuda = cuda = engine.cuda
        contract = engine.contract
        self._states = contract.states
        self._stream = cuda.stream()
        self.image: NDArray[Any] = cuda.pinned(contract.input.shape[1:], contract.input.dtype)
        self._depth = cuda.pinned(contract.depth_shape, np.float32)
        self._host = [cuda.pinned(state.shape, state.dtype) for state in self._states]
        self._image_memory = cuda.allocate(self.image.nbytes)
        self._depth_memory = cuda.allocate(self._depth.nbytes)
        self._sets = [[cuda.allocate(array.nbytes) for array in self._host] for _ in range(2)]
        self._current = 0
        with cuda.current():
            self._context = self._new_context()
            self._graphs = [self._prepare(direction) for direction in range(2)]
            self._zero()  # the windows that were run to prepare are forgotten
            self._stream.synchronise()

    def _new_context(self) -> Any:
        with listening(self._engine.api.logger) as lines:
            context = self._engine.engine_.create_execution_context()
        if context is None:
            raise CudaError(f"{self._engine.api.name}: no execution context: {complaint(lines)}")
        return context

    def _zero(self) -> None:
        for memory in (memory for half in self._sets for memory in half):
            self._stream.zero(memory)

    def _prepare(self, direction: int) -> Graph | None:
        """Run once, as TensorRT wants it before a capture, then record; None if it cannot be."""
        self._enqueue(direction)
        self._stream.synchronise()
        capturable = getattr(self._context, "is_stream_capturable", None)  # RTX may have to compile
        if capturable is not None and not capturable(self._stream.handle):
            self._engine.note("no CUDA graph: the engine compiles as it runs")
            return None
        try:
            with self._stream.capture() as graphs:
                self._enqueue(direction)
        except CudaError as error:
            self._engine.note(f"no CUDA graph: {error}")
            return None
        return graphs[0]

    def _enqueue(self, direction: int) -> None:
        """A window's work in the stream: image in, states from one set into the other, depth out.

        Outputs get new addresses before each run, so nothing can be written where it is still read.
        """
        self._bind(INPUT, self._image_memory)
        self._bind(OUTPUT, self._depth_memory)
        before, after = self._sets[direction], self._sets[1 - direction]
        for state, memory_in, memory_out in zip(self._states, before, after, strict=True):
            self._bind(state.input, memory_in)
            self._bind(state.output, memory_out)
        self._stream.to_device(self._image_memory, self.image)
        with listening(self._engine.api.logger) as lines:
            done = self._context.execute_async_v3(self._stream.handle)
        if not done:
            raise CudaError(f"{self._engine.api.name}: the engine does not run: {complaint(lines)}")
        self._stream.to_host(self._depth, self._depth_memory)

    def _bind(self, name: str, memory: DeviceMemory) -> None:
        if not self._context.set_tensor_address(name, memory.address):
            raise CudaError(f"{self._engine.api.name}: no address for {name!r}")

    def run(self) -> NDArray[np.float32]:
        """See ``Session.run``."""
        with self._cuda.current():
            graph = self._graphs[self._current]
            if graph is None:
                self._enqueue(self._current)
            else:
                graph.launch(self._stream)
            self._stream.synchronise()
        self._current = 1 - self._current
        return self._depth.copy()

    def discard(self) -> None:
        """See ``Session.discard``."""
        self._current = 1 - self._current

    def is_finite(self) -> bool:
        """See ``Session.is_finite``. Copies the state from the GPU."""
        return all(map(all_finite, self._fetched()))

    def state(self) -> dict[str, NDArray[Any]]:
        """See ``Session.state``."""
        arrays = self._fetched()
        return {s.name: array.copy() for s, array in zip(self._states, arrays, strict=True)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See ``Session.restore``."""
        with self._cuda.current():
            for spec, array, memory in zip(
                self._states, self._host, self._sets[self._current], strict=True
            ):
                array[...] = state[spec.name]
                self._stream.to_device(memory, array)
            self._stream.synchronise()

    def _fetched(self) -> list[NDArray[Any]]:
        with self._cuda.current():
            for array, memory in zip(self._host, self._sets[self._current], strict=True):
                self._stream.to_host(array, memory)
            self._stream.synchronise()
        return self._host
