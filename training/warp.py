"""Warp DSEC's left frames to its left event camera: ``python -m training.warp --root DSEC``.

Makes ``images/left/ev_inf/<number>.png`` of each ``images/left/rectified/<number>.png``; numbers
are positions in ``images/timestamps.txt``. Teachers label these. Why one homography does it, and
what error it leaves, is in ``homography.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from dae_edge.cli import command
from dae_edge.datasets.reading import numbered, read_frame
from dae_edge.errors import FormatError
from dae_edge.hints import closest
from training.homography import FRAME_HEIGHT, FRAME_WIDTH, Rig, read_rig, warp
from training.shards import THREADS, Shard, work_through
from training.whole import is_whole, png_bytes, write_whole

FRAMES, WARPED = Path("images/left/rectified"), Path("images/left/ev_inf")
TOLD_AT_M = 10

EXAMPLES = """\
  python -m training.warp --root /data/DSEC
  python -m training.warp --root /data/DSEC --sequences thun_00_a --shard 2/4
      the second of four processes that share the work"""


class Job(NamedTuple):
    """A frame to be warped."""

    frame: Path
    out: Path
    rig: Rig


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "python -m training.warp",
        "Warp the left frames of DSEC to its left event camera, as if all they show were far. "
        "What is there already is kept: the same command goes on after a stop.",
        examples=EXAMPLES,
    )
    arguments.add_argument("--root", type=Path, required=True, help="folder of DSEC")
    arguments.add_argument("--sequences", metavar="A,B", help="only these (all that have frames)")
    arguments.add_argument(
        "--shard", metavar="K/N", help="only the K-th of N parts (RANK and WORLD_SIZE, if set)"
    )
    return command.run(_main, arguments, argv)


def _main(options: argparse.Namespace) -> int:
    shard = Shard.read(options.shard)
    jobs = shard.of(find_jobs(options.root, options.sequences))
    to_do = [job for job in jobs if not is_whole(job.out)]
    began = perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        done = work_through(
            to_do, THREADS, lambda batch: list(pool.map(_do, batch)), label="warping"
        )
    _tell(jobs, len(jobs) - len(to_do), done, perf_counter() - began)
    return 0 if done == len(to_do) else command.INTERRUPTED


def find_jobs(root: Path, sequences: str | None) -> list[Job]:
    """The frames of all sequences below a folder, in order, done or not.

    Args:
        root: With the sequences in it, or in ``train/`` and ``test/``.
        sequences: Names with commas between them; None: all.

    Raises:
        ValueError: no such sequence.
        FormatError: no frames at all, or a calibration is not what it should be.
    """
    folders = {
        path.name: path
        for place in (root, root / "test", root / "train")
        if place.is_dir()
        for path in sorted(place.iterdir())
        if (path / FRAMES).is_dir()
    }
    if not folders:
        raise FormatError(f"{root}: no sequence with frames in {FRAMES} here")
    names = [name.strip() for name in sequences.split(",")] if sequences else sorted(folders)
    for name in names:
        if name not in folders:
            raise ValueError(f"no frames of a sequence {name!r} here{closest(name, folders)}")
    return [job for name in names for job in _jobs(folders[name])]


def _jobs(path: Path) -> list[Job]:
    rig = read_rig(path / "calibration" / "cam_to_cam.yaml")
    frames = numbered(path / FRAMES, r"(\d+)\.png").values()
    return [Job(frame, path / WARPED / frame.name, rig) for frame in frames]


def _do(job: Job) -> None:
    frame = read_frame(job.frame, (FRAME_WIDTH, FRAME_HEIGHT))
    content = png_bytes(warp(frame, job.rig.homography))
    job.out.parent.mkdir(exist_ok=True)
    write_whole(job.out, content)


def _tell(jobs: list[Job], there: int, done: int, seconds: float) -> None:
    left = len(jobs) - there - done
    error = max((job.rig.parallax_px(TOLD_AT_M) for job in jobs), default=0.0)
    print(
        f"{done} frames warped in {seconds:.1f} s, {there} were there, {left} left; "
        f"what is {TOLD_AT_M} m away lies {error:.1f} px from its events"
    )


if __name__ == "__main__":
    sys.exit(main())
