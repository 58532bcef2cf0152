"""Proxy labels: a teacher's depth for each RGB frame of DSEC or MVSEC.

``python -m training.proxies --dataset dsec --root DSEC --weights depth_anything_v2_vitl.pth``
writes ``<folder of frames>_<name>/<frame>.npz``, as ``dae_edge.datasets.proxy`` describes them, and
a sheet to look at. DSEC's frames have to be warped first (``training.warp``). Beside the labels is
``teacher.json``, which says what made them: labels of two teachers never end up in one folder.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_edge import datasets
from dae_edge.cli import command
from dae_edge.datasets.labels import proxy_name
from dae_edge.datasets.proxy import proxy_folder
from dae_edge.datasets.reading import read_frame
from dae_edge.errors import FormatError
from dae_edge.hints import closest
from dae_edge.nn.dav2 import INPUT_SIZE
from training.proxy_sheet import Labelled, write_proxy_sheet
from training.shards import THREADS, Shard, work_through
from training.teacher import FAR, MODELS, Teacher
from training.whole import is_whole, npz_bytes, write_whole

ABOUT = "teacher.json"

EXAMPLES = """\
  python -m training.proxies --dataset dsec --root /data/DSEC --weights depth_anything_v2_vitl.pth
  torchrun --nproc-per-node 4 -m training.proxies --dataset mvsec --root /data/MVSEC \\
      --weights depth_anything_v2_vitl.pth --name vitl
      four GPUs share the work"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "python -m training.proxies",
        "Have a teacher (Depth Anything V2) label the RGB frames of a dataset with relative depth. "
        "What is there already is kept: the same command goes on after a stop.",
        examples=EXAMPLES,
    )
    takers = [name for name, kind in datasets.DATASETS.items() if kind.takes_proxies]
    arguments.add_argument("--dataset", required=True, choices=takers)
    arguments.add_argument("--root", type=Path, required=True, help="its folder")
    arguments.add_argument("--split", default="train", help="which part (%(default)s)")
    arguments.add_argument("--sequences", metavar="A,B", help="only these of the split")
    arguments.add_argument("--weights", type=Path, required=True, help=".pth or .safetensors")
    arguments.add_argument(
        "--model", help=f"{', '.join(MODELS)} (what the weights are, which this makes sure of)"
    )
    arguments.add_argument("--name", help="of the labels (the model's): labels='proxy:NAME'")
    arguments.add_argument(
        "--input-size",
        type=int,
        default=INPUT_SIZE,
        metavar="PIXELS",
        help="side of the square that the teacher sees a frame cover (%(default)s)",
    )
    arguments.add_argument("--device", help="to compute on (cuda where there is one, else cpu)")
    arguments.add_argument(
        "--batch", type=int, default=8, metavar="N", help="frames at once (%(default)s)"
    )
    arguments.add_argument(
        "--shard", metavar="K/N", help="only the K-th of N parts (RANK and WORLD_SIZE, if set)"
    )
    arguments.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE.png",
        help="some labels to look at (ROOT/proxies_NAME.png)",
    )
    return command.run(_main, arguments, argv)


def _main(options: argparse.Namespace) -> int:
    if options.batch < 1:
        raise ValueError(f"--batch must be at least 1, got {options.batch}")
    if options.sheet is not None and options.sheet.suffix != ".png":
        raise ValueError(f"{options.sheet}: the sheet is a .png")
    shard = Shard.read(options.shard)
    dataset = datasets.open_dataset(options.dataset, options.root, split=options.split)
    folders = _selected(dataset, options.sequences)
    if options.name is not None:
        proxy_name(options.name)
    teacher = Teacher(
        options.weights, options.model, _device(options.device), input_size=options.input_size
    )
    name = options.name or teacher.name
    jobs = shard.of(find_jobs(dataset, folders, name))
    for folder in {job.proxy.parent for job in jobs}:
        claim(folder, {**teacher.about, "far": FAR})
    to_do = [job for job in jobs if not is_whole(job.proxy)]
    began = perf_counter()
    done = label(teacher, to_do, batch=options.batch)
    seconds = perf_counter() - began
    told = f"{done} frames labelled in {seconds:.1f} s, {len(jobs) - len(to_do)} were there"
    if done < len(to_do):
        print(f"{told}, {len(to_do) - done} left: the same command goes on")
        return command.INTERRUPTED
    sheet = options.sheet or options.root / f"proxies_{name}.png"
    if shard.index == 0:  # one sheet; the other processes may not have ended yet
        told += _sheet(sheet, f"{dataset.name} {dataset.split}: proxy labels {name}", jobs)
    print(f"{dataset.name} {dataset.split}, proxy:{name}: {told}")
    return 0


