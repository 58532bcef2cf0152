"""Clips made ahead by a background thread, in the order of the steps."""

from __future__ import annotations

import queue
import threading

from dae_edge.closing import Closing
from training.clip import Clip, Clips

AHEAD = 2
"""Clips that wait; each can be hundreds of megabytes."""


class Feed(Closing):
    """The clips of steps ``first`` .. ``steps`` - 1, one after the other.

    Args:
        clips: Where they come from.
        items: This process's part of the batch.
        carry: Clips in a row of one sequence.
        first: The first step.
        steps: One more than the last.
    """

    def __init__(self, clips: Clips, items: slice, *, carry: int, first: int, steps: int) -> None:
        self._clips, self._items, self._carry = clips, items, carry
        self._ready: queue.Queue[Clip | BaseException] = queue.Queue(AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._make, args=(first, steps), daemon=True)
        self._thread.start()

    def next(self) -> Clip:
        """The clip of the next step; raises what making it raised."""
        made = self._ready.get()
        if isinstance(made, BaseException):
            raise made
        return made

    def close(self) -> None:
        """Make no more."""
        self._closed.set()
        self._thread.join()

    def _make(self, first: int, steps: int) -> None:
        for step in range(first, steps):
            try:
                made: Clip | BaseException = self._clips.clip(
                    step // self._carry, step % self._carry, self._items
                )
            except BaseException as error:  # for the thread that trains, whatever it is
                made = error
            if not self._put(made) or isinstance(made, BaseException):
                return

    def _put(self, made: Clip | BaseException) -> bool:
        while not self._closed.is_set():
            try:
                self._ready.put(made, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
