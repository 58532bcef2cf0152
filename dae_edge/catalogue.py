"""Where published weights and datasets are, under which licence, and how to know a file again.

Nothing is downloaded here. Checksums are those of the publishers' own files; where none is
published, none is stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DRIVE = "https://drive.google.com/drive/folders/15Yfc1cc6FDsjjpjDdb038u0SyrI8itpv"
HUGGING_FACE = "https://huggingface.co/depth-anything/Depth-Anything-V2-{0}/resolve/main/{1}"

NON_COMMERCIAL = "CC-BY-NC-4.0 (non-commercial)"
UNSTATED = "unstated (no licence in the authors' repository)"
DISTILLED = "unstated; distilled from Depth Anything V2 Large (CC-BY-NC-4.0, non-commercial)"
ON_ITS_PAGE = "see its page"
UNKNOWN = "unknown"

RELEASED = {
    "synth": "EventScape (simulation)",
    "finetuned_mvsec": "EventScape, then MVSEC with true depth",
    "finetuned_dsec": "EventScape, then DSEC with true depth",
    "distillation_mvsec": "EventScape, then MVSEC with a teacher's depth",
    "distillation_dsec": "EventScape, then DSEC with a teacher's depth",
    "metric_dsec": "EventScape, then DSEC for depth in metres",
}
"""Checkpoints that the authors of DepthAnyEvent released, of each of the two models."""

MODELS = {"dav2": "depthanyevent", "rec_dav2": "depthanyevent-r"}
"""Folders of the released checkpoints, and the recipes of export/ that they belong to."""


@dataclass(frozen=True)
class Entry:
    """Something published.

    Attributes:
        name: What ``dae-fetch get`` takes.
        about: What it is.
        licence: Of the weights or data, in words.
        place: URL: of the file itself, or of the page to get it from by hand.
        file: Name of the file; "" if it has to be got by hand.
        bytes: Size; 0: not known.
        sha256: In hexadecimal; "": not known.
        steps: What to do by hand, one step per line.
    """

    name: str
    about: str
    licence: str
    place: str
    file: str = ""
    bytes: int = 0
    sha256: str = ""
    steps: tuple[str, ...] = ()


def _depth_anything(size: str, letter: str, licence: str, count: int, sha256: str) -> Entry:
    file = f"depth_anything_v2_vit{letter}.pth"
    return Entry(
        f"depth-anything-v2-{size}",
        f"Depth Anything V2 {size.capitalize()} (ViT-{letter.upper()}), trained on images",
        licence,
        HUGGING_FACE.format(size.capitalize(), file),
        file,
        count,
        sha256,
    )


def _released(folder: str, name: str) -> Entry:
    model = "DepthAnyEvent-R" if folder == "rec_dav2" else "DepthAnyEvent"
    path = f"weights/{folder}/{name}/{name}.pth"
    return Entry(
        f"{folder}/{name}",
        f"{model} (ViT-S) trained on {RELEASED[name]}",
        DISTILLED if name.startswith("distillation") else UNSTATED,
        DRIVE,
        steps=(
            f"open the folder in a browser and download {folder}/{name}",
            f"keep the files together: {path} and config.json beside it (some have it inside)",
            f"dae-export --target onnx-fp32 --model {MODELS[folder]} --weights {path}",
            "no checksum is published: write down the one that comes with the bundle",
        ),
    )


def _dataset(name: str, about: str, place: str, *steps: str) -> Entry:
    keep = "keep the folders as they are; dae_edge.datasets reads the official layout"
    return Entry(name, about, ON_ITS_PAGE, place, steps=(*steps, keep))


ENTRIES: tuple[Entry, ...] = (
    _depth_anything(
        "small",
        "s",
        "Apache-2.0",
        99_218_434,
        "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
    ),
    _depth_anything(
        "base",
        "b",
        NON_COMMERCIAL,
        389_961_218,
        "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328",
    ),
    _depth_anything(
        "large",
        "l",
        NON_COMMERCIAL,
        1_341_395_338,
        "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345",
    ),
    Entry(
        "e2depth",
        "E2Depth, trained on MVSEC and simulation (the baseline of 2020)",
        "unstated (the code beside it is GPL-3.0)",
        "https://rpg.ifi.uzh.ch/data/E2DEPTH/models/E2DEPTH_si_grad_loss_mixed.pth.tar",
        "E2DEPTH_si_grad_loss_mixed.pth.tar",
    ),
    *(_released(folder, name) for folder in MODELS for name in RELEASED),
    _dataset(
        "dsec",
        "DSEC: driving, 640x480 events, lidar disparity",
        "https://dsec.ifi.uzh.ch/dsec-datasets/download/",
        "download events, disparity, calibration and image timestamps of the train sequences",
    ),
    _dataset(
        "mvsec",
        "MVSEC in the form made for E2Depth: 346x260, lidar depth",
        "https://rpg.ifi.uzh.ch/E2DEPTH.html",
        "download the .tar of each sequence and unpack it",
    ),
    _dataset(
        "mvsec-raw",
        "MVSEC as recorded, HDF5",
        "https://daniilidis-group.github.io/mvsec/download/",
        "download _data.hdf5 and _gt.hdf5 of each sequence",
    ),
    _dataset(
        "eventscape",
        "EventScape: simulated driving, 512x256",
        "https://rpg.ifi.uzh.ch/RAMNet.html",
        "download and unpack the splits (the training split has 71 GB)",
    ),
    _dataset(
        "m3ed",
        "M3ED: car, legged robot, drone; 1280x720 events, lidar depth",
        "https://m3ed.io/download/",
        "download _data.h5 and _depth_gt.h5 of each sequence",
    ),
)


def origin(path: Path, sha256: str, encoder: str, *, recurrent: bool) -> tuple[str, str]:
    """What a checkpoint is and its licence, by its bytes, or by its name where it has that size.

    Args:
        path: The file; its folder's name or its own tells released checkpoints apart.
        sha256: Of the file.
        encoder: That the tensors have: tiny, small, base or large.
        recurrent: Whether they have recurrent units.

    Returns:
        The name in this catalogue, with a note where only the name says so, else the name of the
        file; and the licence in words.
    """
    for entry in ENTRIES:
        if sha256 == entry.sha256:
            return entry.name, entry.licence
    for entry in ENTRIES:
        if path.name == entry.file:
            return path.name, f"{UNKNOWN} (named like {entry.name}, but not the published file)"
    folder, parent = "rec_dav2" if recurrent else "dav2", path.absolute().parent
    name = parent.name if parent.parent.name == folder else path.stem
    if name in RELEASED and encoder == "small":  # all that were released are ViT-S
        released = _released(folder, name)
        return f"{released.name} (by its name)", released.licence
    return path.name, UNKNOWN