def _selected(dataset: datasets.Dataset, names: str | None) -> dict[str, Path]:
    """Folders of the sequences to label."""
    folders = dataset.folders()
    wanted = [name.strip() for name in names.split(",")] if names else list(folders)
    for name in wanted:
        if name not in folders:
            raise ValueError(
                f"{dataset.name} {dataset.split} has no sequence {name!r} here"
                f"{closest(name, folders)}"
            )
    if not folders:
        raise FormatError(f"{dataset.root}: no sequence of {dataset.name} {dataset.split!r} here")
    return {name: folders[name] for name in wanted}


def _device(name: str | None) -> torch.device:
    """As asked, else this process's GPU where there are some."""
    if name is None:
        gpu = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        name = gpu if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def find_jobs(dataset: datasets.Dataset, folders: dict[str, Path], name: str) -> list[Labelled]:
    """The frames of these sequences, in order, labelled or not.

    Raises:
        FormatError: a sequence has no frames, or not as many as times.
    """
    truths: dict[str, datasets.Sequence] = {}
    with suppress(FormatError):  # labels can do without true depth; the sheet then shows none
        truths = {sequence.name: sequence for sequence in dataset.sequences()}
    jobs = []
    for sequence, path in folders.items():
        frames = dataset.frames(path)
        folder = proxy_folder(frames.folder, name)
        jobs += [
            Labelled(
                sequence, file, t_us, folder / f"{file.stem}.npz", frames, truths.get(sequence)
            )
            for file, t_us in zip(frames.files, frames.times_us.tolist(), strict=True)
        ]
    return jobs


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Make the folder of labels, or make sure that these made its labels too.

    Raises:
        ValueError: its labels are of something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / ABOUT
    content = json.dumps(about, indent=1)
    if note.is_file():
        if note.read_text(encoding="utf-8") != content:
            raise ValueError(f"{note}: labels of another teacher: give yours another --name")
    elif next(folder.glob("*.npz"), None) is not None:
        raise ValueError(f"{folder}: labels of unknown origin: give yours another --name")
    else:
        write_whole(note, content.encode())


def label(teacher: Teacher, jobs: Sequence[Labelled], *, batch: int) -> int:
    """Label frames; see ``work_through`` for how it stops.

    Returns:
        How many are labelled.

    Raises:
        FormatError: a frame is missing, damaged or of another size.
        OSError: a label cannot be written.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        saving: list[Future[None]] = []

        def saved() -> None:
            for one in saving:
                one.result()
            saving.clear()

        def work(some: Sequence[Labelled]) -> None:
            depth = teacher.depth(torch.stack(list(pool.map(_rgb, some)))).cpu().numpy()
            saved()  # the batch before, which was packed while this one was seen
            saving.extend(map(pool.submit, [_save] * len(some), some, depth))

        done = work_through(jobs, batch, work, label="labelling")
        saved()
    return done


def _rgb(job: Labelled) -> Tensor:
    """The frame, float64 [3, H, W] in [0, 1], as ``DepthAnythingV2.infer`` takes it."""
    frame = read_frame(job.frame, job.frames.size)
    return torch.from_numpy(frame.transpose(2, 0, 1).copy()).double() / 255


def _save(job: Labelled, depth: NDArray[np.float32]) -> None:
    write_whole(job.proxy, npz_bytes(depth=depth))


def _sheet(path: Path, title: str, jobs: Sequence[Labelled]) -> str:
    error = write_proxy_sheet(path, title, jobs)
    judged = "" if math.isnan(error) else f", AbsRel {error:.3f} where truth is known"
    return f"; {path}{judged}"


if __name__ == "__main__":
    sys.exit(main())
