"""E2Depth against outputs of its official code, for seeded weights; its normalisation and sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from baselines import flat, layout, published_layout, read_json, seeded, sparse
from dataset_files import read_npz_xz
from torch import Tensor

from dae_edge import reference
from dae_edge.nn import E2Depth, LstmStates, load_weights, seeded_tensor
from dae_edge.nn.e2depth import _margins, depth_from_log, normalize_voxels

ATOL = 1e-6  # ten times the float32 noise of the official code


@pytest.fixture(scope="module")
def model() -> E2Depth:
    return seeded(E2Depth())


@pytest.fixture(scope="module")
def arrays(golden: Path) -> dict[str, np.ndarray]:
    return read_npz_xz(golden / "e2depth.npz.xz")


@pytest.fixture(scope="module")
def sequence(
    model: E2Depth, arrays: dict[str, np.ndarray]
) -> tuple[list[Tensor], LstmStates | None]:
    """Log depths of three windows, and the last state."""
    state, depths = None, []
    for window in range(3):
        voxels = torch.from_numpy(arrays[f"voxel{window}"])[None]
        log_depth, state = model.log_depth(voxels, state)
        depths.append(log_depth[0])
    return depths, state


def test_log_depth_matches(
    sequence: tuple[list[Tensor], LstmStates], arrays: dict[str, np.ndarray]
) -> None:
    first, second, _ = sequence[0]
    np.testing.assert_allclose(first.numpy(), arrays["pred0"], rtol=0, atol=ATOL)
    np.testing.assert_allclose(second[::2, ::2].numpy(), arrays["pred1_sub2"], rtol=0, atol=ATOL)


def test_state_after_three_windows_matches(
    sequence: tuple[list[Tensor], LstmStates], golden: Path
) -> None:
    wanted = read_json(golden / "e2depth_meta.json")
    for level, pair in enumerate(sequence[1]):
        for part, tensor in zip(("hidden", "cell"), pair, strict=True):
            theirs = wanted[f"state{level}"][part]
            assert list(tensor.shape) == theirs["shape"]
            values = tensor.double().flatten()
            assert values.mean().item() == pytest.approx(theirs["mean"], abs=1e-7)
            assert values.std(correction=0).item() == pytest.approx(theirs["std"], abs=1e-6)
            np.testing.assert_allclose(values[:4], theirs["first4"], rtol=0, atol=2e-6)
            np.testing.assert_allclose(values[-4:], theirs["last4"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("window", range(3))
def test_normalised_voxels_match(window: int, arrays: dict[str, np.ndarray]) -> None:
    normalised = normalize_voxels(torch.from_numpy(arrays[f"voxel{window}"])[None])
    wanted = arrays[f"normalized{window}_sub4"]
    np.testing.assert_allclose(normalised[0, :, ::4, ::4].numpy(), wanted, rtol=0, atol=1e-6)


def test_voxel_grids_match(arrays: dict[str, np.ndarray]) -> None:
    cases = {"events0": "voxel0", "edge_same_time_events": "edge_same_time_voxel"}
    for events, voxels in cases.items():
        t, x, y, p = arrays[events].T
        bins, height, width = arrays[voxels].shape
        grid = reference.voxel_grid(t, x, y, p > 0, bins=bins, height=height, width=width)
        np.testing.assert_allclose(grid, arrays[voxels], rtol=0, atol=1e-6)


def test_keys_shapes_and_order_are_those_of_the_public_checkpoint(
    model: E2Depth, golden: Path
) -> None:
    assert layout(model) == published_layout(golden, "e2depth")
    assert sum(value.numel() for value in model.parameters()) == 10_710_401


def test_seeded_weights_follow_the_published_rule(golden: Path) -> None:
    checks = read_json(golden / "weights_check.json")
    ours = {key: check for key, check in checks.items() if key.startswith("unetrecurrent")}
    assert len(ours) == 2
    for key, check in ours.items():
        tensor = seeded_tensor(key, tuple(check["shape"])).flatten().double()
        assert tensor[:4].tolist() == check["tensor_first4"], key
        assert tensor.sum().item() == pytest.approx(check["tensor_sum64"], abs=1e-6), key


def test_the_public_checkpoint_file_loads(tmp_path: Path, model: E2Depth) -> None:
    path = tmp_path / "E2DEPTH.pth.tar"
    content = {"arch": "E2VIDRecurrent", "model": {"num_bins": 5}, "state_dict": model.state_dict()}
    torch.save(content, path)
    fresh = E2Depth()
    load_weights(path, fresh)
    assert all(
        torch.equal(a, b) for a, b in zip(fresh.parameters(), model.parameters(), strict=True)
    )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), fraction=st.floats(0, 1), scale=st.floats(0.01, 100))
def test_normalisation_is_that_of_the_reference(seed: int, fraction: float, scale: float) -> None:
    values = sparse(3, 5, 9, 7, seed=seed, fraction=fraction)
    grids = torch.where(values == 0, values, (values - 0.3) * scale)
    wanted = [reference.normalize_voxel_grid(grid.numpy()) for grid in grids]
    np.testing.assert_allclose(normalize_voxels(grids).numpy(), wanted, rtol=1e-3, atol=1e-4)


def test_a_grid_without_events_stays_zero_and_equal_voxels_become_zero() -> None:
    grids = torch.zeros(4, 5, 40, 40)
    grids[1, 2, 3, 4] = 0.7
    grids[2, :, 1] = -1.0
    grids[3] = -1.6125  # the mean of these is not quite the same number
    normalised = normalize_voxels(grids)
    assert normalised[:3].eq(0).all()
    assert normalised[3].abs().max() < 1e-5


def test_normalisation_does_not_overflow_in_half_precision() -> None:
    grid = 300 * sparse(1, 5, 60, 80, seed=1)
    exact = normalize_voxels(grid.half().float())
    assert normalize_voxels(grid.half()).dtype == torch.float32
    torch.testing.assert_close(normalize_voxels(grid.half()), exact)


def test_log_depth_ranges_from_two_to_eighty_metres() -> None:
    metres = depth_from_log(torch.tensor([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(metres, [1.970, 12.555, 80.0], atol=1e-3)


def test_depth_is_log_depth_in_metres(model: E2Depth) -> None:
    voxels = sparse(2, 5, 20, 24, seed=2)
    assert torch.equal(model(voxels)[0], depth_from_log(model.log_depth(voxels)[0]))


@pytest.mark.parametrize("size", range(5, 41))
def test_margins_reach_a_multiple_of_eight_and_the_odd_pixel_goes_first(size: int) -> None:
    before, after = _margins(size)
    assert (size + before + after) % 8 == 0
    assert 0 <= before - after <= 1
    assert before + after < 8


def test_margins_at_davis_size_are_those_of_the_official_code(golden: Path) -> None:
    wanted = read_json(golden / "e2depth_meta.json")
    assert [*_margins(346), *_margins(260)] == wanted["pad"]
    shapes = E2Depth().state_shapes(260, 346)
    assert [2 * side for side in shapes[0][2:]] == wanted["padded"]


@pytest.mark.parametrize("size", [(16, 24), (17, 23), (5, 9), (31, 40)])
def test_depth_has_the_size_of_the_grid(model: E2Depth, size: tuple[int, int]) -> None:
    voxels = sparse(1, 5, *size, seed=3)
    depth, state = model(voxels)
    assert depth.shape == (1, *size)
    shapes = tuple(tuple(tensor.shape) for tensor in flat(state))
    assert shapes == model.state_shapes(*size)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 16, 16), r"voxels must be \[B, 5, H, W\], got \[1, 3, 16, 16\]"),
        ((5, 16, 16), r"voxels must be \[B, 5, H, W\], got \[5, 16, 16\]"),
        ((1, 5, 4, 16), "height and width must be at least 5, got 4"),
    ],
)
def test_a_grid_of_another_shape_is_refused(model: E2Depth, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(shape))
