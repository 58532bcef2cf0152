"""The one mutable class: a camera's open window and recurrent state. Events in, depth out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dae_edge._native import Encoder, all_finite
from dae_edge.depth import Depth, Health
from dae_edge.errors import ContractError
from dae_edge.events import as_events
from dae_edge.sources.decoding import Undecoded

if TYPE_CHECKING:
    from dae_edge.model import Model
    from dae_edge.windows import WindowEncoder

_Take = Callable[[int], tuple[int, bool]]
"""Takes a packet in from an offset on: (how much was taken, whether a window is ready)."""


@dataclass(frozen=True)
class StreamState:
    """A snapshot of a stream: its recurrent state, its open window, its last depth.

    It fits streams of the same model and the same windows, in the same version of the package.

    Attributes:
        recurrent: float arrays by the names of the contract, e.g. ``"layer4.hidden"``.
        window: The encoder's open window, opaque.
        last: The depth that an empty window would repeat.
        health: The numbers up to here.
    """

    recurrent: Mapping[str, NDArray[Any]]
    window: bytes
    last: NDArray[np.float32]
    health: Health


class DepthStream:
    """One camera's events to depth. Made by ``Model.stream``; not for two threads at once.

    A window without events does not run the network: the last depth comes again, marked stale. A
    gap or a step back of the clock of more than a second starts anew, with zero state. Where depth
    or state is not finite, neither is kept.

    Attributes:
        model: The model, shared.
        health: Numbers on how it goes; updated by each call.
    """

    def __init__(self, model: Model, encoder: WindowEncoder) -> None:
        self.model = model
        self.health = Health()
        self._encoder = encoder
        self._session = model.engine.session()
        self._last = np.zeros(model.contract.depth_shape, np.float32)
        self._failed = False
        self._lock = Lock()

    def push(self, events: Any, *, newest_only: bool = False) -> list[Depth]:
        """Take a packet of events; give the depth of each window that ended with it.

        Args:
            events: Structured array with fields t (microseconds), x, y and on, in time order; or a
                packet of ``Source.undecoded``, which gives the same depth sooner. What is not
                decoded has no time yet: ``health.backlog_us`` is 0 then.
            newest_only: Of several windows that end in this packet run only the newest; for
                catching up when the computer is slower than the camera. The others count as
                ``health.dropped_windows``.

        Returns:
            Zero or more depths, oldest first.

        Raises:
            TypeError: ``events`` is neither.
            RuntimeError: another thread, or an unfinished ``each``, is using this stream.
        """
        return list(self.each(events, newest_only=newest_only))

    def each(self, events: Any, *, newest_only: bool = False) -> Iterator[Depth]:
        """The same as ``push``, one depth at a time, each computed when it is asked for.

        Between two of them ``image`` shows what the last depth was made of. Events that were not
        asked for are not taken in: run it to its end. Until then nothing else may move the stream.
        """
        began = perf_counter()
        with self._alone():
            take, newest_us = self._taking(events)
            try:
                yield from self._windows(take, newest_us, began, newest_only)
            finally:
                self._count()

    @property
    def image(self) -> NDArray[Any]:
        """What the network saw of the last window with events; the next one overwrites it.

        Tencode, uint8 [height, width, 3], or a voxel grid, float32 [bins, height, width].
        """
        view = self._session.image.view()
        view.flags.writeable = False
        return view

    def flush(self) -> list[Depth]:
        """End of the recording: depth of the last, unfinished window, if it has events."""
        began = perf_counter()
        with self._alone():
            depths = [self._infer(self._render(), began)] if self._encoder.flush() else []
            self._count()
        return depths

    def advance(self, t_us: int) -> list[Depth]:
        """Time has reached ``t_us`` without further events: the depth of windows that ended."""
        began = perf_counter()
        depths = []
        with self._alone():
            while self._encoder.advance(t_us):
                depths.append(self._infer(self._render(), began))
            self._count()
        return depths

    def reset(self) -> None:
        """Zero state, no open window, fresh counts: for a cut, or another recording."""
        with self._alone():
            self._encoder.reset()
            self._forget()
            self.health = Health()

    def state(self) -> StreamState:
        """A snapshot, to be restored later. It holds copies."""
        return StreamState(
            self._session.state(), self._encoder.save(), self._last.copy(), replace(self.health)
        )

    def restore(self, snapshot: StreamState) -> None:
        """Go back to a snapshot, health included; the same events then give the same depth.

        Raises:
            ContractError: it was taken from another model, or with other windows.
        """
        wanted = {state.name: (state.dtype, state.shape) for state in self.model.contract.states}
        wanted["depth"] = ("float32", self._last.shape)
        arrays = {**snapshot.recurrent, "depth": snapshot.last}
        got = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
        if got != wanted:
            raise ContractError(f"snapshot of another model: wanted {wanted}, got {got}")
        with self._alone():
            try:
                self._encoder.load(snapshot.window)
            except ValueError as error:
                raise ContractError(
                    "snapshot of a stream with other windows, or damaged"
                ) from error
            self._session.restore(snapshot.recurrent)
            self._last = snapshot.last.copy()
            self._failed = False
            self.health = replace(snapshot.health)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse a second caller; two at once would mix their windows in one image and state."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("this stream is in use by another thread, or an unfinished each()")
        try:
            yield
        finally:
            self._lock.release()

    def _taking(self, packet: Any) -> tuple[_Take, int | None]:
        """How the encoder takes a packet, and its newest time where that is known."""
        if isinstance(packet, Undecoded):
            if isinstance(self._encoder, Encoder):
                return partial(self._encoder.push_bytes, packet.decoder, packet.data), None
            packet = packet.events()  # voxel grids need them
        events = np.ascontiguousarray(as_events(packet))
        return partial(self._encoder.push, events), int(events["t"][-1]) if len(events) else None

    def _windows(
        self, take: _Take, newest: int | None, began: float, newest_only: bool
    ) -> Iterator[Depth]:
        waiting: _Rendered | None = None
        offset = 0
        while True:
            used, ready = take(offset)
            offset += used
            if not ready:
                break
            if not newest_only:
                yield self._infer(self._render(), began, newest)
            elif waiting is None:
                waiting = self._render()
            else:
                self.health.dropped_windows += 1
                if self._encoder.window()["events"]:  # nothing must not hide something
                    waiting = self._render()
        if waiting is not None:
            yield self._infer(waiting, began, newest)

    def _render(self) -> _Rendered:
        """The window that is ready, drawn into the engine's image."""
        window = self._encoder.window()
        began = perf_counter()
        if window["restart"]:
            self._forget()
        if window["events"]:
            self._encoder.render(self._session.image)
        return _Rendered(window, (perf_counter() - began) * 1e6)

    def _infer(self, rendered: _Rendered, began: float, newest_us: int | None = None) -> Depth:
        window = rendered.window
        infer_us = 0.0
        values: NDArray[np.float32] | None = None
        if window["events"]:
            start = perf_counter()
            values = self._session.run()
            infer_us = (perf_counter() - start) * 1e6
            self.health.inferred += 1
            self.health.infer_us, self.health.encode_us = infer_us, rendered.encode_us
            values = values if self._accept(values) else None
        stale = values is None
        self.health.stale += stale
        self.health.backlog_us = max(0, (newest_us or window["end_us"]) - window["end_us"])
        return Depth(
            values=self._last.copy() if values is None else values,
            t_us=window["end_us"],
            unit=self.model.unit,
            stale=stale,
            partial=bool(window["partial"]),
            events=window["events"],
            encode_us=rendered.encode_us,
            infer_us=infer_us,
            latency_us=(perf_counter() - began) * 1e6,
        )

    def _accept(self, values: NDArray[np.float32]) -> bool:
        """Keep a finite depth; else undo the step. A second failure in a row zeroes the state.

        The state is looked at too: an engine's ReLU may turn NaN into 0, and then the depth is
        finite, wrong, and the same for ever.
        """
        finite = all_finite(values) and self._session.is_finite()
        if finite:
            np.copyto(self._last, values)
        else:
            self.health.not_finite += 1
            self._session.discard()
            if self._failed:
                self._zero_state()
        self._failed = not finite
        return finite

    def _forget(self) -> None:
        """Nothing of what came before counts any more."""
        self._zero_state()
        self._failed = False
        self._last.fill(0)

    def _zero_state(self) -> None:
        states = self.model.contract.states
        self._session.restore({state.name: np.zeros(state.shape, state.dtype) for state in states})

    def _count(self) -> None:
        counters = self._encoder.counters()
        self.health.events = counters["events"]
        self.health.windows = counters["windows"]
        self.health.dropped_events = counters["dropped_outside"]
        self.health.clamped_events = counters["clamped_backward"]
        self.health.restarts = counters["restarts"]


@dataclass(frozen=True)
class _Rendered:
    window: Mapping[str, int]
    encode_us: float
