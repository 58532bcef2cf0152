"""Open whatever holds events: a file is told by its first bytes, a camera by its address."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path

from dae_edge.errors import FormatError
from dae_edge.sources.aedat4 import open_aedat4
from dae_edge.sources.es import open_es
from dae_edge.sources.hdf5 import open_hdf5
from dae_edge.sources.metavision import open_metavision
from dae_edge.sources.npz import open_numpy
from dae_edge.sources.raw import open_raw
from dae_edge.sources.rosbag import open_rosbag
from dae_edge.sources.source import PACKET_EVENTS, Source
from dae_edge.sources.table import open_table
from dae_edge.sources.usb import open_usb

_Opener = Callable[..., Source]
_CAMERAS: dict[str, _Opener] = {"metavision": open_metavision, "usb": open_usb}
_MAGIC: tuple[tuple[bytes, _Opener], ...] = (
    (b"% ", open_raw),
    (b"#!AER-DAT4.0", open_aedat4),
    (b"Event Stream", open_es),
    (b"\x89HDF\r\n\x1a\n", open_hdf5),
    (b"#ROSBAG V2.0", open_rosbag),
    (b"SQLite format 3\0", open_rosbag),
    (b"\x89MCAP0\r\n", open_rosbag),
    (b"PK\x03\x04", open_numpy),
    (b"\x93NUMPY", open_numpy),
)
_OLDER = {b"#!AER-DAT": "AEDAT before version 4", b"#ROSBAG": "a ROS bag before version 2.0"}
_OPTIONS: dict[str, _Opener] = {"topic": open_rosbag, "side": open_hdf5, "columns": open_table}
"""Options that only one kind of source has."""
_READABLE = (
    "Prophesee RAW and DAT, AEDAT4, Event Stream, HDF5 of DSEC, M3ED and MVSEC, ROS bags, "
    "NPZ, NPY and text"
)
_HEAD_BYTES = 4096


def open_source(
    path: str | os.PathLike[str],
    *,
    sensor: tuple[int, int] | None = None,
    packet_events: int = PACKET_EVENTS,
    topic: str | None = None,
    side: str | None = None,
    columns: str | None = None,
) -> Source:
    """Open a recording or a camera; iterate over the result for packets of events.

    Args:
        path: A file, the directory of a ROS 2 bag, or a camera: ``metavision:``, ``usb:``, each
            with a serial number behind the colon where several cameras are connected.
        sensor: (width, height) in pixels. Needed where the recording does not say it; where it
            does, the two must agree. Never for cameras, which know it.
        packet_events: Most events of one packet.
        topic: ROS bags only: which topic, where several have events.
        side: HDF5 only: ``"left"`` or ``"right"`` camera of a stereo pair; left if not given.
        columns: Text only: names of the columns, e.g. ``"x y p t"``.

    Raises:
        FileNotFoundError: no such file.
        FormatError: no known format, not a whole one, or ``sensor`` is needed.
        ValueError: an option that this kind of source does not have.
        ConnectionError: no such camera.
        MissingExtraError: the optional package for this format is not installed.
    """
    given = {"topic": topic, "side": side, "columns": columns}
    options = {name: value for name, value in given.items() if value is not None}
    name = os.fspath(path)
    scheme, serial = _camera_address(name)
    if scheme is not None:
        if sensor is not None or options:
            option = "sensor" if sensor is not None else next(iter(options))
            raise ValueError(f"{name}: cameras do not take {option}=")
        return _CAMERAS[scheme](serial, packet_events=packet_events)
    opener = _opener_of(Path(name))
    for option in options:
        if _OPTIONS[option] is not opener:
            raise ValueError(f"{name}: {option}= is not for this kind of file")
    return opener(Path(name), sensor=sensor, packet_events=packet_events, **options)


def _camera_address(name: str) -> tuple[str | None, str]:
    """(scheme, serial) of a camera's address; (None, "") for a path."""
    match = re.fullmatch(r"([a-z]+):([^/\\]*)", name)
    if match and match[1] in _CAMERAS:
        return match[1], match[2]
    return None, ""


def _opener_of(path: Path) -> _Opener:
    """Tell the format of a file from what it begins with, or say what is wrong with the path."""
    if path.is_dir():
        if (path / "metadata.yaml").is_file():
            return open_rosbag
        raise FormatError(f"{path}: a directory without metadata.yaml is not a ROS 2 bag")
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}{_hint(path)}")
    if not path.is_file():
        raise FormatError(f"{path}: not a regular file")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise FormatError(f"{path}: the file is empty")
    text_named = path.suffix.lower() in (".txt", ".csv")
    for magic, opener in _MAGIC:
        if head.startswith(magic) and not (opener is open_raw and text_named):
            return opener
    for magic, what in _OLDER.items():
        if head.startswith(magic):
            raise FormatError(f"{path}: {what} is not read")
    if _is_text(head):
        return open_table
    raise FormatError(
        f"{path}: unknown format, it begins with {head[:8].hex(' ')}; readable are {_READABLE}"
    )


def _is_text(head: bytes) -> bool:
    """Printable ASCII with a digit somewhere, as far as the first bytes tell."""
    return re.fullmatch(rb"[\t\r\n\x20-\x7e]*[0-9][\t\r\n\x20-\x7e]*", head) is not None


def _hint(path: Path) -> str:
    """``; did you mean ...?`` with a camera's address or a file of the same folder."""
    known = [f"{scheme}:" for scheme in _CAMERAS]
    close = difflib.get_close_matches(str(path).partition(":")[0] + ":", known, n=1, cutoff=0.7)
    if not close and path.parent.is_dir():
        names = [entry.name for entry in path.parent.iterdir()]
        close = difflib.get_close_matches(path.name, names, n=1)
        close = [str(path.parent / match) for match in close]
    return f"; did you mean {close[0]}?" if close else ""
