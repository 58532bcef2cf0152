"""Video files and PNG folders: decoded again, interrupted, thrown away."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dae_edge.errors import MissingExtraError
from dae_edge.view.video import open_sink

av = pytest.importorskip("av")
pil_image = pytest.importorskip("PIL.Image")
VIDEOS = ["out.mp4", "out.webm", "out.gif"]


def frame(index, height=96, width=128):
    """A white block that moves right over blue and orange."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2], picture[height // 2 :] = (30, 60, 200), (240, 140, 20)
    picture[20:40, 8 * index : 8 * index + 16] = 255
    return picture


def frames_of(path):
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_decodes_to_the_frames_that_were_written(tmp_path, name):
    with open_sink(tmp_path / name, fps=20) as sink:
        for index in range(12):
            sink.write(frame(index))
    decoded = frames_of(tmp_path / name)
    assert len(decoded) == sink.frames == 12
    for index in (0, 5, 11):
        assert decoded[index].shape == (96, 128, 3)
        assert np.abs(decoded[index].astype(int) - frame(index)).mean() < 8
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_lasts_as_long_as_its_frame_rate_says(tmp_path, name):
    with open_sink(tmp_path / name, fps=20) as sink:
        for index in range(10):
            sink.write(frame(index))
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        times = [float(picture.time) for picture in container.decode(stream)]
    assert np.diff(times) == pytest.approx(0.05, abs=0.002)


def test_mp4_is_h264_in_420_with_its_index_first(tmp_path):
    with open_sink(tmp_path / "out.mp4", fps=29.97) as sink:
        sink.write(frame(0))
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("name", "shape"), [*((name, (98, 130, 3)) for name in VIDEOS[:2]), ("out.gif", (97, 129, 3))]
)
def test_frames_of_odd_size_are_padded_where_the_codec_wants_it(tmp_path, name, shape):
    with open_sink(tmp_path / name, fps=20) as sink:
        sink.write(frame(2, 97, 129))
    decoded = frames_of(tmp_path / name)
    assert [picture.shape for picture in decoded] == [shape]
    assert np.abs(decoded[0][:97, :129].astype(int) - frame(2, 97, 129)).mean() < 8


@pytest.mark.parametrize("name", VIDEOS)
def test_an_interrupted_run_leaves_the_frames_so_far(tmp_path, name):
    def run():
        with open_sink(tmp_path / name, fps=20) as sink:
            for index in range(5):
                sink.write(frame(index))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(frames_of(tmp_path / name)) == 5


@pytest.mark.parametrize("name", [*VIDEOS, "folder"])
def test_nothing_is_left_by_zero_frames_or_an_abort(tmp_path, name):
    open_sink(tmp_path / name, fps=20).close()
    assert list(tmp_path.iterdir()) == []
    sink = open_sink(tmp_path / name, fps=20)
    sink.write(frame(0))
    sink.write(frame(1))
    sink.abort()
    sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", VIDEOS)
def test_a_frame_that_no_encoder_takes_is_one_clear_error_and_leaves_nothing(tmp_path, name):
    def run():
        with open_sink(tmp_path / name, fps=20) as sink:
            sink.write(np.zeros((2, 70_000, 3), np.uint8))

    with pytest.raises(OSError, match=rf"{name}: cannot be written: "):
        run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", VIDEOS)
def test_the_name_appears_when_the_video_is_complete(tmp_path, name):
    (tmp_path / name).write_bytes(b"an older video")
    sink = open_sink(tmp_path / name, fps=20)
    sink.write(frame(0))
    assert (tmp_path / name).read_bytes() == b"an older video"
    sink.close()
    sink.abort()  # too late, and harmless
    assert len(frames_of(tmp_path / name)) == 1


def test_a_path_without_suffix_is_a_folder_of_exact_pictures(tmp_path):
    with open_sink(tmp_path / "frames", fps=20) as sink:
        for index in range(3):
            sink.write(frame(index, 33, 55 + 20))
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == ["frame_000000.png", "frame_000001.png", "frame_000002.png"]
    with pil_image.open(tmp_path / "frames" / names[2]) as picture:
        assert np.array_equal(np.asarray(picture), frame(2, 33, 75))


def test_a_folder_of_an_earlier_run_is_not_mixed_with_a_new_one(tmp_path):
    (tmp_path / "frame_000007.png").touch()
    with pytest.raises(ValueError, match="wanted a new folder, or one without pictures"):
        open_sink(tmp_path, fps=20)


def test_an_abort_leaves_a_folder_that_was_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    sink = open_sink(tmp_path, fps=20)
    sink.write(frame(0))
    sink.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("name", "hint"), [("out.mp3", ".mp4"), ("out.gfi", ".gif"), ("o.web", ".webm")]
)
def test_an_unknown_suffix_is_met_with_the_closest_one(tmp_path, name, hint):
    with pytest.raises(ValueError, match=f"unknown video format .*did you mean '{hint}'"):
        open_sink(tmp_path / name, fps=20)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        open_sink(tmp_path / "nowhere" / "out.mp4", fps=20)


@pytest.mark.parametrize("fps", [0, -1, 1e9, float("nan")])
def test_a_frame_rate_out_of_range_is_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="fps: got"):
        open_sink(tmp_path / "out.mp4", fps=fps)


def test_frames_of_another_size_or_type_are_refused_and_do_no_harm(tmp_path):
    with open_sink(tmp_path / "out.mp4", fps=20) as sink:
        with pytest.raises(
            ValueError, match=r"frame 0: got float64 \[4, 4\], wanted uint8 \[H, W, 3\]"
        ):
            sink.write(np.zeros((4, 4)))
        sink.write(frame(0))
        with pytest.raises(ValueError, match=r"frame 1: got uint8 \[96, 127, 3\], wanted"):
            sink.write(frame(1)[:, 1:])
        sink.write(frame(1))
    assert len(frames_of(tmp_path / "out.mp4")) == 2
    with pytest.raises(ValueError, match="is closed"):
        sink.write(frame(2))


def test_without_the_extra_its_name_is_told_before_any_frame(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"dae-edge\[view\]"):
        open_sink(tmp_path / "out.mp4", fps=20)
