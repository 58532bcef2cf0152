"""Where frames go: MP4, WebM, animated GIF, or a folder of PNG pictures; chosen by the suffix.

A video is written beside its path, as ``NAME.part``, and renamed when it is closed: what carries
the name is complete and plays. Sound, and streams to other machines, are not written.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.closing import Closing
from dae_edge.extras import require
from dae_edge.hints import closest

MAX_FPS = 1000


class FrameSink(Closing):
    """Takes frames, uint8 [H, W, 3] RGB, all of one size.

    As a context manager it closes whatever happens, Ctrl-C too: the file then holds the frames so
    far. ``abort`` is for those who want nothing to be left.

    Attributes:
        frames: How many frames were written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames = 0
        self._shape: tuple[int, ...] | None = None
        self._open = True

    def write(self, frame: NDArray[Any]) -> None:
        """Append a frame.

        Raises:
            ValueError: not uint8 [H, W, 3], not of the first frame's size, or the sink is closed.
            OSError: the file cannot be written.
        """
        if not self._open:
            raise ValueError(f"{self.path}: is closed")
        wanted = self._shape or (*frame.shape[:2], 3)
        if frame.dtype != np.uint8 or frame.shape != wanted or 0 in wanted:
            got = f"{frame.dtype} {list(frame.shape)}"
            size = list(self._shape) if self._shape else "[H, W, 3]"
            raise ValueError(f"{self.path}: frame {self.frames}: got {got}, wanted uint8 {size}")
        self._append(frame)
        self._shape = frame.shape
        self.frames += 1

    def close(self) -> None:
        """Finish the file; after no frame at all, leave none. Harmless when called twice."""
        if self._open:
            self._open = False
            if self.frames:
                self._finish()
            else:
                self._discard()

    def abort(self) -> None:
        """Throw away what was written. Harmless after ``close``, which it does not undo."""
        if self._open:
            self._open = False
            self._discard()

    @abstractmethod
    def _append(self, frame: NDArray[Any]) -> None: ...

    @abstractmethod
    def _finish(self) -> None: ...

    @abstractmethod
    def _discard(self) -> None: ...


