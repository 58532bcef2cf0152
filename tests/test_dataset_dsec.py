"""DSEC against the published reader, and what happens when files are missing or damaged."""

from __future__ import annotations

import contextlib
import shutil

import h5py
import numpy as np
import pytest
from dataset_files import read_npz_xz, write_dsec, write_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dae_edge.datasets import open_dataset
from dae_edge.datasets.dsec import OUTSIDE, Dsec, read_rectified_pixels, rectify
from dae_edge.datasets.reading import read_disparity_png
from dae_edge.errors import FormatError
from dae_edge.events import events_from

NAME = "thun_00_a"
SHAPE = (3, 320, 640)


@pytest.fixture(scope="module")
def stored(golden):
    """A synthetic sequence and what the published reader gave, in some columns of the crop.

    Only events that lie in those columns or outside the image are kept, and the first and last of
    each window: the others change nothing there.
    """
    stored = read_npz_xz(golden / "dataset_dsec.npz.xz")
    columns = stored["columns"]
    eighths = np.cumsum(stored["rectify_eighths"].astype(np.int32), axis=1)
    disparity = np.zeros((4, 480, 640), np.uint16)
    disparity[0] = 2560  # the first map is not used
    disparity[1:, 80:400, columns] = stored["disp_levels"][stored["disp_index"]]
    touched = np.unpackbits(stored["touched"]).astype(bool).reshape(3, 320, len(columns))
    tencode = np.zeros((3, 3, 320, len(columns)), np.float32)
    red = np.unpackbits(stored["red"])[: touched.sum()]
    for channel, values in enumerate((red, stored["green"], 1 - red)):
        tencode[:, channel][touched] = values
    return {
        "disp": disparity,
        "disp_ts": stored["disp_ts"],
        "ev_t": np.cumsum(stored["ev_dt"].astype(np.int64)),
        "ev_x": stored["ev_x"],
        "ev_y": stored["ev_y"],
        "ev_p": stored["ev_p"],
        "t_offset": stored["t_offset"],
        "rectify_map": (eighths / 8).astype(np.float32),
        "Q": stored["Q"],
        "columns": columns,
        "depth": stored["depth_levels"][stored["disp_index"]],
        "tencode": tencode,
    }


@pytest.fixture(scope="module")
def written(stored, tmp_path_factory):
    root = tmp_path_factory.mktemp("dsec")
    write_dsec(root / "train" / NAME, stored)
    return root


@pytest.fixture
def damaged(written, tmp_path):
    """A copy to damage."""
    shutil.copytree(written, tmp_path / "dsec")
    return tmp_path / "dsec" / "train" / NAME


def only(root):
    (sequence,) = open_dataset("dsec", root).sequences()
    return sequence


def test_samples_equal_those_of_the_published_reader_bit_for_bit(written, stored):
    samples = list(only(written))
    assert [sample.t_us for sample in samples] == stored["disp_ts"][1:].tolist()
    for index, sample in enumerate(samples):
        assert (sample.sequence, sample.index) == (NAME, index)
        assert np.array_equal(sample.depth[:, stored["columns"]], stored["depth"][index])
        image = sample.tencode(dtype=np.float32)
        assert image.shape == SHAPE
        assert np.array_equal(image[:, :, stored["columns"]], stored["tencode"][index])


def test_windows_are_half_open_and_of_fifty_milliseconds(written, stored):
    for sample in only(written):
        t = stored["ev_t"] + stored["t_offset"]
        inside = (t >= sample.t_us - 50_000) & (t < sample.t_us)
        assert np.array_equal(sample.events["t"], t[inside])
        assert not inside.all()


def test_the_whole_image_and_its_centre_agree(written):
    sample = next(iter(only(written)))
    whole = sample.tencode(cropped=False)
    assert whole.shape == (480, 640, 3)
    assert np.array_equal(whole[80:400], sample.tencode())
    assert sample.depth.shape == (320, 640)


def test_a_second_pass_gives_the_same_samples(written):
    sequence = only(written)
    one, other = (next(iter(sequence)) for _ in range(2))
    assert np.array_equal(one.events, other.events)
    assert len(sequence) == 3


def test_rectified_coordinates_are_truncated_and_just_below_zero_is_outside(stored, tmp_path):
    arrays = dict(stored, rectify_map=np.full((480, 640, 2), 7.875, np.float32))
    arrays["rectify_map"][0, :5, 0] = [-0.5, 0.5, 639.99, 640.0, np.nan]
    folder = write_dsec(tmp_path / NAME, arrays)
    pixels = read_rectified_pixels(folder / "events" / "left" / "rectify_map.h5")
    assert pixels[0, :5, 0].tolist() == [OUTSIDE, 0, 639, OUTSIDE, OUTSIDE]
    moved = rectify(events_from([1, 2], [0, 1], [0, 0], [1, 0]), pixels)
    assert moved["x"].tolist() == [OUTSIDE, 0]
    assert moved["y"].tolist() == [7, 7]
    assert moved["t"].tolist() == [1, 2]


