"""A teacher labels the frames of a dataset: what it writes, and how it stops and goes on."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image
from proxy_files import (
    DSEC,
    FRAMES,
    write_small_dsec,
    write_small_mvsec,
)

from dae_edge.datasets import open_dataset
from dae_edge.nn import DepthAnythingV2, seeded_state_dict
from training.proxies import find_jobs, main
from training.proxy_sheet import aligned, write_proxy_sheet
from training.teacher import Teacher, depth_from_inverse

SIZE = 70


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "teacher.pth"
    torch.save(seeded_state_dict(DepthAnythingV2("tiny", input_size=SIZE)), path)
    return path


@pytest.fixture
def run(weights, tmp_path):
    def run(dataset="dsec", *more):
        return main(
            [
                *("--dataset", dataset, "--root", str(tmp_path), "--weights", str(weights)),
                *("--input-size", str(SIZE), "--device", "cpu", "--batch", "4", *more),
            ]
        )

    return run


def labels_of(folder, dataset="dsec", name="dav2-tiny"):
    frames = "images/left/ev_inf" if dataset == "dsec" else "rgb/davis"
    return sorted((folder / f"{frames}_{name}").glob("*.npz"))


def test_each_frame_gets_the_depth_that_infer_gives(run, weights, tmp_path):
    folder = write_small_dsec(tmp_path)
    assert run() == 0
    paths = labels_of(folder)
    assert [path.name for path in paths] == [f"{n:06d}.npz" for n in range(FRAMES)]
    network = DepthAnythingV2("tiny", input_size=SIZE).eval()
    network.load_state_dict(torch.load(weights))
    for path in paths[:2]:
        with np.load(path) as arrays:
            assert list(arrays) == ["depth"]
            depth = arrays["depth"]
        assert (depth.dtype, depth.shape) == (np.float32, (480, 640))
        with Image.open(folder / f"images/left/ev_inf/{path.stem}.png") as image:
            inverse = network.infer(np.asarray(image)[:, :, ::-1])
        wanted = depth_from_inverse(torch.from_numpy(inverse)[None])[0].numpy()
        np.testing.assert_allclose(depth, wanted, rtol=1e-4)


@pytest.mark.parametrize("dataset", ["dsec", "mvsec"])
def test_the_dataset_reads_what_was_written(run, tmp_path, dataset):
    folder = (write_small_dsec if dataset == "dsec" else write_small_mvsec)(tmp_path)
    assert run(dataset, "--name", "t1") == 0
    (sequence,) = open_dataset(dataset, tmp_path, split="train", labels="proxy:t1").sequences()
    samples = list(sequence)
    assert len(samples) == FRAMES - (dataset == "dsec")
    for sample, path in zip(
        samples, labels_of(folder, dataset, "t1")[-len(samples) :], strict=True
    ):
        x, y, width, height = sample.crop
        with np.load(path) as arrays:
            assert np.array_equal(sample.depth, arrays["depth"][y : y + height, x : x + width])
        assert sample.image.stem == path.stem
        assert sample.depth.min() >= 1


def test_a_sheet_and_one_line_say_how_it_went(run, tmp_path, capsys):
    write_small_dsec(tmp_path)
    assert run() == 0
    sheet = tmp_path / "proxies_dav2-tiny.png"
    with Image.open(sheet) as image:
        assert image.width > 3 * 640
        assert image.height > 3 * 320
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"dsec train, proxy:dav2-tiny: {FRAMES} frames labelled in ")
    assert f"0 were there; {sheet}, AbsRel 0." in line


def test_a_sheet_can_do_without_true_depth(run, tmp_path, capsys):
    folder = write_small_dsec(tmp_path)
    (folder / "disparity/timestamps.txt").unlink()
    assert run("dsec", "--sheet", str(tmp_path / "s.png")) == 0
    assert (tmp_path / "s.png").is_file()
    assert "AbsRel" not in capsys.readouterr().out


def test_what_is_there_is_kept_and_what_is_damaged_made_again(run, tmp_path, capsys):
    folder = write_small_dsec(tmp_path)
    assert run() == 0
    paths = labels_of(folder)
    content = paths[2].read_bytes()
    paths[2].write_bytes(content[:-40])
    paths[4].unlink()
    (paths[0].parent / "000000.npz.7.part").write_bytes(b"left by a kill")
    kept = {path: path.stat().st_mtime_ns for path in (paths[0], paths[5])}
    assert run() == 0
    with np.load(paths[2]) as arrays:
        assert arrays["depth"].shape == (480, 640)
    assert paths[4].is_file()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "2 frames labelled in" in capsys.readouterr().out.splitlines()[-1]


def test_ctrl_c_ends_it_after_a_batch_and_the_same_command_goes_on(
    run, tmp_path, monkeypatch, capsys
):
    folder = write_small_dsec(tmp_path)
    depth = Teacher.depth

    def interrupted(self, rgb):
        signal.raise_signal(signal.SIGINT)
        return depth(self, rgb)

    with monkeypatch.context() as patch:
        patch.setattr(Teacher, "depth", interrupted)
        assert run() == 130
    assert len(labels_of(folder)) == 4
    told = capsys.readouterr().out
    assert "4 frames labelled" in told
    assert "2 left: the same command goes on" in told
    assert run() == 0
    assert len(labels_of(folder)) == FRAMES


def test_shards_together_label_every_frame_once(run, tmp_path, capsys):
    write_small_dsec(tmp_path)
    folder = write_small_dsec(tmp_path, name="zurich_city_00_b", frames=3)
    for part in ("1/2", "2/2"):
        assert run("dsec", "--shard", part) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["5 frames labelled" in lines[0], "4 frames labelled" in lines[1]] == [True, True]
    assert ".png" in lines[0]  # one sheet is enough
    assert ".png" not in lines[1]
    assert len(list(tmp_path.glob("train/*/images/left/ev_inf_dav2-tiny/*.npz"))) == FRAMES + 3
    assert len(labels_of(folder)) == 3


def test_torchrun_shares_out_the_frames(run, tmp_path, monkeypatch):
    folder = write_small_dsec(tmp_path)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert run() == 0
    assert [path.stem for path in labels_of(folder)] == ["000001", "000004"]


def test_only_the_sequences_asked_for_are_labelled(run, tmp_path, capsys):
    write_small_dsec(tmp_path)
    folder = write_small_dsec(tmp_path, name="zurich_city_00_b", frames=3)
    assert run("dsec", "--sequences", "zurich_city_00_b") == 0
    assert len(list(tmp_path.glob("train/*/images/left/ev_inf_*"))) == 1
    assert len(labels_of(folder)) == 3
    assert run("dsec", "--sequences", "zurich_city_00_c") == 2
    assert "dsec train has no sequence 'zurich_city_00_c' here" in capsys.readouterr().err


def test_labels_say_what_made_them_and_two_teachers_do_not_mix(run, tmp_path, capsys):
    folder = write_small_dsec(tmp_path)
    assert run() == 0
    about = json.loads((folder / "images/left/ev_inf_dav2-tiny/teacher.json").read_text())
    assert (about["model"], about["input_size"], about["far"]) == ("dav2-tiny", SIZE, 100)
    assert run("dsec", "--input-size", "84") == 2
    assert "labels of another teacher: give yours another --name" in capsys.readouterr().err
    assert run("dsec", "--input-size", "84", "--name", "finer") == 0


def test_labels_of_unknown_origin_are_left_alone(run, tmp_path, capsys):
    folder = write_small_dsec(tmp_path)
    theirs = folder / "images/left/ev_inf_theirs"
    theirs.mkdir()
    np.savez(theirs / "000000.npz", depth=np.ones((480, 640), np.float32))
    assert run("dsec", "--name", "theirs") == 2
    assert "labels of unknown origin" in capsys.readouterr().err
    assert len(list(theirs.iterdir())) == 1


def test_an_unreadable_frame_is_one_line_that_names_it(run, tmp_path, capsys):
    folder = write_small_dsec(tmp_path)
    path = folder / "images/left/ev_inf/000005.png"
    path.write_bytes(path.read_bytes()[:200])
    assert run() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m training.proxies: error: ")
    assert "000005.png: " in line
    assert len(labels_of(folder)) == 4  # the batch before is not lost
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
    assert run() == 2
    assert "000005.png: shape 48x64, wanted 480x640" in capsys.readouterr().err


def test_frames_that_are_not_warped_yet_are_asked_for(run, tmp_path, capsys):
    folder = write_small_dsec(tmp_path)
    (folder / "images/left/ev_inf").rename(folder / "images/left/other")
    assert run() == 2
    assert "no frames warped to the event camera: see training.warp" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model", "dav2-large"], "weights of dav2-tiny, not of dav2-large"),
        (["--batch", "0"], "--batch must be at least 1, got 0"),
        (["--shard", "3/2"], "wanted K/N"),
        (["--name", "a/b"], "cannot be named 'a/b'"),
        (["--sheet", "a.jpg"], "the sheet is a .png"),
        (["--split", "test"], "dsec has no split 'test'"),
        (["--weights", "nowhere.pth"], "nowhere.pth"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(run, tmp_path, capsys, more, message):
    write_small_dsec(tmp_path, frames=2)
    assert run("dsec", *more) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_root_without_the_dataset_is_one_line(run, capsys):
    assert run() == 2
    assert "no sequence of dsec 'train' here" in capsys.readouterr().err


def test_a_label_is_fitted_to_the_truth_in_inverse_depth():
    truth = np.linspace(2, 60, 200, dtype=np.float32).reshape(10, 20)
    proxy = (1 / (3 / truth + 0.2)).astype(np.float32)
    truth[0, :3], proxy[1, :3] = 0, 0
    metres, error = aligned(proxy, truth)
    assert error < 1e-4
    known = (truth > 0) & (proxy > 0)
    np.testing.assert_allclose(metres[known], truth[known], rtol=1e-3)
    assert (metres[1, :3] == 0).all()
    same, error = aligned(proxy, np.zeros_like(truth))
    assert same is proxy
    assert np.isnan(error)


def test_the_sheet_prefers_frames_with_true_depth(tmp_path):
    folder = write_small_dsec(tmp_path, frames=9)
    dataset = open_dataset("dsec", tmp_path, split="train")
    jobs = find_jobs(dataset, dataset.folders(), "mine")
    jobs[0].proxy.parent.mkdir()
    for job in jobs:
        np.savez(job.proxy, depth=np.ones((480, 640), np.float32))
    assert not np.isnan(write_proxy_sheet(tmp_path / "a.png", "title", jobs[1:2] + jobs[2:4]))
    assert np.isnan(write_proxy_sheet(tmp_path / "b.png", "title", jobs[1:2]))
    assert np.isnan(write_proxy_sheet(tmp_path / "c.png", "nothing", []))
    assert folder.name == DSEC
