"""The models against outputs of the official code, for seeded weights (tests/golden)."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from dae_edge.nn import DepthAnyEvent, LstmStates, ModelConfig, seeded_state_dict
from dae_edge.nn.convlstm import LAYERS

DAE_RTOL = 1e-4  # rounding alone moves the plain model's depth by 1.2e-5
RECURRENT_ATOL = 1e-5
STATE_ATOL = 1e-4  # rounding alone moves the state by 2e-5
IMAGES = {"mvsec": "mvsec", "dsec350": "dsec"}  # golden case -> key of its frames

Summaries = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def frames(golden: Path) -> dict[str, torch.Tensor]:
    with np.load(golden / "model_inputs.npz") as inputs:
        images = {case: inputs[key] for case, key in IMAGES.items()}
    return {case: torch.from_numpy(image).float() / 255 for case, image in images.items()}


@pytest.fixture(scope="module")
def outputs(golden: Path) -> dict[str, np.ndarray]:
    with np.load(golden / "model_outputs.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def stages(golden: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((golden / "model_stages.json").read_text())
    return content


def seeded(config: ModelConfig) -> DepthAnyEvent:
    model = DepthAnyEvent(config).eval()
    model.load_state_dict(seeded_state_dict(model))
    return model.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def plain() -> DepthAnyEvent:
    return seeded(ModelConfig())


@pytest.fixture(scope="module")
def recurrent() -> DepthAnyEvent:
    return seeded(ModelConfig(recurrent=True))


def summary(tensor: torch.Tensor) -> dict[str, Any]:
    flat = tensor.double().flatten()
    middle = flat.numel() // 2
    return {
        "shape": list(tensor.shape),
        "mean": flat.mean().item(),
        "std": flat.std(correction=0).item(),
        "absmax": flat.abs().max().item(),
        "l2": flat.norm().item(),
        "first8": flat[:8].tolist(),
        "mid8": flat[middle : middle + 8].tolist(),
        "last8": flat[-8:].tolist(),
    }


@contextmanager
def watched(model: DepthAnyEvent) -> Iterator[Summaries]:
    """Summaries of what every submodule returns, one per call, while the context lasts."""
    seen: Summaries = defaultdict(list)

    def watch(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                seen[name].append(summary(output))

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@pytest.fixture(scope="module")
def first_frames(
    plain: DepthAnyEvent, frames: dict[str, torch.Tensor]
) -> dict[str, tuple[torch.Tensor, Summaries]]:
    """Depth of frame 0 by the plain model, and its stages, for each size."""
    found = {}
    for case in IMAGES:
        with watched(plain) as seen:
            depth, state = plain(frames[case][:1])
        assert state == ()
        found[case] = (depth[0], seen)
    return found


@pytest.fixture(scope="module")
def sequence(
    recurrent: DepthAnyEvent, frames: dict[str, torch.Tensor]
) -> tuple[list[torch.Tensor], LstmStates, Summaries]:
    """Depths of three frames by the recurrent model, its last state, and its stages."""
    state, depths = None, []
    with watched(recurrent) as seen:
        for frame in frames["mvsec"]:
            depth, state = recurrent(frame[None], state)
            depths.append(depth[0])
    assert state is not None
    return depths, state, seen


@pytest.mark.parametrize("case", IMAGES)
def test_released_setting_matches(
    case: str,
    first_frames: dict[str, tuple[torch.Tensor, Summaries]],
    outputs: dict[str, np.ndarray],
) -> None:
    depth = first_frames[case][0].numpy()
    np.testing.assert_allclose(depth, outputs[f"dae/{case}/relu_inv"], rtol=DAE_RTOL)


@pytest.mark.parametrize("case", IMAGES)
@pytest.mark.parametrize(
    ("activation", "inverted", "name"),
    [
        ("relu", False, "relu"),
        ("softplus", True, "softplus_inv"),
        ("sigmoid", True, "sigmoid_inv"),
        ("sigmoid", False, "sigmoid"),
    ],
)
def test_every_head_matches(
    case: str,
    activation: Any,
    inverted: bool,
    name: str,
    plain: DepthAnyEvent,
    frames: dict[str, torch.Tensor],
    outputs: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = dataclasses.replace(plain.config, activation=activation, inv_prediction=inverted)
    monkeypatch.setattr(plain, "config", config)
    depth, _ = plain(frames[case][:1])
    wanted = outputs[f"dae/{case}/{name}_sub4"]
    # 1 - sigmoid goes down to 0.005 and keeps the absolute rounding error of values near 1
    np.testing.assert_allclose(depth[0, ::4, ::4].numpy(), wanted, rtol=DAE_RTOL, atol=2e-6)


@pytest.mark.parametrize("case", IMAGES)
def test_network_input_and_position_table_match(
    case: str,
    plain: DepthAnyEvent,
    frames: dict[str, torch.Tensor],
    outputs: dict[str, np.ndarray],
) -> None:
    prepared = plain.prepare(frames[case][:1])
    wanted = outputs[f"dae/{case}/net_input_sub8"]
    np.testing.assert_allclose(prepared[0, :, ::8, ::8].numpy(), wanted, atol=1e-5)
    rows, columns = prepared.shape[-2] // 14, prepared.shape[-1] // 14
    table = plain.pretrained.position_embedding(rows, columns)[0, :, ::32]
    np.testing.assert_allclose(table.numpy(), outputs[f"dae/{case}/pos_embed_sub"], atol=1e-6)


@pytest.fixture
def low_bias(plain: DepthAnyEvent) -> Iterator[DepthAnyEvent]:
    """The plain model with a last bias of -1.6, so that a tenth of its ReLUs are 0."""
    bias = plain.depth_head.scratch.output_conv2[2].bias
    assert isinstance(bias, torch.Tensor)
    bias.fill_(-1.6)
    yield plain
    bias.fill_(2.0)


def test_relu_without_inversion_matches_where_it_clips(
    low_bias: DepthAnyEvent,
    frames: dict[str, torch.Tensor],
    outputs: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        low_bias, "config", dataclasses.replace(low_bias.config, inv_prediction=False)
    )
    depth, _ = low_bias(frames["mvsec"][:1])
    wanted = outputs["dae/mvsec/relu_finalbias_m1.6"]
    np.testing.assert_allclose(depth[0].numpy(), wanted, rtol=DAE_RTOL, atol=1e-4)


def test_a_relu_of_zero_gives_a_million(
    low_bias: DepthAnyEvent, frames: dict[str, torch.Tensor], outputs: dict[str, np.ndarray]
) -> None:
    """1 / (x + 1e-6) magnifies rounding without bound near 0, so the inverse of both is compared.

    At the rim of a spike, where it has a small share in the bilinear sum, even that is magnified:
    one pixel in a thousand may differ more.
    """
    depth = low_bias(frames["mvsec"][:1])[0][0].double().numpy()
    wanted = outputs["dae/mvsec/relu_inv_finalbias_m1.6"].astype(np.float64)
    assert depth.max() == wanted.max() == 1e6
    difference = np.abs(1 / depth - 1 / wanted)
    assert np.quantile(difference, 0.999) < 1e-4
    assert np.mean((depth > 1e5) != (wanted > 1e5)) < 1e-3


@pytest.mark.parametrize("frame", range(3))
def test_recurrent_frames_match(
    frame: int,
    sequence: tuple[list[torch.Tensor], LstmStates, Summaries],
    outputs: dict[str, np.ndarray],
) -> None:
    wanted = outputs[f"dae_r/mvsec/frame{frame}"]
    np.testing.assert_allclose(sequence[0][frame].numpy(), wanted, rtol=0, atol=RECURRENT_ATOL)


def test_recurrent_frame_without_state_matches(
    recurrent: DepthAnyEvent, frames: dict[str, torch.Tensor], outputs: dict[str, np.ndarray]
) -> None:
    depth, _ = recurrent(frames["mvsec"][1:2])
    wanted = outputs["dae_r/mvsec/frame1_no_state_sub4"]
    np.testing.assert_allclose(depth[0, ::4, ::4].numpy(), wanted, rtol=0, atol=RECURRENT_ATOL)


def test_state_after_three_frames_matches(
    sequence: tuple[list[torch.Tensor], LstmStates, Summaries], outputs: dict[str, np.ndarray]
) -> None:
    for layer, pair in zip(LAYERS, sequence[1], strict=True):
        channels, pixels = (8, 4) if layer == 1 else (4, 2)
        for part, tensor in zip(("hidden", "cell"), pair, strict=True):
            wanted = outputs[f"dae_r/mvsec/state_layer{layer}_{part}_sub"]
            found = tensor[0, ::channels, ::pixels, ::pixels].numpy()
            np.testing.assert_allclose(found, wanted, rtol=0, atol=STATE_ATOL)


def assert_summaries_agree(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found["shape"] == wanted["shape"], name
    tolerance = 1e-4 * wanted["absmax"]
    for key in ("std", "absmax", "l2"):
        assert found[key] == pytest.approx(wanted[key], rel=1e-4), f"{name} {key}"
    for key in ("mean", "first8", "mid8", "last8"):
        assert found[key] == pytest.approx(wanted[key], rel=1e-4, abs=tolerance), f"{name} {key}"


def compared_stages(found: Summaries, wanted: Summaries) -> int:
    """Compare the stages both know; the official code has a few that are no modules here."""
    common = set(found) & set(wanted)
    for name in sorted(common):
        for mine, theirs in zip(found[name], wanted[name], strict=True):
            assert_summaries_agree(name, mine, theirs)
    return len(common)


@pytest.mark.parametrize("case", IMAGES)
def test_stages_match(
    case: str,
    first_frames: dict[str, tuple[torch.Tensor, Summaries]],
    stages: dict[str, Any],
) -> None:
    assert compared_stages(first_frames[case][1], stages[f"dae/{case}"]["stages"]) == 25


def test_recurrent_stages_match(
    sequence: tuple[list[torch.Tensor], LstmStates, Summaries], stages: dict[str, Any]
) -> None:
    wanted = stages["dae_r/mvsec"]
    assert compared_stages(sequence[2], wanted["stages"]) == 29
    for layer, pair in zip(LAYERS, sequence[1], strict=True):
        for part, tensor in zip(("hidden", "cell"), pair, strict=True):
            theirs = wanted["final_states"][f"layer{layer}"][part]
            assert_summaries_agree(f"layer{layer}.{part}", summary(tensor), theirs)
