"""Depth Anything V2, the image teacher, against outputs of its official code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from baselines import layout, published_layout, read_json, seeded
from dataset_files import read_npz_xz

from dae_edge.nn import DepthAnyEvent, DepthAnythingV2, ModelConfig

ATOL = 2e-5  # depths go to 8


@pytest.fixture(scope="module")
def arrays(golden: Path) -> dict[str, np.ndarray]:
    return read_npz_xz(golden / "teacher_dav2.npz.xz")


@pytest.mark.parametrize(
    ("name", "encoder", "input_size"),
    [
        ("vits_266", "small", 266),
        pytest.param("vits_518", "small", 518, marks=pytest.mark.slow),
        pytest.param("vitl_266", "large", 266, marks=pytest.mark.slow),
    ],
)
def test_inverse_depth_matches(
    name: str, encoder: Any, input_size: int, arrays: dict[str, np.ndarray], golden: Path
) -> None:
    model = seeded(DepthAnythingV2(encoder, input_size=input_size))
    image = arrays["image_bgr"]
    inverse = model.infer(image)
    wanted = read_json(golden / "teacher_dav2_meta.json")[name]
    assert list(model.network_size(*image.shape[:2])) == wanted["net"]
    assert inverse.dtype == np.float32
    assert list(inverse.shape) == wanted["shape"]
    found = {key: getattr(inverse, key)() for key in ("mean", "std", "min", "max")}
    assert found == pytest.approx({key: wanted[key] for key in found}, abs=ATOL)
    if f"{name}_sub2" in arrays:
        np.testing.assert_allclose(inverse[::2, ::2], arrays[f"{name}_sub2"], rtol=0, atol=ATOL)


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
def test_network_input_is_that_of_opencv(
    precision: torch.dtype, arrays: dict[str, np.ndarray]
) -> None:
    model = DepthAnythingV2("tiny", input_size=266)
    rgb = arrays["image_bgr"][:, :, ::-1].transpose(2, 0, 1).copy()
    prepared = model.prepare(torch.from_numpy(rgb)[None].to(precision) / 255)
    assert prepared.dtype == torch.float32
    wanted = arrays["vits_266_netinput_sub8"]
    np.testing.assert_allclose(prepared[0, :, ::8, ::8].numpy(), wanted, rtol=0, atol=1e-5)


def test_keys_shapes_and_order_are_those_of_the_public_checkpoint(golden: Path) -> None:
    with torch.device("meta"):
        model = DepthAnythingV2("large")
    found = [line.removesuffix(" float32") for line in layout(model)]
    assert found == published_layout(golden, "dav2_vitl")
    assert sum(value.numel() for value in model.parameters()) == 335_315_649


def test_the_teacher_and_the_plain_student_have_the_same_layout() -> None:
    with torch.device("meta"):
        teacher, student = DepthAnythingV2("small"), DepthAnyEvent(ModelConfig())
    assert layout(teacher) == layout(student)


def test_a_baked_model_gives_the_same_depth() -> None:
    model = seeded(DepthAnythingV2("tiny", input_size=98))
    image = torch.rand(2, 3, 60, 80, generator=torch.Generator().manual_seed(1))
    inverse, _ = model(image)
    assert inverse.shape == (2, 60, 80)
    torch.testing.assert_close(model.bake(60, 80)(image)[0], inverse, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_anything_but_a_colour_image_is_refused(image: Any) -> None:
    model = DepthAnythingV2("tiny", input_size=98)
    with pytest.raises(ValueError, match=r"image must be uint8 \[H, W, 3\], got"):
        model.infer(image)


def test_an_unknown_encoder_or_a_tiny_input_is_refused() -> None:
    wrong: Any = "vitl"
    with pytest.raises(ValueError, match="encoder must be one of tiny, small, base, large"):
        DepthAnythingV2(wrong)
    with pytest.raises(ValueError, match="input size must be at least 14, got 13"):
        DepthAnythingV2("tiny", input_size=13)
