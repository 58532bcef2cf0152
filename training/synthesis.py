"""Training sequences from the synthetic world: which scenes, which sensors, and filming them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dae_edge.hints import closest
from dae_edge.nn import DepthAnyEvent
from dae_edge.nn.checkpoint import fill_model, read_checkpoint
from dae_edge.world.chance import mixed
from dae_edge.world.families import FAMILIES, make_scenes
from dae_edge.world.film import Film
from dae_edge.world.render import colours
from dae_edge.world.sensor import SensorProfile, load_profile
from dae_edge.world.splits import LAST_SEED, SPLITS, TRAIN_SEEDS
from training.filming import in_order
from training.pool import Strip

FILMED_AT_ONCE = 16
VOXEL_BINS = 5


@dataclass(frozen=True)
class Synthesis:
    """What a stage asks of the synthetic world.

    Attributes:
        families: Drawn from with equal chance.
        night: Part of the scenes that are in the dark.
        sensor: Profile.
        windows: Of each sequence.
        pool: Sequences that are made once and kept; 0: each is new, made as it is needed.
        first: Number of the pool's first scene: pools that are far enough apart share none.
        bins: Of voxel grids; 0: Tencode.
        frames: RGB frames instead of windows, as an image teacher sees them.
        teacher: Weights of a network that was trained on such frames; what it sees in them is then
            the depth to learn from. "": true depth.
        validate_on: Split, or families of the split, whose sequences validate.
        compiled: Fuse the arithmetic (half a minute once).
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    night: float = 0.25
    sensor: str = "half"
    windows: int = 4
    pool: int = 0
    first: int = 0
    bins: int = 0
    frames: bool = False
    teacher: str = ""
    validate_on: str = "val"
    compiled: bool = True

    @classmethod
    def read(cls, settings: Mapping[str, Any], where: str) -> Synthesis:
        """From a table of a recipe.

        Raises:
            ValueError: an unknown name or value.
        """
        for name, value in settings.items():
            if name not in cls.__dataclass_fields__:
                known = list(cls.__dataclass_fields__)
                raise ValueError(f"{where}: no setting {name!r}{closest(name, known)}")
            kind = type(getattr(cls(), name))
            fits = isinstance(value, list) if kind is tuple else isinstance(value, kind | int)
            if not fits or (kind is not bool and isinstance(value, bool)):
                raise ValueError(f"{where}: {name} must be {kind.__name__}, got {value!r}")
        fitting: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        asked = cls(**fitting)
        for family in asked.families:
            if family not in FAMILIES:
                raise ValueError(f"{where}: no family {family!r}{closest(family, FAMILIES)}")
        if asked.validate_on not in SPLITS:
            hint = closest(asked.validate_on, SPLITS)
            raise ValueError(f"{where}: no split {asked.validate_on!r}{hint}")
        if not (0 <= asked.night <= 1 and asked.windows >= 1 and min(asked.pool, asked.first) >= 0):
            raise ValueError(f"{where}: night of 0..1, windows of 1.., pool, first of 0.. wanted")
        load_profile(asked.sensor)
        return asked

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def families_of(self, numbers: list[int]) -> list[str]:
        """The family of each training scene, by its number: chance, but always the same."""
        chance = mixed(torch.tensor(numbers, dtype=torch.int32) + 12_345).abs()
        dark = ((chance // 1024) % 1000) < 1000 * self.night
        return [
            self.families[int(c) % len(self.families)] + ("-night" if d else "")
            for c, d in zip(chance, dark, strict=True)
        ]


def training_film(asked: Synthesis, numbers: list[int], device: torch.device) -> Film:
    """A film of the training scenes with these numbers, 0 .. ."""
    return _training_film(asked, load_profile(asked.sensor), numbers, device)


def _training_film(
    asked: Synthesis, sensor: SensorProfile, numbers: list[int], device: torch.device
) -> Film:
    seeds = [TRAIN_SEEDS + number % (LAST_SEED - TRAIN_SEEDS) for number in numbers]
    return _film(asked, seeds, asked.families_of(numbers), sensor, device)


def _film(
    asked: Synthesis,
    seeds: list[int],
    families: list[str],
    sensor: SensorProfile,
    device: torch.device,
) -> Film:
    scenes = make_scenes(seeds, families).to(device)
    return Film(scenes, sensor, bins=asked.bins, compiled=asked.compiled)


def shot(
    asked: Synthesis, film: Film, size: tuple[int, int] | None, count: int
) -> tuple[Tensor, Tensor]:
    """The next windows of a film at network size.

    Returns:
        Windows float32 [B, T, C, h, w]: Tencode or frames in [0, 1] (a resize may overshoot), or
        voxel grids; and depth float32 [B, T + 1, h, w], which begins with that before the first.
        It is the true one in metres, or what the teacher sees, 0 for the sky in both.
    """
    windows, depths = [], [_depth(asked, film, size)]
    for _ in range(count):
        window = film.window()
        if window.voxels is not None:
            windows.append(window.voxels)
        else:
            whole = colours(film.scenes, film.picture) if asked.frames else window.tencode / 255
            windows.append(_resized(whole, size, "bicubic"))
        depths.append(_depth(asked, film, size))
    return torch.stack(windows, dim=1), torch.stack(depths, dim=1)


def _depth(asked: Synthesis, film: Film, size: tuple[int, int] | None) -> Tensor:
    depth = film.picture.depth
    if asked.teacher:
        with torch.inference_mode():
            teacher = frame_teacher(asked.teacher, depth.device)
            seen, _ = teacher(colours(film.scenes, film.picture))
        depth = torch.where(depth > 0, seen, 0.0)  # of the sky a teacher knows as little as lidar
    return _resized(depth[:, None], size, "nearest-exact")[:, 0]


def _resized(images: Tensor, size: tuple[int, int] | None, mode: str) -> Tensor:
    """As the network resizes a sensor's image: bicubic without antialias; depth: the nearest."""
    return images if size is None else functional.interpolate(images, size=size, mode=mode)


@cache
def frame_teacher(weights: str, device: torch.device) -> DepthAnyEvent:
    """A network that was trained on frames; it has the layers of Depth Anything V2."""
    checkpoint = read_checkpoint(Path(weights))
    if checkpoint.config is None or checkpoint.config.recurrent:
        raise ValueError(f"{weights}: wanted weights with a configuration, and without recurrence")
    model = DepthAnyEvent(checkpoint.config).eval()
    fill_model(checkpoint, model)
    return model.to(device)


def training_strips(
    asked: Synthesis, size: tuple[int, int] | None, device: torch.device, processes: int
) -> Generator[Strip, None, None]:
    """The sequences of a pool; the same whatever the number of processes.

    Args:
        asked: Which.
        size: (height, width) of windows and depth; None: the sensor's.
        device: To film on.
        processes: That share the work. A GPU is for this one alone.

    Raises:
        ChildProcessError: a process died.
    """
    # the profile travels too: one that this process added is not known to others
    batch = partial(_batch, asked, load_profile(asked.sensor), size, device)
    firsts = range(0, asked.pool, FILMED_AT_ONCE)
    alone = device.type != "cpu"
    for strips in in_order(batch, firsts, 1 if alone else processes):
        yield from strips


def _batch(
    asked: Synthesis,
    sensor: SensorProfile,
    size: tuple[int, int] | None,
    device: torch.device,
    first: int,
) -> list[Strip]:
    # the last batch is filled up, so that compiled code meets one shape only
    numbers = list(range(asked.first + first, asked.first + first + FILMED_AT_ONCE))
    film = _training_film(asked, sensor, numbers, device)
    wanted = min(FILMED_AT_ONCE, asked.pool - first)
    return list(_strips(asked, film, size, asked.windows, wanted))


def validation_families(asked: Synthesis) -> list[str]:
    """The families of the validation sequences."""
    return list(dict.fromkeys(sequence.family for sequence in SPLITS[asked.validate_on]))


def validation_strips(
    asked: Synthesis, family: str, size: tuple[int, int] | None
) -> Generator[Strip, None, None]:
    """The validation sequences of one family."""
    chosen = [sequence for sequence in SPLITS[asked.validate_on] if sequence.family == family]
    seeds = [sequence.seed for sequence in chosen]
    true = replace(asked, teacher="")  # a student is judged by the truth, whoever taught it
    sensor = load_profile(asked.sensor)
    film = _film(true, seeds, [family] * len(seeds), sensor, torch.device("cpu"))
    yield from _strips(true, film, size, chosen[0].windows, len(chosen))


def _strips(
    asked: Synthesis, film: Film, size: tuple[int, int] | None, windows: int, count: int
) -> Iterator[Strip]:
    images, depth = shot(asked, film, size, windows)
    for item in range(count):
        yield Strip(images[item].half().cpu().numpy(), depth[item].half().cpu().numpy())
