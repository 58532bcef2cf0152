"""What training data is, to the trainer: clips of windows with depth, by number.

A clip is a pure function of its place, so a run that was stopped goes on with exactly the clips it
would have had, and many processes take parts of the same batch without talking to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from torch import Tensor, device

from training.recipe import Stage

WindowKind: TypeAlias = Literal["tencode", "voxels"]


class Clip(NamedTuple):
    """Consecutive windows of B sequences, with the depth at the end of each window.

    Attributes:
        windows: [B, T, C, H, W]; Tencode uint8 or float32 in [0, 1], or voxel grids float32, not
            normalised.
        depth: float32 [B, T, h, w], metres; 0 or not finite where unknown. Depth is compared at
            this size, which need not be that of the windows.
    """

    windows: Tensor
    depth: Tensor


class Clips(Protocol):
    """The clips of one stage. Called from two threads: training clips are made ahead."""

    def clip(self, sequence_batch: int, chunk: int, items: slice) -> Clip:
        """A part of one batch.

        Args:
            sequence_batch: Counts batches of fresh sequences, from 0.
            chunk: Place of the clip in its sequences, 0 .. ``carry`` - 1.
            items: This process's part of the batch of all processes.
        """

    def validation(self) -> Iterator[tuple[str, Iterable[Clip]]]:
        """Named sequences to validate on; the clips of one follow each other. The same each time.

        Within one sequence all clips have the same B; the state goes from clip to clip.
        """


class OpenClips(Protocol):
    """``training.clips.open_clips``."""

    def __call__(
        self,
        stage: Stage,
        *,
        seed: int,
        root: Path,
        window_kind: WindowKind,
        size: tuple[int, int] | None,
        device: device,
    ) -> Clips:
        """The clips that a stage trains on.

        Args:
            stage: Says which data, labels, batch, clip, carry and augmentation.
            seed: Of this stage.
            root: The folder of the datasets.
            window_kind: What the network takes.
            size: (height, width) in pixels that the network works at; None: at any.
            device: Where training computes; clips may be on it or on the CPU.

        Raises:
            ValueError: the data is not there or not as the stage wants it.
        """
