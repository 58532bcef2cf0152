"""Tencode and voxel grid: reference against official code, C core against reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dae_edge as dae
from dae_edge import reference

BACKGROUNDS = [False, True]


def tencode_case(golden: Path, case: str) -> dict[str, Any]:
    with np.load(golden / "tencode.npz") as file:
        return {key.split("/")[1]: file[key] for key in file.files if key.startswith(f"{case}/")}


def random_events(n: int, seed: int, *, width: int = 50, height: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 50_000, n))
    return dae.events_from(
        t, rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
    )


@pytest.mark.parametrize("white", BACKGROUNDS)
@pytest.mark.parametrize(
    "case", ["davis_basic", "davis_oob_float", "vga_basic", "vga_unsorted_time"]
)
def test_the_reference_equals_the_official_tencode(golden: Path, case: str, white: bool) -> None:
    data = tencode_case(golden, case)
    height, width = data["HW"]
    image = reference.tencode_float(
        data["t"], data["x"], data["y"], data["p"], height=height, width=width, white=white
    )
    np.testing.assert_array_equal(image, data[f"out_white{int(white)}"])


@pytest.mark.parametrize("case", ["davis_same_time", "davis_single"])
def test_a_zero_interval_is_green_1_where_the_official_code_gives_nan(
    golden: Path, case: str
) -> None:
    data = tencode_case(golden, case)
    height, width = data["HW"]
    image = reference.tencode_float(
        data["t"], data["x"], data["y"], data["p"], height=height, width=width
    )
    official = data["out_white0"]
    touched = np.isnan(official[1])
    assert touched.any()
    assert (image[1][touched] == 1).all()
    np.testing.assert_array_equal(image[:, ~touched], official[:, ~touched])


def test_polarity_minus_one_is_darker(golden: Path) -> None:
    data = tencode_case(golden, "davis_polarity_pm1")
    height, width = data["HW"]
    events = dae.events_from(data["t"], data["x"], data["y"], data["p"])
    image = dae.tencode(events, height, width, dtype=np.float32)
    official = data["out_white0"]  # there -1 gives red -1 and blue 2
    np.testing.assert_array_equal(image[0], official[0].clip(0))
    np.testing.assert_array_equal(image[1], official[1])
    np.testing.assert_array_equal(image[2], official[2].clip(None, 1))


@pytest.mark.parametrize("white", BACKGROUNDS)
def test_an_empty_window_is_all_background(white: bool) -> None:
    none = np.empty(0, dae.EVENT)
    assert (dae.tencode(none, 4, 5, white=white) == 255 * white).all()
    assert (dae.tencode(none, 4, 5, white=white, dtype=np.float32) == white).all()
    empty: list[int] = []
    image = reference.tencode_float(empty, empty, empty, empty, height=4, width=5, white=white)
    assert (image == white).all()


@pytest.mark.parametrize("white", BACKGROUNDS)
@pytest.mark.parametrize("case", ["davis_basic", "vga_basic"])
def test_c_equals_the_official_tencode_bit_for_bit(golden: Path, case: str, white: bool) -> None:
    data = tencode_case(golden, case)
    height, width = (int(size) for size in data["HW"])
    events = dae.events_from(data["t"], data["x"], data["y"], data["p"])
    image = dae.tencode(events, height, width, white=white, dtype=np.float32)
    np.testing.assert_array_equal(image, data[f"out_white{int(white)}"])


@settings(deadline=None)
@given(
    t=hnp.arrays(np.int64, st.integers(0, 200), elements=st.integers(-(2**61), 2**61)),
    seed=st.integers(0, 2**32),
    white=st.booleans(),
)
def test_c_equals_the_reference_bit_for_bit_for_any_times(
    t: np.ndarray, seed: int, white: bool
) -> None:
    rng = np.random.default_rng(seed)
    x, y, on = (rng.integers(0, high, len(t)) for high in (40, 30, 2))  # some outside 33 x 27
    events = dae.events_from(t, x, y, on)
    size: dict[str, Any] = {"height": 27, "width": 33, "white": white}
    floats = dae.tencode(events, 27, 33, white=white, dtype=np.float32)
    np.testing.assert_array_equal(floats, reference.tencode_float(t, x, y, on, **size))
    levels = dae.tencode(events, 27, 33, white=white)
    np.testing.assert_array_equal(levels, reference.tencode_uint8(t, x, y, on, **size))


def test_the_last_event_in_array_order_wins_even_with_the_same_time() -> None:
    events = dae.events_from([0, 5, 5, 10], [1, 2, 2, 3], [0, 0, 0, 0], [1, 1, 0, 1])
    assert dae.tencode(events, 1, 4)[0, 2].tolist() == [0, 128, 255]


def test_rounding_moves_green_by_at_most_half_a_level() -> None:
    events = random_events(2000, 1)
    floats = dae.tencode(events, 40, 50, dtype=np.float32).transpose(1, 2, 0)
    levels = dae.tencode(events, 40, 50) / np.float32(255)
    assert np.abs(floats - levels).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("key", "grid_key", "white"),
    [
        ("tencode_from_voxel_white0", "voxel", False),
        ("tencode_from_voxel_white1", "voxel", True),
        ("tencode_from_voxel_bins3", "voxel_bins3", False),
    ],
)
def test_tencode_of_a_voxel_grid_equals_the_official_one(
    golden: Path, key: str, grid_key: str, white: bool
) -> None:
    with np.load(golden / "voxels.npz") as file:
        image = reference.tencode_from_voxel_grid(file[grid_key], white=white)
        np.testing.assert_allclose(image, file[key], atol=1e-7)


def test_tencode_of_a_voxel_grid_with_one_bin_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two bins, got 1"):
        reference.tencode_from_voxel_grid(np.zeros((1, 2, 2)))


@pytest.mark.parametrize(
    ("x", "y", "out", "atol"),
    [("vg_x", "vg_y", "vg5_norm0", 1e-5), ("vgi_x", "vgi_y", "vgi5_norm0", 1e-6)],
)
def test_the_voxel_grid_equals_the_official_one(
    golden: Path, x: str, y: str, out: str, atol: float
) -> None:
    with np.load(golden / "voxels.npz") as file:
        grid = reference.voxel_grid(
            file["vg_t"], file[x], file[y], file["vg_p"], bins=5, height=96, width=128
        )
        np.testing.assert_allclose(grid, file[out], atol=atol)


def test_normalisation_equals_the_official_one(golden: Path) -> None:
    with np.load(golden / "voxels.npz") as file:
        normalized = reference.normalize_voxel_grid(file["vg5_norm0"])
        np.testing.assert_allclose(normalized, file["vg5_norm1"], atol=1e-6)


def test_normalisation_of_nothing_and_of_one_value_is_finite() -> None:
    assert not reference.normalize_voxel_grid(np.zeros((2, 2, 2), np.float32)).any()
    assert not reference.normalize_voxel_grid(np.eye(2, dtype=np.float32)[None]).any()


@settings(deadline=None)
@given(
    n=st.integers(0, 300),
    bins=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    span=st.sampled_from([0, 1, 7, 50_000, 2**40]),
)
def test_c_equals_the_reference_voxel_grid_bit_for_bit(
    n: int, bins: int, seed: int, span: int
) -> None:
    rng = np.random.default_rng(seed)
    t = rng.integers(0, span + 1, n)  # not sorted: some events fall outside the bins
    x, y, on = (rng.integers(0, high, n) for high in (20, 15, 2))
    grid = dae.voxel_grid(dae.events_from(t, x, y, on), 12, 17, bins=bins)
    wanted = reference.voxel_grid(t, x, y, on, bins=bins, height=12, width=17)
    np.testing.assert_array_equal(grid, wanted)


def test_metavision_and_unsigned_layouts_are_understood() -> None:
    cd = np.dtype(
        {
            "names": ["x", "y", "p", "t"],
            "formats": ["<u2", "<u2", "<i2", "<i8"],
            "offsets": [0, 2, 4, 8],
            "itemsize": 16,
        }
    )
    metavision = np.array([(1, 2, 1, 30), (3, 4, 0, 40)], cd)
    unsigned = np.array(
        [(30, 1, 2, True), (40, 3, 4, False)],
        [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")],
    )
    wanted = dae.events_from([30, 40], [1, 3], [2, 4], [1, 0])
    np.testing.assert_array_equal(dae.as_events(metavision), wanted)
    view = dae.as_events(unsigned)
    np.testing.assert_array_equal(view, wanted)
    assert np.shares_memory(view, unsigned)


def test_coordinates_that_do_not_fit_are_outside_and_do_not_wrap() -> None:
    events = dae.events_from([0, 1, 2], [-1, 65536, 3], [0, 0, 0], [1, 1, 1])
    assert events["x"].tolist() == [65535, 65535, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dae.tencode(np.zeros(3), 4, 4), "fields t, x, y and on"),
        (lambda: dae.tencode(np.empty(0, dae.EVENT), 4, 4, dtype=np.float64), "got float64"),
        (lambda: dae.tencode(np.empty(0, dae.EVENT), 0, 4), "got 4x0"),
        (lambda: dae.voxel_grid(np.empty(0, dae.EVENT), 4, 4, bins=0), "bins must be"),
        (lambda: dae.events_from([1], [1, 2], [1], [1]), "equally long"),
        (lambda: dae.events_from([np.nan], [1], [1], [1]), "t must be finite"),
    ],
)
def test_wrong_input_is_named(call: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()
