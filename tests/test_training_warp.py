"""Frames warped to the event camera, against points projected through both cameras."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dae_edge.errors import FormatError
from training.homography import FRAME_HEIGHT, FRAME_WIDTH, read_rig, warp
from training.warp import find_jobs, main

ROOT = Path(__file__).resolve().parent.parent

EVENT_K, FRAME_K = (560.0, 565.0, 330.0, 228.0), (1160.0, 1155.0, 715.0, 560.0)
OFFSET_M = np.array([-0.045, 0.002, -0.011])


def turn(x, y, z):
    """A rotation about the three axes, degrees, as a matrix; written out, not taken from ours."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians([x, y, z])), np.sin(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


R_RECT_0, R_RECT_1, R_10 = turn(1.5, -2, 3), turn(-1, 1.2, -2.5), turn(0.8, 2.2, -1.7)
T_10 = np.block([[R_10, OFFSET_M[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])


def calibration(**changes):
    """As in DSEC's file; an entry of None leaves it out."""
    entries = {
        "camRect0": list(EVENT_K),
        "camRect1": list(FRAME_K),
        "R_rect0": R_RECT_0.tolist(),
        "R_rect1": R_RECT_1.tolist(),
        "T_10": T_10.tolist(),
        **changes,
    }
    lines = ["intrinsics:"]
    for name in ("camRect0", "camRect1"):
        lines.append(f"  {name}:")
        if entries[name] is not None:
            lines.append(f"    camera_matrix: {entries[name]}")
        lines.append("    camera_model: pinhole")
    lines.append("extrinsics:")
    lines += [
        f"  {name}: {entries[name]}"
        for name in ("T_10", "R_rect0", "R_rect1")
        if entries[name] is not None
    ]
    return "\n".join(lines) + "\n"


def write_sequence(folder, frames=1, **changes):
    (folder / "calibration").mkdir(parents=True)
    (folder / "calibration/cam_to_cam.yaml").write_text(calibration(**changes))
    frames_folder = folder / "images/left/rectified"
    frames_folder.mkdir(parents=True)
    for index in range(frames):
        picture = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 40 + index, np.uint8)
        Image.fromarray(picture).save(frames_folder / f"{index:06d}.png", compress_level=1)
    return folder


@pytest.fixture
def rig(tmp_path):
    (tmp_path / "cam_to_cam.yaml").write_text(calibration())
    return read_rig(tmp_path / "cam_to_cam.yaml")


def pixels(points, camera_matrix):
    """Pinhole projection of points [n, 3] in a camera's own axes."""
    fx, fy, cx, cy = camera_matrix
    return np.stack(
        [fx * points[:, 0] / points[:, 2] + cx, fy * points[:, 1] / points[:, 2] + cy], 1
    )


def seen_by_both(depth_m):
    """A grid of points at one depth, in pixels of the rectified events and of the frame.

    Each step is a line of DSEC's description of its calibration: T_10 moves a point from camera 0
    to camera 1, R_rectX turns one from camera X to camRectX.
    """
    u, v = np.meshgrid(np.linspace(60, 580, 7), np.linspace(60, 400, 5))
    fx, fy, cx, cy = EVENT_K
    rays = np.stack([(u.ravel() - cx) / fx, (v.ravel() - cy) / fy, np.ones(u.size)], 1)
    in_rect_0 = rays * depth_m
    in_camera_0 = in_rect_0 @ R_RECT_0  # the rows are points, so this is R_rect0 transposed
    in_camera_1 = in_camera_0 @ R_10.T + OFFSET_M
    in_rect_1 = in_camera_1 @ R_RECT_1.T
    return pixels(in_rect_0, EVENT_K), pixels(in_rect_1, FRAME_K)


def with_blobs(places):
    """A black frame with a soft white blob at each place."""
    rows, columns = np.mgrid[:FRAME_HEIGHT, :FRAME_WIDTH].astype(np.float32)
    light = np.zeros((FRAME_HEIGHT, FRAME_WIDTH), np.float32)
    for x, y in places:
        part = np.s_[max(0, int(y) - 25) : int(y) + 26, max(0, int(x) - 25) : int(x) + 26]
        light[part] += np.exp(-((columns[part] - x) ** 2 + (rows[part] - y) ** 2) / (2 * 6**2))
    grey = (255 * light.clip(0, 1)).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def found_blobs(picture, near, reach=14):
    """The centre of what is bright around each place."""
    centres = []
    for x, y in near.round().astype(int):
        part = picture[y - reach : y + reach + 1, x - reach : x + reach + 1, 1].astype(float)
        rows, columns = np.mgrid[y - reach : y + reach + 1, x - reach : x + reach + 1]
        centres.append([(part * columns).sum() / part.sum(), (part * rows).sum() / part.sum()])
    return np.array(centres)


def test_distant_points_land_where_their_events_are(rig):
    event_px, frame_px = seen_by_both(1e6)
    found = found_blobs(warp(with_blobs(frame_px), rig.homography), event_px)
    assert np.abs(found - event_px).max() < 0.1


def test_the_homography_is_exact_for_points_at_infinity(rig):
    event_px, frame_px = seen_by_both(1e9)
    mapped = np.c_[event_px, np.ones(len(event_px))] @ rig.homography.T
    assert np.abs(mapped[:, :2] / mapped[:, 2:] - frame_px).max() < 1e-4


@pytest.mark.parametrize("name", ["R_rect0", "R_rect1", "T_10"])
def test_a_rotation_the_wrong_way_round_would_be_seen(tmp_path, name):
    matrix = {"R_rect0": R_RECT_0, "R_rect1": R_RECT_1, "T_10": T_10}[name].copy()
    matrix[:3, :3] = matrix[:3, :3].T
    path = tmp_path / "cam_to_cam.yaml"
    path.write_text(calibration(**{name: matrix.tolist()}))
    event_px, frame_px = seen_by_both(1e9)
    mapped = np.c_[event_px, np.ones(len(event_px))] @ read_rig(path).homography.T
    assert np.abs(mapped[:, :2] / mapped[:, 2:] - frame_px).max() > 20


@pytest.mark.parametrize("depth_m", [3, 10, 50])
def test_near_points_are_off_by_the_parallax_that_is_told(rig, depth_m):
    event_px, frame_px = seen_by_both(depth_m)
    back = np.c_[frame_px, np.ones(len(frame_px))] @ np.linalg.inv(rig.homography).T
    off = np.hypot(*(back[:, :2] / back[:, 2:] - event_px).T)
    # what moves along the view is left out of the formula: a few percent at the image's edge
    assert np.median(off) == pytest.approx(rig.parallax_px(depth_m), rel=0.15)
    assert off.max() < 1.5 * rig.parallax_px(depth_m)


def test_fine_stripes_become_grey_instead_of_a_beat(rig):
    stripes = np.zeros((FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
    stripes[:, ::2] = 255
    inner = warp(stripes, rig.homography)[100:380, 100:540].astype(float)
    assert inner.mean() == pytest.approx(127.5, abs=2)
    assert inner.std() < 20


def test_the_command_writes_each_frame_under_its_own_number(tmp_path, capsys):
    folder = write_sequence(tmp_path / "train/thun_00_a", frames=2)
    event_px, frame_px = seen_by_both(1e6)
    Image.fromarray(with_blobs(frame_px)).save(folder / "images/left/rectified/000007.png")
    assert main(["--root", str(tmp_path)]) == 0
    out = folder / "images/left/ev_inf"
    assert sorted(path.name for path in out.iterdir()) == ["000000.png", "000001.png", "000007.png"]
    with Image.open(out / "000007.png") as image:
        assert (image.size, image.mode) == ((640, 480), "RGB")
        assert np.abs(found_blobs(np.asarray(image), event_px) - event_px).max() < 0.1
    told = capsys.readouterr().out
    assert told.startswith("3 frames warped in ")
    assert "what is 10 m away lies 2.5 px from its events" in told


def test_what_is_there_is_kept_and_what_is_damaged_made_again(tmp_path, capsys):
    folder = write_sequence(tmp_path / "thun_00_a", frames=3)
    assert main(["--root", str(tmp_path)]) == 0
    out = folder / "images/left/ev_inf"
    content = (out / "000001.png").read_bytes()
    (out / "000001.png").write_bytes(content[: len(content) // 2])
    (out / "000002.png.77.part").write_bytes(b"left by a kill")
    kept = (out / "000000.png").stat().st_mtime_ns
    assert main(["--root", str(tmp_path)]) == 0
    assert (out / "000001.png").read_bytes() == content
    assert (out / "000000.png").stat().st_mtime_ns == kept
    assert "1 frames warped in" in capsys.readouterr().out.splitlines()[-1]


def test_a_kill_leaves_no_half_file_and_the_work_goes_on(tmp_path):
    folder = write_sequence(tmp_path / "thun_00_a", frames=24)
    out = folder / "images/left/ev_inf"
    command = [sys.executable, "-m", "training.warp", "--root", str(tmp_path)]
    killed = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while not (out.is_dir() and any(out.glob("*.png"))) and time.monotonic() < deadline:
        time.sleep(0.005)
    killed.kill()
    killed.wait()
    there = list(out.glob("*.png"))
    assert 0 < len(there) < 24
    for path in there:
        with Image.open(path) as image:
            image.load()
    assert main(["--root", str(tmp_path)]) == 0
    assert len(list(out.glob("*.png"))) == 24


def test_shards_together_warp_every_frame(tmp_path, capsys):
    write_sequence(tmp_path / "train/thun_00_a", frames=3)
    write_sequence(tmp_path / "test/thun_01_a", frames=2)
    for part in ("1/2", "2/2"):
        assert main(["--root", str(tmp_path), "--shard", part]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2"]
    assert len(list(tmp_path.glob("*/*/images/left/ev_inf/*.png"))) == 5


def test_only_the_sequences_asked_for_are_warped(tmp_path):
    write_sequence(tmp_path / "thun_00_a")
    write_sequence(tmp_path / "thun_01_a")
    jobs = find_jobs(tmp_path, "thun_01_a")
    assert [job.frame.parents[3].name for job in jobs] == ["thun_01_a"]
    with pytest.raises(ValueError, match=r"a sequence 'thun_01_b' here.*thun_01_a"):
        find_jobs(tmp_path, "thun_01_b")


def test_an_unreadable_frame_is_one_line_that_names_it(tmp_path, capsys):
    folder = write_sequence(tmp_path / "thun_00_a", frames=2)
    path = folder / "images/left/rectified/000001.png"
    path.write_bytes(path.read_bytes()[:300])
    assert main(["--root", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m training.warp: error: ")
    assert "000001.png: " in line
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(path)
    assert main(["--root", str(tmp_path)]) == 2
    assert "000001.png: shape 480x640, wanted 1080x1440" in capsys.readouterr().err


def test_a_root_without_frames_is_one_line(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 2
    assert "no sequence with frames in images/left/rectified here" in capsys.readouterr().err
    assert main(["--root", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camRect0": None}, "no numbers at intrinsics.camRect0.camera_matrix"),
        ({"camRect1": [1, 2, 3]}, "intrinsics.camRect1.camera_matrix is not 4 finite numbers"),
        ({"camRect1": [-1, 2, 3, 4]}, "camRect1.camera_matrix: focal lengths must be above 0"),
        ({"camRect0": [".nan", 2, 3, 4]}, "camRect0.camera_matrix is not 4 finite"),
        ({"R_rect0": None}, "no numbers at extrinsics.R_rect0"),
        ({"R_rect1": [[1, 0], [0, 1]]}, "extrinsics.R_rect1 is not 3 x 3 finite numbers"),
        ({"R_rect1": [[1, 0, 0], [0, 1]]}, "no numbers at extrinsics.R_rect1"),
        ({"R_rect0": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}, "extrinsics.R_rect0 is no rotation"),
        ({"R_rect0": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "extrinsics.R_rect0 is no rotation"),
        ({"T_10": R_10.tolist()}, "extrinsics.T_10 is not 4 x 4 finite numbers"),
        ({"T_10": "text"}, "no numbers at extrinsics.T_10"),
    ],
)
def test_a_calibration_that_lacks_something_says_what(tmp_path, changes, message):
    path = tmp_path / "cam_to_cam.yaml"
    path.write_text(calibration(**changes).replace("'.nan'", ".nan"))
    with pytest.raises(FormatError) as error:
        read_rig(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "3", "intrinsics: 3", "intrinsics: [1, 2]", "a: [1"])
def test_a_calibration_of_another_kind_is_refused(tmp_path, text):
    path = tmp_path / "cam_to_cam.yaml"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"cam_to_cam\.yaml: "):
        read_rig(path)