def test_frames_warped_to_the_event_camera_are_found_by_time(damaged, stored):
    warped = damaged / "images" / "left" / "ev_inf"
    warped.mkdir(parents=True)
    times = sorted([*stored["disp_ts"].tolist(), *(stored["disp_ts"] + 50_000).tolist()])
    write_lines(damaged / "images" / "timestamps.txt", times)
    for index in range(len(times)):
        (warped / f"{index:06d}.png").touch()
    names = [sample.image.name for sample in only(damaged.parent)]
    assert names == ["000002.png", "000004.png", "000006.png"]


def test_official_sequences_and_their_samples_add_up():
    assert {split: (len(s), sum(s.values())) for split, s in Dsec.splits.items()} == {
        "validation": (10, 7157),
        "train": (31, 19186),
    }


def test_check_names_what_is_missing_and_what_is_odd(written):
    findings = open_dataset("dsec", written).check()
    assert len(findings) == 10
    assert f"{NAME}: 3 samples, wanted 119" in findings
    assert any(line.startswith("interlaken_00_f: not found below") for line in findings)


def test_check_tells_of_damage_instead_of_stopping(damaged):
    (damaged / "events" / "left" / "rectify_map.h5").unlink()
    (line,) = [line for line in open_dataset("dsec", damaged.parent).check() if NAME in line]
    assert line.endswith("rectify_map.h5: no such file")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("disparity/timestamps.txt", "no such file"),
        ("disparity/event/000004.png", "3 maps in event/, but 4 times"),
        ("events/left/events.h5", "no such file"),
        ("events/left/rectify_map.h5", "no such file"),
        ("calibration/cam_to_cam.yaml", "no such file"),
    ],
)
def test_a_missing_file_is_named(damaged, file, message):
    (damaged / file).unlink()
    with pytest.raises(FormatError, match=message):
        list(only(damaged.parent))


def test_times_that_do_not_increase_are_refused(damaged):
    write_lines(damaged / "disparity" / "timestamps.txt", [10, 20, 20, 30])
    with pytest.raises(FormatError, match="line 3: time 20 does not follow"):
        only(damaged.parent)


@pytest.mark.parametrize("content", ["", "1\nx\n3\n4\n", "1\n1e400\n", "\xff"])
def test_a_list_of_times_that_is_none_is_refused(damaged, content):
    (damaged / "disparity" / "timestamps.txt").write_text(content, "latin-1")
    with pytest.raises(FormatError, match=r"timestamps\.txt: "):
        only(damaged.parent)


def test_a_disparity_map_of_another_size_or_depth_is_refused(damaged):
    path = damaged / "disparity" / "event" / "000002.png"
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(path)
    with pytest.raises(FormatError, match=r"000002\.png: shape 48x64, wanted 480x640"):
        list(only(damaged.parent))
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(path)
    with pytest.raises(FormatError, match=r"000002\.png: no 16-bit grey PNG, but mode L"):
        list(only(damaged.parent))


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.95])
@pytest.mark.parametrize(
    "file", ["events/left/events.h5", "events/left/rectify_map.h5", "disparity/event/000002.png"]
)
def test_a_truncated_file_is_named(damaged, file, keep):
    content = (damaged / file).read_bytes()
    (damaged / file).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(FormatError, match=file.split("/")[-1]):
        list(only(damaged.parent))


def test_events_that_step_back_in_time_are_refused(damaged):
    with h5py.File(damaged / "events" / "left" / "events.h5", "r+") as file:
        file["events/t"][7] = 0
    with pytest.raises(FormatError, match=r"events\.h5: time steps back from \d+ to \d+ us"):
        list(only(damaged.parent))


def test_events_without_their_clock_are_refused(damaged):
    with h5py.File(damaged / "events" / "left" / "events.h5", "r+") as file:
        del file["t_offset"]
    with pytest.raises(FormatError, match="no numbers at /t_offset"):
        list(only(damaged.parent))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [1, 2",
        "disparity_to_depth: 3",
        "disparity_to_depth: {cams_03: [[1, 2], [3]]}",
        "disparity_to_depth: {cams_03: [1, 2, 3]}",
        "disparity_to_depth: {cams_03: [[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]}",
        "!!python/object/apply:os.system [exit]",
        "a: 1\na: 2",
    ],
)
def test_a_calibration_without_q_is_refused(damaged, text):
    (damaged / "calibration" / "cam_to_cam.yaml").write_text(text)
    with pytest.raises(FormatError, match=r"cam_to_cam\.yaml: "):
        list(only(damaged.parent))


def test_a_root_without_the_dataset_is_refused(tmp_path):
    with pytest.raises(FormatError, match="none of the 10 sequences"):
        open_dataset("dsec", tmp_path).sequences()
    with pytest.raises(FormatError, match="no such folder; wanted the root of dsec"):
        open_dataset("dsec", tmp_path / "nowhere")


@settings(max_examples=60, deadline=None)
@given(position=st.floats(0, 1), value=st.integers(0, 255))
def test_no_byte_of_a_disparity_map_makes_reading_crash(written, tmp_path_factory, position, value):
    content = bytearray(
        (written / "train" / NAME / "disparity" / "event" / "000002.png").read_bytes()
    )
    content[int(position * min(len(content) - 1, 200))] = value
    path = tmp_path_factory.getbasetemp() / "changed.png"
    path.write_bytes(content)
    with contextlib.suppress(FormatError):
        assert read_disparity_png(path, (480, 640)).shape == (480, 640)