class VideoSink(FrameSink):
    """A video file, encoded as it goes by PyAV: memory does not grow with its length.

    ``.mp4``: H.264, 4:2:0, index at the front, as browsers want it. ``.webm``: VP9. Both get an
    even size by repeating the last row or column. ``.gif``: 256 colours chosen anew for each frame;
    GIF counts in hundredths of a second, so frame rates other than 100/n are rounded.
    """

    def __init__(self, path: Path, *, fps: Fraction) -> None:
        super().__init__(path)
        self._av = require("av", extra="view", purpose=f"writing {path.suffix}")
        self._fps = fps
        self._part = path.with_name(path.name + ".part")
        self._container: Any = None
        self._stream: Any = None
        self._palette: Any = None

    def _append(self, frame: NDArray[Any]) -> None:
        if self.path.suffix.lower() != ".gif":
            padding = [(0, side % 2) for side in frame.shape[:2]]
            frame = np.pad(frame, [*padding, (0, 0)], mode="edge")
        try:
            if self._container is None:
                self._start(frame.shape[0], frame.shape[1])
            self._encode(np.ascontiguousarray(frame))
        except self._av.error.FFmpegError as error:
            raise OSError(f"{self.path}: cannot be written: {error}") from error

    def _encode(self, frame: NDArray[Any]) -> None:
        picture = self._av.VideoFrame.from_ndarray(frame, format="rgb24")
        if self._palette is not None:
            picture.pts, picture.time_base = self.frames, 1 / self._fps
            self._palette.push(picture)
            picture = self._palette.pull()
        else:
            picture = picture.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
        picture.pts, picture.time_base = self.frames, 1 / self._fps
        self._container.mux(self._stream.encode(picture))

    def _start(self, height: int, width: int) -> None:
        codec, pixels, codec_options, format_options = _ENCODINGS[self.path.suffix.lower()]
        self._container = self._av.open(
            str(self._part), "w", format=self.path.suffix[1:].lower(), options=format_options
        )
        stream = self._container.add_stream(codec, rate=self._fps, options=codec_options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if pixels == "yuv420p":  # BT.709, limited range: said, so that no player has to guess
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = 1
            context.color_range = 1
        else:
            self._palette = self._palette_graph(height, width)
        self._stream = stream

    def _palette_graph(self, height: int, width: int) -> Any:
        """A filter that gives each frame a palette of its own."""
        graph = self._av.filter.Graph()
        source = graph.add_buffer(
            width=width, height=height, format="rgb24", time_base=1 / self._fps
        )
        split = graph.add("split")
        choose = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use = graph.add("paletteuse", "new=1:dither=none")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(choose, 1, 0)
        choose.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph

    def _finish(self) -> None:
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            os.replace(self._part, self.path)
        except self._av.error.FFmpegError as error:
            raise OSError(f"{self.path}: cannot be written: {error}") from error
        finally:
            self._discard()  # nothing is left of it once it has its name

    def _discard(self) -> None:
        try:
            if self._container is not None:
                self._container.close()
        finally:
            self._part.unlink(missing_ok=True)


# suffix: codec, pixel format, options of the codec, options of the container
_ENCODINGS: dict[str, tuple[str, str, dict[str, str], dict[str, str]]] = {
    ".mp4": ("h264", "yuv420p", {"crf": "20", "preset": "veryfast"}, {"movflags": "+faststart"}),
    ".webm": (
        "vp9",
        "yuv420p",
        {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
        {},
    ),
    ".gif": ("gif", "pal8", {}, {"loop": "0"}),
}


class PictureSink(FrameSink):
    """A folder of ``frame_000000.png``, ``frame_000001.png``, ...; none is ever half there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._image_module = require("PIL.Image", extra="view", purpose="writing PNG pictures")
        if path.exists() and (not path.is_dir() or any(path.glob("frame_*.png"))):
            raise ValueError(f"{path}: is not empty; wanted a new folder, or one without pictures")
        self._new = not path.exists()

    def _append(self, frame: NDArray[Any]) -> None:
        self.path.mkdir(exist_ok=True)
        whole = self.path / f"frame_{self.frames:06d}.png"
        part = whole.with_name(whole.name + ".part")
        try:
            self._image_module.fromarray(np.ascontiguousarray(frame)).save(part, format="PNG")
            os.replace(part, whole)
        finally:
            part.unlink(missing_ok=True)

    def _finish(self) -> None: ...

    def _discard(self) -> None:
        for index in range(self.frames):
            (self.path / f"frame_{index:06d}.png").unlink(missing_ok=True)
        if self._new and self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


def open_sink(path: str | os.PathLike[str], *, fps: float | Fraction) -> FrameSink:
    """The sink for a path: ``.mp4``, ``.webm``, ``.gif``; without a suffix, a folder of PNG.

    Nothing is written before the first frame.

    Args:
        path: Its folder must exist; a video of this name is replaced when the new one is complete.
        fps: Frames per second that a video is to be played at; a folder of PNG has none.

    Raises:
        ValueError: an unknown suffix, a folder that does not exist, or a frame rate out of range.
        MissingExtraError: PyAV, or Pillow for PNG, is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix and suffix not in _ENCODINGS:
        known = [*_ENCODINGS, "no suffix for a folder of PNG"]
        raise ValueError(f"{path}: unknown video format {suffix!r}{closest(suffix, known)}")
    if not 0 < fps <= MAX_FPS:
        raise ValueError(f"fps: got {fps}, wanted more than 0 and at most {MAX_FPS}")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    if not suffix:
        return PictureSink(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, wanted the name of a video file")
    return VideoSink(path, fps=Fraction(fps).limit_denominator(1001))
