"""The clips that stages train on: from the synthetic world or a dataset, pooled or made live."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from dae_edge.bundle import sha256_of
from dae_edge.default_model import cache_folder
from dae_edge.world.film import Film
from dae_edge.world.splits import WORLD_VERSION
from training import pool as pools
from training.augment import Augment
from training.clip import Clip, Clips, WindowKind
from training.filming import usable_cores
from training.pool import Pool, Strip
from training.recipe import Stage
from training.synthesis import (
    VOXEL_BINS,
    Synthesis,
    shot,
    training_film,
    training_strips,
    validation_families,
    validation_strips,
)

STRIDE = 1_000_003
"""Between the seeds of sequences: a prime, so that neighbours share no chance."""


def open_clips(
    stage: Stage,
    *,
    seed: int,
    root: Path,
    window_kind: WindowKind,
    size: tuple[int, int] | None,
    device: torch.device,
    film_processes: int | None = None,
) -> Clips:
    """The clips of a stage; what has to be made first is made now, with a progress bar.

    ``film_processes`` film a pool on the CPU; None: as many as there are cores.

    Raises:
        ValueError: a setting of the stage that is not understood, or sequences too short for it.
        FormatError: the dataset, or a pool of an earlier run, is damaged.
        ChildProcessError: a process that filmed died.
    """
    where = f"stage {stage.name!r}"
    augment = Augment.read(stage.augment, f"{where}: augment")
    if stage.data != "synthetic":
        from training.dataset_pool import dataset_pools

        training, validation = dataset_pools(stage, root, window_kind, size)
        return PoolClips(stage, seed, augment, training, validation)
    asked = Synthesis.read(
        {**stage.synthetic, **({"bins": VOXEL_BINS} if window_kind == "voxels" else {})},
        f"{where}: synthetic",
    )
    validation = {
        family: _made(asked, size, f"val-{family}", validation_strips(asked, family, size))
        for family in validation_families(asked)
    }
    if not asked.pool:
        return LiveClips(stage, seed, augment, asked, size, device, validation)
    strips = training_strips(asked, size, device, film_processes or usable_cores())
    training = _made(asked, size, "train", strips, device)
    return PoolClips(stage, seed, augment, training, validation)


class PoolClips:
    """Clips of sequences on disk, in an order that is new in each round through them.

    Args:
        stage: Batch, clip and carry.
        seed: Of order, places in sequences and augmentation.
        augment: Of training clips.
        training: Sequences to train on, each of at least ``clip * carry`` windows.
        validation: Sequences to validate on, by name of the group.

    Raises:
        ValueError: a sequence is too short.
    """

    def __init__(
        self,
        stage: Stage,
        seed: int,
        augment: Augment,
        training: Pool,
        validation: dict[str, Pool],
    ) -> None:
        self._stage, self._seed, self._augment = stage, seed, augment
        self._training, self._validation = training, validation
        needed = stage.clip * stage.carry
        shortest = min(training.length(index) for index in range(len(training)))
        if shortest < needed:
            raise ValueError(
                f"stage {stage.name!r}: clip x carry asks for {needed} windows in a row, the "
                f"shortest sequence has {shortest}"
            )

    def clip(self, sequence_batch: int, chunk: int, items: slice) -> Clip:
        """See ``training.clip.Clips``."""
        batch = self._stage.batch
        numbers = [sequence_batch * batch + item for item in range(batch)[items]]
        made = [self._one(number, chunk) for number in numbers]
        return Clip(*(torch.stack(parts) for parts in zip(*made, strict=True)))

    def _one(self, number: int, chunk: int) -> tuple[Tensor, Tensor]:
        stage, pool = self._stage, self._training
        turn, place = divmod(number, len(pool))
        index = int(_order(self._seed, turn, len(pool))[place])
        own_seed = self._seed * STRIDE + number
        spare = pool.length(index) - stage.clip * stage.carry
        start = int(torch.randint(spare + 1, (1,), generator=_draw(own_seed + 7)))
        strip = pool.read(index, start + chunk * stage.clip, stage.clip)
        return self._augment.apply(
            *_tensors(strip), sequence_seed=own_seed, clip_seed=own_seed + chunk * 7919
        )

    def validation(self) -> Iterator[tuple[str, Iterable[Clip]]]:
        """See ``training.clip.Clips``."""
        return _validation_clips(self._validation, self._stage.clip)


class LiveClips:
    """Clips of scenes that are filmed as they are needed, each scene once, on the given device.

    Args:
        stage: Batch, clip and carry.
        seed: Of the scenes and the augmentation.
        augment: Of training clips.
        asked: Which scenes.
        size: (height, width) of the network; None: the sensor's.
        device: To film on.
        validation: Sequences to validate on, by name of the group.
    """

    def __init__(
        self,
        stage: Stage,
        seed: int,
        augment: Augment,
        asked: Synthesis,
        size: tuple[int, int] | None,
        device: torch.device,
        validation: dict[str, Pool],
    ) -> None:
        self._stage, self._seed, self._augment = stage, seed, augment
        self._asked, self._size, self._device = asked, size, device
        self._validation = validation
        self._film: Film | None = None
        self._next = (-1, -1, slice(0))

    def clip(self, sequence_batch: int, chunk: int, items: slice) -> Clip:
        """See ``training.clip.Clips``. A film is wound on to where a stopped run goes on."""
        batch = self._stage.batch
        numbers = [sequence_batch * batch + item for item in range(batch)[items]]
        if self._film is None or self._next != (sequence_batch, chunk, items):
            scenes = [self._seed * STRIDE + number for number in numbers]
            self._film = training_film(self._asked, scenes, self._device)
            for _ in range(chunk * self._stage.clip):
                self._film.window()
        windows, depth = shot(self._asked, self._film, self._size, self._stage.clip)
        self._next = (sequence_batch, chunk + 1, items)
        changed = [
            self._augment.apply(
                windows[item],
                depth[item],
                sequence_seed=self._seed * STRIDE + number,
                clip_seed=self._seed * STRIDE + number + chunk * 7919,
            )
            for item, number in enumerate(numbers)
        ]
        return Clip(*(torch.stack(parts) for parts in zip(*changed, strict=True)))

    def validation(self) -> Iterator[tuple[str, Iterable[Clip]]]:
        """See ``training.clip.Clips``."""
        return _validation_clips(self._validation, self._stage.clip)


def _validation_clips(groups: dict[str, Pool], clip: int) -> Iterator[tuple[str, Iterable[Clip]]]:
    for name, pool in groups.items():
        count = min(pool.length(index) for index in range(len(pool)))
        pairs = [_tensors(pool.read(index, 0, count)) for index in range(len(pool))]
        windows = torch.stack([windows for windows, _ in pairs])
        depth = torch.stack([depth[1:] for _, depth in pairs])
        yield (
            name,
            [
                Clip(windows[:, at : at + clip], depth[:, at : at + clip])
                for at in range(0, count, clip)
            ],
        )


def _tensors(strip: Strip) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(strip.windows.astype("f4")), torch.from_numpy(strip.depth.astype("f4"))


def _draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _order(seed: int, turn: int, count: int) -> Tensor:
    return torch.randperm(count, generator=_draw(seed * STRIDE + turn))


def _made(
    asked: Synthesis,
    size: tuple[int, int] | None,
    name: str,
    strips: Generator[Strip, None, None],
    device: torch.device | None = None,
) -> Pool:
    """A pool of the cache; made if it is not there."""
    about = pool_content(asked, size, name, device)
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    folder = cache_folder() / "pools" / f"synthetic-{name}-{key}"
    total = asked.pool if name == "train" else None
    quiet = not sys.stderr.isatty()

    def make() -> Pool:
        with closing(strips):  # no process goes on filming after an error
            bar = tqdm(strips, f"filming {name}", total, unit=" sequences", disable=quiet)
            return pools.fill(folder, bar, about)

    return pools.made_once(folder, make)


def pool_content(
    asked: Synthesis, size: tuple[int, int] | None, name: str, device: torch.device | None = None
) -> dict[str, object]:
    """All that decides what is in a pool; its place in the cache follows from it."""
    about = {**asked.plain(), "world": WORLD_VERSION, "size": size, "name": name}
    if name != "train":
        about |= {"pool": 0, "families": (), "night": 0.0, "windows": 0, "teacher": "", "first": 0}
    elif asked.teacher:
        about["teacher"] = sha256_of(Path(asked.teacher))  # not its place
    if not about["first"]:
        del about["first"]  # so that pools made before there was one are still found
    if device is not None and device.type != "cpu":
        about["device"] = device.type  # which rounds differently
    return about
