"""The training losses: equal to the official ones, and what makes them what they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import losses

NAMES = ("mask", "mask_second_image_empty")


@pytest.fixture(scope="module")
def tensors(golden: Path) -> dict[str, Any]:
    with np.load(golden / "losses_inputs.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def official(golden: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((golden / "losses_outputs.json").read_text())
    return content


def value_of(case: str, tensors: dict[str, Any]) -> float:
    """Our value of an official case, e.g. ``ssi/batch/mask/alpha0.5/scales4``."""
    name, *options = case.split("/")
    prediction, target, mask = tensors["pred"], tensors["target"], tensors["mask"]
    if name == "ssi":
        reduction, which, alpha, scales = options
        settings = {"alpha": float(alpha[5:]), "scales": int(scales[6:]), "reduction": reduction}
        mask = tensors[which]
        return float(losses.scale_and_shift_invariant(prediction, target, mask, **settings))
    if name == "midas_mse":
        return float(
            losses.halved_mse(prediction, target, tensors[options[1]], reduction=options[0])
        )
    if name == "gradient":
        reduction, which, scales = options
        settings = {"scales": int(scales[6:]), "reduction": reduction}
        return float(losses.gradient(prediction, target, tensors[which], **settings))
    if name in ("silog", "si"):
        loss = losses.scale_invariant_log if name == "silog" else losses.scale_invariant
        return float(loss(prediction, target, mask, weight=float(options[0][5:])))
    target = tensors["target_nan"] if name == "msgrad_nan" else target
    first, _, scales = options[0].rpartition("num_scales")
    settings = {"finest": int(first[5:-1]) if first else 1, "scales": int(scales)}
    return float(losses.multi_scale_gradient(prediction, target, mask, **settings))


def test_every_official_value_is_met(tensors: dict[str, Any], official: dict[str, Any]) -> None:
    cases = [case for case in official if "/" in case]
    assert len(cases) == 32
    for case in cases:
        wanted = pytest.approx(official[case], rel=1e-6, nan_ok=True)
        assert value_of(case, tensors) == wanted, case


@pytest.mark.parametrize("which", NAMES)
def test_scale_and_shift_are_the_official_ones(
    which: str, tensors: dict[str, Any], official: dict[str, Any]
) -> None:
    got = losses.scale_and_shift(tensors["pred"], tensors["target"], tensors[which])
    wanted = official["scale_shift" + which.removeprefix("mask")]
    np.testing.assert_allclose([values.numpy() for values in got], wanted, rtol=1e-6)


def test_the_gradient_of_the_loss_is_the_official_one(
    tensors: dict[str, Any], official: dict[str, Any]
) -> None:
    prediction = tensors["pred"].clone().requires_grad_()
    losses.scale_and_shift_invariant(prediction, tensors["target"], tensors["mask"]).backward()
    assert prediction.grad is not None
    wanted = official["ssi_grad"]
    assert float(prediction.grad.norm()) == pytest.approx(wanted["l2"], rel=1e-4)
    np.testing.assert_allclose(
        prediction.grad.flatten()[:8].numpy(), wanted["first8"], rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(("scale", "shift"), [(3.0, 0.0), (0.2, 5.0), (-1.0, 2.0)])
def test_the_loss_does_not_see_scale_and_shift_of_the_prediction(
    tensors: dict[str, Any], scale: float, shift: float
) -> None:
    target, mask = tensors["target"].double(), tensors["mask"]
    prediction = tensors["pred"].double()
    plain = losses.scale_and_shift_invariant(prediction, target, mask)
    moved = losses.scale_and_shift_invariant(scale * prediction + shift, target, mask)
    assert float(moved) == pytest.approx(float(plain), rel=1e-6)


def test_what_is_masked_does_not_matter_and_nothing_valid_is_zero(tensors: dict[str, Any]) -> None:
    prediction, target, mask = tensors["pred"], tensors["target"], tensors["mask"]
    spoilt = torch.where(mask, prediction, torch.full_like(prediction, 1e3))
    plain = losses.scale_and_shift_invariant(prediction, target, mask)
    assert float(losses.scale_and_shift_invariant(spoilt, target, mask)) == pytest.approx(
        float(plain), rel=1e-5
    )
    nothing = torch.zeros_like(mask)
    for reduction in ("batch", "image"):
        loss = losses.scale_and_shift_invariant(prediction, target, nothing, reduction=reduction)
        assert float(loss) == 0
