"""The named parts of the synthetic world: fixed seeds, disjoint, the same on every machine.

Training takes any seed from ``TRAIN_SEEDS`` on; the split ``train`` is the first few of these, to
see what was learnt by heart. The others are never trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

WORLD_VERSION = 1
"""Moves when the same seed would give another scene or other events: old figures are then void."""

TRAIN_SEEDS = 1_000_000
LAST_SEED = 2**31 - 1


@dataclass(frozen=True)
class SyntheticSequence:
    """What makes one sequence.

    Attributes:
        name: Unique in its split.
        seed: Of the scene.
        family: Of the scene, with ``-night`` in the dark.
        sensor: Profile.
        windows: Of 50 ms each.
    """

    name: str
    seed: int
    family: str
    sensor: str
    windows: int


def _sequences(
    first_seed: int, families: tuple[str, ...], sensor: str, *, count: int, windows: int
) -> tuple[SyntheticSequence, ...]:
    sequences = []
    for index in range(count):
        family, seed = families[index % len(families)], first_seed + index
        sequences.append(
            SyntheticSequence(f"{family}-{sensor}-{seed}", seed, family, sensor, windows)
        )
    return tuple(sequences)


DAY = ("indoor", "road", "clutter")
NIGHT = ("indoor-night", "road-night", "clutter-night")

SPLITS: dict[str, tuple[SyntheticSequence, ...]] = {
    "train": _sequences(TRAIN_SEEDS, DAY + NIGHT, "davis346", count=12, windows=8),
    "val": _sequences(9_000, DAY + NIGHT, "davis346", count=12, windows=8),
    "test-indoor": _sequences(10_000, ("indoor",), "davis346", count=12, windows=12),
    "test-road": _sequences(20_000, ("road",), "davis346", count=12, windows=12),
    "test-clutter": _sequences(30_000, ("clutter",), "davis346", count=12, windows=12),
    "test-night": _sequences(40_000, NIGHT, "davis346", count=12, windows=12),
    "test-vga": _sequences(50_000, ("indoor", "road"), "vga", count=6, windows=12),
    "test-other-night": _sequences(60_000, NIGHT, "half-atis", count=12, windows=12),
}
"""``test-other-night`` differs from ``half``, by day, in everything: where it is dark, with another
sensor. It is what models that were trained there are judged on for how far they carry."""
