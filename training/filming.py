"""Work shared by several processes, its results in order: filming takes a core per process.

A process hands over one result at a time and waits until it is read, so little is in memory. It
ends when its work is done, when this process asks it to, and when this process is no more.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

import torch

R = TypeVar("R")

PATIENCE_S = 10.0
"""That a process has to end by itself."""

AHEAD = 2
"""Results of one process that are kept while those before them are not there yet."""


def usable_cores() -> int:
    """Cores that this process may use. Others that ``torchrun`` started wait while one films."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on a Mac
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def in_order(work: Callable[[int], R], numbers: Sequence[int], processes: int) -> Iterator[R]:
    """``work`` of each number, in their order, each on one thread wherever it is done.

    Args:
        work: Can be pickled, unless it is done here. Its error is raised here.
        numbers: What to work on.
        processes: 1: in this one.

    Raises:
        ChildProcessError: a process died.
    """
    processes = min(processes, len(numbers))
    if processes <= 1:
        for number in numbers:
            with _one_thread():
                result = work(number)
            yield result
        return
    with ExitStack() as team_ends:
        with _unheard_by_children():
            team = [_Helper[R](work, numbers[n::processes], team_ends) for n in range(processes)]
        for turn in range(len(numbers)):
            yield _next(team, team[turn % processes])


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """In the block the first Ctrl-C or SIGTERM interrupts: there is no step to end and to keep."""

    def heard(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with _handling(signal.SIGINT, heard), _handling(signal.SIGTERM, heard):
        yield


class _Helper(Generic[R]):
    """A process and what came from it."""

    def __init__(self, work: Callable[[int], R], numbers: Sequence[int], ends: ExitStack) -> None:
        self.left = len(numbers)
        self.ready: deque[R] = deque()
        context = get_context("spawn")  # forked threads of torch would hang
        self.connection, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_help, args=(work, numbers, theirs), daemon=True)
        self.process.start()
        ends.callback(self.end)
        theirs.close()  # or its end would not be noticed

    def take(self) -> None:
        """Read the next result."""
        try:
            result, error, trace = self.connection.recv()
        except (EOFError, OSError):  # the latter in the middle of a result
            raise ChildProcessError(self._death()) from None
        if error is not None:
            raise error from RuntimeError(f"in another process:\n{trace}")
        self.left -= 1
        self.ready.append(result)

    def _death(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return (
            f"a process that films {how}, perhaps for want of memory: use fewer "
            f"(--film-processes 1: this one alone)"
        )

    def end(self) -> None:
        """It cleans up after itself; by force if that takes long."""
        self.connection.close()
        if self.left:
            self.process.terminate()
        self.process.join(PATIENCE_S)
        self.process.kill()
        self.process.join()


def _next(team: list[_Helper[R]], helper: _Helper[R]) -> R:
    """The next result of one helper; meanwhile the others are relieved of theirs."""
    while not helper.ready:
        busy = {one.connection: one for one in team if one.left and len(one.ready) < AHEAD}
        for connection in wait(list(busy)):
            busy[connection].take()  # type: ignore[index]
    return helper.ready.popleft()


def _help(work: Callable[[int], Any], numbers: Sequence[int], results: Connection) -> None:
    """The life of a helper."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    torch.set_num_threads(1)
    try:
        for number in numbers:
            results.send((work(number), None, ""))
    except BrokenPipeError:
        return  # the process that wanted it is no more
    except Exception as error:
        results.send((None, _portable(error), traceback.format_exc()))
    finally:  # it ends by itself: no signal may tear the farewells of its libraries
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _portable(error: Exception) -> Exception:
    """The error, or its text where it cannot be made again in another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in another order differ in the last bit, so the number of threads is always the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _unheard_by_children() -> Iterator[None]:
    """Processes started here do not hear Ctrl-C, which a terminal sends to all: this one does."""
    with _handling(signal.SIGINT, signal.SIG_IGN):
        yield


@contextmanager
def _handling(number: int, handler: Any) -> Iterator[None]:
    """A signal's handler for a while; only the main thread has a say in that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
