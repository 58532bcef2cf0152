"""Packed weights: what rounding costs at most, what it keeps, and what is refused as packed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from dae_edge.packed import ALIGNMENT, flat, pack, read_packed, write_flat, write_packed


def round_trip(weights: dict[str, NDArray[np.float32]], folder: Path) -> dict[str, Any]:
    write_packed(folder / "weights.npz", weights)
    return read_packed(folder / "weights.npz")


def random(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def slices(array: NDArray[Any]) -> NDArray[Any]:
    """[n, m]: a row for each slice that has a scale."""
    axis = next(index for index, size in enumerate(array.shape) if size > 1)
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


@given(
    values=arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=4, min_side=2, max_side=6),
        elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False),
    )
)
def test_no_weight_moves_by_more_than_half_a_step_of_its_channel(
    values: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("packed")
    back = round_trip({"w": values}, folder)["w"]
    assert back.dtype == np.float32
    exact = slices(values.astype(np.float64))
    step = np.abs(exact).max(axis=1, keepdims=True) / 127
    # scale and product are rounded to float32 once each
    room = 0.5 * step * (1 + 1e-6) + 127 * step * 2**-22 + 1e-38
    assert (np.abs(slices(back) - exact) <= room).all()


def test_vectors_and_single_numbers_come_back_exactly(tmp_path: Path) -> None:
    weights = {"norm": random(7), "token": random(1, 1, 9), "last": random(1, 8, 1, 1)}
    weights["number"] = np.float32(3.3).reshape(())
    back = round_trip(weights, tmp_path)
    for key, values in weights.items():
        np.testing.assert_array_equal(back[key], values)


def test_a_channel_of_zeros_stays_zero_and_one_number_everywhere_stays_almost_that(
    tmp_path: Path,
) -> None:
    values = random(4, 6)
    values[1] = 0
    values[2] = -0.7
    back = round_trip({"w": values}, tmp_path)["w"]
    assert not back[1].any()
    np.testing.assert_allclose(back[2], -0.7, rtol=3e-7)
    assert len(set(back[2].tolist())) == 1


def test_a_table_behind_an_axis_of_one_has_a_scale_for_each_row() -> None:
    table = random(1, 5, 8)
    table[0, 3] *= 1000
    packed = pack({"positions": table})
    assert packed["scale/positions"].shape == (5,)
    step = packed["scale/positions"]
    assert np.abs(packed["int8/positions"][0, 0] * step[0] - table[0, 0]).max() <= step[0] * 0.51


def test_the_same_weights_give_the_same_bytes_and_no_pickle(tmp_path: Path) -> None:
    weights = {"b": random(3, 4), "a": random(5)}
    files = [tmp_path / name for name in ("one.npz", "other.npz")]
    for file in files:
        write_packed(file, weights)
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(files[0], allow_pickle=False) as content:
        assert sorted(content.files) == ["float32/a", "int8/b", "scale/b"]


def test_weights_that_are_not_finite_are_not_packed(tmp_path: Path) -> None:
    for value in (np.nan, np.inf):
        values = random(2, 3)
        values[1, 1] = value
        with pytest.raises(ValueError, match="layer1: not finite"):
            write_packed(tmp_path / "weights.npz", {"layer1": values})


def test_the_flat_file_has_sorted_keys_aligned_tensors_and_transposed_matrices(
    tmp_path: Path,
) -> None:
    weights = {"b": random(3, 5), "a": random(7), "c": random(2, 3, 2, 2)}
    write_flat(tmp_path / "weights.bin", weights)
    content = (tmp_path / "weights.bin").read_bytes()
    places = {key: offset for key, offset, _ in flat(weights)}
    assert list(places) == ["a", "b", "c"]
    assert all(offset % ALIGNMENT == 0 for offset in places.values())
    for key, wanted in (("a", weights["a"]), ("b", weights["b"].T), ("c", weights["c"])):
        got = np.frombuffer(content, "<f4", wanted.size, places[key])
        np.testing.assert_array_equal(got.reshape(wanted.shape), wanted)
    assert len(content) == places["c"] + weights["c"].nbytes
    assert content[28:64] == bytes(36)


GOOD: dict[str, Any] = {
    "int8/w": np.array([[1, -2], [3, 4]], np.int8),
    "scale/w": np.ones(2, np.float32),
    "float32/v": np.ones(3, np.float32),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"int8/w": None}, "'scale/w' without 'int8/w'"),
        ({"scale/w": None}, "'int8/w' without 'scale/w'"),
        ({"scale/w": np.ones(3, np.float32)}, r"'w': wanted 2 scales of at least 0, got \[3\]"),
        ({"scale/w": np.ones((2, 1), np.float32)}, r"wanted 2 scales of at least 0, got \[2, 1\]"),
        ({"scale/w": np.array([1, -1], np.float32)}, "wanted 2 scales of at least 0"),
        ({"scale/w": np.array([1, np.nan], np.float32)}, "'scale/w' is not finite"),
        ({"scale/w": np.full(2, 3e38, np.float32)}, "'w': not finite"),
        ({"scale/w": np.ones(2)}, "'scale/w' float64 does not belong there"),
        ({"int8/w": np.full((2, 2), -128, np.int8)}, "wanted steps of -127 to 127, got -128"),
        ({"int8/w": np.ones((1, 2), np.int8)}, "wanted a matrix or a kernel"),
        ({"int8/w": np.ones((2, 2), np.int16)}, "'int8/w' int16 does not belong there"),
        ({"float32/v": np.array([np.inf], np.float32)}, "'float32/v' is not finite"),
        ({"float32/w": np.ones(3, np.float32)}, "'w' is there twice"),
        ({"v": np.ones(3, np.float32)}, "'v' float32 does not belong there"),
        ({"float32/": np.ones(3, np.float32)}, "'float32/' float32 does not belong there"),
        ({"text/v": np.array("a")}, "'text/v' <U1 does not belong there"),
        ({"float32/v": np.array([None])}, "not packed weights"),
    ],
)
def test_an_array_that_does_not_belong_is_named(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "weights.npz"
    content = {name: array for name, array in (GOOD | change).items() if array is not None}
    np.savez(path, **content)
    with pytest.raises(FormatError, match=words) as caught:
        read_packed(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    write_packed(path, {"w": random(30, 40), "v": random(9)})
    whole = path.read_bytes()
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as archive:
        archive.writestr("int8/w.npy", b"\x93NUMPY\x01\x00 no header")
        archive.writestr("about.txt", "a text")
    np.save(tmp_path / "array.npy", random(3))
    contents = [b"", b"junk", whole[:100], whole[: len(whole) // 2], whole[:-1]]
    contents += [(tmp_path / name).read_bytes() for name in ("text.zip", "array.npy")]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"weights\.npz: not packed weights: ") as caught:
            read_packed(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_packed(tmp_path / "nothing.npz")


def test_a_flipped_bit_is_refused_or_gives_numbers(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    write_packed(path, {"w": random(8, 9), "v": random(9)})
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            weights = read_packed(path)
        except FormatError:
            continue
        assert all(np.isfinite(values).all() for values in weights.values())
