"""Work on many files: shared out to processes, in batches, stopped and gone on with at any time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dae_edge.cli.command import interruptible
from dae_edge.cli.progress import Progress

THREADS = min(8, os.cpu_count() or 1)
"""For reading and writing: decoding, resampling and packing let other threads run."""

Job = TypeVar("Job")


@dataclass(frozen=True)
class Shard:
    """One process's part of the work, by position: index, index + count, ..."""

    index: int = 0
    count: int = 1

    @classmethod
    def read(cls, text: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
        """From ``"K/N"``, the K-th of N, or else from what torchrun tells its processes.

        >>> Shard.read("2/5").of("abcdefgh")
        ['b', 'g']

        Raises:
            ValueError: no such part.
        """
        if text is None:
            rank, count = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
            return cls._checked(f"RANK {rank} of WORLD_SIZE {count}", rank, count, first=0)
        index, _, count = text.partition("/")
        return cls._checked(f"shard {text!r}", index, count, first=1)

    @classmethod
    def _checked(cls, text: str, index: str, count: str, *, first: int) -> Shard:
        whole = index.isdecimal() and count.isdecimal()
        if not whole or not first <= int(index) < int(count) + first:
            raise ValueError(f"{text}: wanted K/N, with K from 1 to N, or a rank below the size")
        return cls(int(index) - first, int(count))

    def of(self, jobs: Sequence[Job]) -> list[Job]:
        """This shard's part; neighbours go to different shards, so that all end together."""
        return list(jobs[self.index :: self.count])


def work_through(
    jobs: Sequence[Job], size: int, work: Callable[[Sequence[Job]], object], *, label: str
) -> int:
    """Do the work in batches, with a progress bar.

    Args:
        jobs: What to do.
        size: Of a batch.
        work: Does one batch.
        label: Of the bar.

    Returns:
        How many jobs are done: fewer than there are if Ctrl-C (or SIGTERM) stopped it, which it
        does after a whole batch; pressed twice, at once.
    """
    done = 0
    with interruptible() as stop:
        bar = Progress(label, total=len(jobs), unit=" frames")
        try:
            for first in range(0, len(jobs), size):
                if stop.is_set():
                    break
                batch = jobs[first : first + size]
                work(batch)
                done += len(batch)
                bar.to(done)
        finally:
            bar.close()
    return done
