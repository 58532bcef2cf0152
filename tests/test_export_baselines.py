"""The baselines through the same export and runtime: voxel grids, other states, frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import dae_edge as dae
from dae_edge.export import export_bundle
from dae_edge.recipes import Recipe, Sensor, load_recipe, load_target

SENSOR = Sensor("64x48", 64, 48, (0, 0, 64, 48))


def make_events(n: int = 12_000, microseconds: int = 310_000) -> np.ndarray:
    rng = np.random.default_rng(3)
    t = np.sort(rng.integers(0, microseconds, n))
    return dae.events_from(t, rng.integers(0, 64, n), rng.integers(0, 48, n), rng.integers(0, 2, n))


@pytest.fixture(scope="module")
def e2depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("e2depth") / "e2depth.dae"
    return export_bundle(load_recipe("e2depth"), load_target("ov-fp16"), SENSOR, out).path


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "openvino-stateful"])
def test_e2depth_runs_on_voxel_grids_with_its_state_and_goes_back_to_snapshots(
    e2depth: Path, backend: str
) -> None:
    model = dae.load(e2depth, backend=backend)
    assert model.contract.encoding == "voxel_grid"
    assert [state.name for state in model.contract.states][:2] == [
        "encoder0.hidden",
        "encoder0.cell",
    ]
    stream = model.stream()
    events = make_events()
    first = stream.push(events[:5_000])
    snapshot = stream.state()
    then = stream.push(events[5_000:]) + stream.flush()
    assert len(first) + len(then) == 7
    stream.restore(snapshot)
    again = stream.push(events[5_000:]) + stream.flush()
    for a, b in zip(then, again, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
    window = events[events["t"] < events["t"][0] + 50_000]
    with pytest.raises(ValueError, match="read-only"):
        stream.image[...] = 0
    fresh = model.stream()
    fresh.push(events[: len(window) + 1])
    np.testing.assert_array_equal(fresh.image, dae.voxel_grid(window, 48, 64, bins=5))


@pytest.mark.slow
def test_ereformer_is_proven_step_by_step_and_runs(tmp_path: Path) -> None:
    out = tmp_path / "ereformer.dae"
    result = export_bundle(load_recipe("ereformer"), load_target("onnx-fp32"), SENSOR, out)
    assert all(parity["stepwise"] for parity in result.report["parity"])
    assert "each" in (out / "report.md").read_text()
    model = dae.load(out)
    assert [state.name for state in model.contract.states] == [f"unit{i}" for i in range(4)]
    depths = model.stream().push(make_events())
    assert len(depths) == 6
    assert all(np.isfinite(depth.values).all() for depth in depths)


def test_the_image_teacher_takes_frames_and_refuses_events(tmp_path: Path) -> None:
    settings = {"architecture": "dav2", "encoder": "tiny", "input_size": 98}
    recipe = Recipe("teacher", "", settings, 50_000, "black", "relative inverse depth", frames=True)
    out = tmp_path / "teacher.dae"
    export_bundle(recipe, load_target("onnx-fp32"), SENSOR, out)
    model = dae.load(out)
    assert model.contract.encoding == "frame"
    with pytest.raises(dae.ContractError, match="takes RGB frames, not events"):
        model.stream()
    session = model.engine.session()
    session.image[...] = np.random.default_rng(0).integers(0, 256, session.image.shape)
    assert np.isfinite(session.run()).all()


def test_weights_of_a_baseline_are_taken_with_what_is_known_of_them(tmp_path: Path) -> None:
    import torch

    from dae_edge.export.model import prepare
    from dae_edge.nn import DepthAnythingV2, seeded_state_dict

    settings = {"architecture": "dav2", "encoder": "tiny", "input_size": 98}
    recipe = Recipe("teacher", "", settings, 50_000, "black", "relative inverse depth", frames=True)
    weights = tmp_path / "depth_anything_v2_vits.pth"
    torch.save(seeded_state_dict(DepthAnythingV2("tiny", input_size=98)), weights)
    prepared = prepare(recipe, weights)
    assert prepared.weights["trained"]
    assert prepared.unit == "relative inverse depth"
    assert "not the published file" in prepared.weights["licence"]
    torch.save({"a": torch.zeros(1)}, weights)
    with pytest.raises(dae.ContractError, match="missing"):
        prepare(recipe, weights)


def test_an_unknown_architecture_gets_the_closest_name(tmp_path: Path) -> None:
    recipe = Recipe("new", "", {"architecture": "e2dept"}, 50_000, "black", "m")
    with pytest.raises(ValueError, match="did you mean 'e2depth'"):
        export_bundle(recipe, load_target("onnx-fp32"), SENSOR, tmp_path / "new.dae")
