"""From a folder in a dataset's layout to weights: true depth, a teacher's labels, and both."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("tqdm", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)
pytest.importorskip("hdf5plugin", exc_type=ImportError)

import numpy as np
from proxy_files import DSEC, MVSEC, write_small_dsec, write_small_mvsec
from small_training import rows

from dae_edge.nn.weights import read_weights
from training.__main__ import main

RECIPE = """
name = "small"
model = "depthanyevent-r-tiny"
model_settings = {{ features = 8, out_channels = [8, 8, 8, 8] }}
[[stage]]
name = "only"
data = "{data}"
labels = "{labels}"
input = {size}
steps = 2
batch = 2
clip = 2
loss = {loss}
lr = 1e-3
validate_every = 0
[stage.augment]
mirror = 0.5
[stage.options]
validate_split = "train"
validate_windows = 2
{proxies}
"""

SIZES = {"mvsec": "[98, 70]", "dsec": "[140, 70]"}
TRUTH = '[{ name = "silog", space = "log" }, { name = "ssi", space = "inverse" }]'
RELATIVE = '[{ name = "ssi", space = "inverse" }]'


def write_ramps(frames: Path, name: str, size: tuple[int, int]) -> None:
    """Labels as a teacher leaves them: 1 is the nearest, 100 infinitely far."""
    folder = frames.with_name(f"{frames.name}_{name}")
    folder.mkdir()
    for frame in frames.glob("*.png"):
        inverse = np.linspace(1, 0.01, size[1] * size[0], dtype=np.float32)
        np.savez_compressed(folder / f"{frame.stem}.npz", depth=1 / inverse.reshape(size[::-1]))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sequence of MVSEC and one of DSEC, with labels."""
    folder = tmp_path_factory.mktemp("datasets")
    write_ramps(write_small_mvsec(folder / "mvsec") / "rgb/davis", "vitl", (346, 260))
    write_ramps(write_small_dsec(folder / "dsec") / "images/left/ev_inf", "vitl", (640, 480))
    return folder


def write_recipe(folder: Path, data: str, labels: str) -> str:
    path = folder / "small.toml"
    path.write_text(
        RECIPE.format(
            data=data,
            labels=labels,
            size=SIZES[data],
            loss=TRUTH if labels == "truth" else RELATIVE,
            proxies="" if labels == "truth" else 'proxies = "vitl"',
        )
    )
    return str(path)


def pools(cache: Path, data: str) -> list[list[int]]:
    """Lengths of the sequences that were kept to train on."""
    found = []
    for about in cache.rglob(f"pools/{data}-*/pool.json"):
        content = json.loads(about.read_text())
        if "shortest" in content["about"]:
            found.append(content["lengths"])
    return found


# MVSEC: 6 grids, 6 labels. DSEC: 3 disparities, of which the first is not used, and 5 labels.
@pytest.mark.parametrize(
    ("data", "labels", "lengths"),
    [
        ("mvsec", "truth", [6]), ("mvsec", "proxy", [6]), ("mvsec", "hybrid", [6, 6]),
        ("dsec", "truth", [2]), ("dsec", "proxy", [5]), ("dsec", "hybrid", [2, 5]),
    ],
)  # fmt: skip
def test_a_stage_learns_from_true_depth_from_labels_and_from_both(
    data: str,
    labels: str,
    lengths: list[int],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))
    recipe, out = write_recipe(tmp_path, data, labels), tmp_path / "run"
    words = ["--recipe", recipe, "--root", str(root / data), "--out", str(out), "--device", "cpu"]
    assert main(words) == 0
    assert pools(tmp_path / "cache", data) == [lengths]
    steps = rows(out / "log.csv")
    assert [row["skipped"] for row in steps] == ["0", "0"]
    assert all(float(row["loss"]) > 0 and float(row["grad_norm"]) > 0 for row in steps)
    (judged,) = rows(out / "validation.csv")  # always by true depth
    assert judged["sequence"] == {"mvsec": MVSEC, "dsec": DSEC}[data]
    assert math.isfinite(float(judged["strict_abs_rel"]))
    weights = read_weights(out / "only.safetensors").tensors
    assert all(value.isfinite().all() for value in weights.values())


def test_a_voxel_network_learns_from_a_teacher_too(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))
    content = Path(write_recipe(tmp_path, "mvsec", "hybrid")).read_text()
    lines = [line for line in content.splitlines() if not line.startswith(("model", "input"))]
    recipe = tmp_path / "e2depth.toml"
    recipe.write_text('model = "e2depth"\nmetric = true\n' + "\n".join(lines))
    words = ["--recipe", str(recipe), "--root", str(root / "mvsec"), "--out", str(tmp_path / "run")]
    smaller = ["--set", "only.batch=1", "--set", "only.clip=1", "--set", "only.steps=1"]
    assert main([*words, *smaller, "--device", "cpu"]) == 0
    assert pools(tmp_path / "cache", "mvsec") == [[6, 6]]
    (judged,) = rows(tmp_path / "run" / "validation.csv")
    assert float(judged["strict_abs_rel"]) < 1  # aligned: labels teach no metres


def test_labels_that_are_not_there_are_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))
    recipe = write_recipe(tmp_path, "mvsec", "proxy")
    words = ["--recipe", recipe, "--root", str(root / "mvsec"), "--out", str(tmp_path / "run")]
    assert main([*words, "--set", "only.options.proxies=vits"]) == 2
    assert "with proxy labels 'vits'" in capsys.readouterr().err
