"""What a model is calibrated and judged on: windows in order, as sequences, some with true depth.

Never random data: activations, and recurrent states above all, have the ranges that occur.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WindowSequence:
    """Consecutive windows of one recording; the state is zero before the first.

    Attributes:
        name: For reports.
        images: What the network gets, each as the contract's input without its batch axis.
        truths: True depth of each window, float32 [h, w] in metres, 0 where unknown; () where
            there is none at all.
    """

    name: str
    images: tuple[NDArray[Any], ...]
    truths: tuple[NDArray[np.float32], ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def part(self, first: int, last: int | None = None) -> WindowSequence:
        """Windows ``first`` .. ``last`` - 1, as a sequence of its own."""
        name = f"{self.name}[{first}:{'' if last is None else last}]"
        return WindowSequence(name, self.images[first:last], self.truths[first:last])


def digest(sequences: Iterable[WindowSequence]) -> str:
    """sha256 over all windows in order, and over where each sequence begins."""
    total = hashlib.sha256()
    for sequence in sequences:
        total.update(f"{len(sequence)} windows\n".encode())
        for image in sequence.images:
            total.update(f"{image.dtype} {image.shape}\n".encode())
            total.update(np.ascontiguousarray(image).tobytes())
    return total.hexdigest()


def shared_windows(one: Iterable[WindowSequence], other: Iterable[WindowSequence]) -> int:
    """How many windows of ``other`` occur in ``one``; windows that show nothing do not count."""
    known = {_content(image) for sequence in one for image in sequence.images}
    images = (image for sequence in other for image in sequence.images)
    return sum(1 for image in images if _content(image) in known and image.min() != image.max())


def _content(image: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
