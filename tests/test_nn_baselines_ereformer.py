"""EReFormer against outputs of its official code, for seeded weights; its parts and sizes."""

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
from torch.nn import functional

from dae_edge.errors import ContractError, FormatError
from dae_edge.nn import EReFormer, load_weights, seeded_tensor
from dae_edge.nn.e2depth import depth_from_log
from dae_edge.nn.ereformer import PatchSplitting
from dae_edge.nn.grvit import linear_attention
from dae_edge.nn.swin import PatchMerging, SwinBlock, map_sizes
from dae_edge.nn.windows import (
    APART,
    from_windows,
    pad_to_multiple,
    relative_position_index,
    shift_mask,
    to_windows,
)

ATOL = 1e-5  # the float32 noise of the official code is 2e-6
STATE_RTOL = 1e-5  # of the deviation of a state, whose values go to 7e5


@pytest.fixture(scope="module")
def model() -> EReFormer:
    return seeded(EReFormer("tiny"))


@pytest.fixture(scope="module")
def sequence(model: EReFormer, golden: Path) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Log depths of three windows of 224 x 224, and the last state."""
    with np.load(golden / "model_inputs.npz") as inputs:
        images = torch.from_numpy(inputs["mvsec"][..., :224, :224]).float() / 255
    state, depths = model.zero_state(224, 224), []
    for image in images:
        log_depth, state = model.log_depth(image[None], state)
        depths.append(log_depth)
    return depths, state


@pytest.mark.parametrize("window", range(3))
def test_log_depth_matches(
    window: int, sequence: tuple[list[Tensor], tuple[Tensor, ...]], golden: Path
) -> None:
    depth = sequence[0][window]
    wanted = read_npz_xz(golden / "ereformer.npz.xz")[f"swinT_224/pred{window}_sub2"]
    np.testing.assert_allclose(depth[0, ::2, ::2].numpy(), wanted, rtol=0, atol=ATOL)
    theirs = read_json(golden / "ereformer_meta.json")["swinT_224"][f"pred{window}"]
    values = depth.double().flatten()
    assert values.mean().item() == pytest.approx(theirs["mean"], abs=ATOL)
    np.testing.assert_allclose(values[:4], theirs["first4"], rtol=0, atol=ATOL)
    np.testing.assert_allclose(values[-4:], theirs["last4"], rtol=0, atol=ATOL)


@pytest.mark.parametrize("level", range(4))
def test_state_after_three_windows_matches(
    level: int, sequence: tuple[list[Tensor], tuple[Tensor, ...]], golden: Path
) -> None:
    theirs = read_json(golden / "ereformer_meta.json")["swinT_224"][f"state{level}"]
    tensor = sequence[1][level]
    assert list(tensor.shape) == theirs["shape"]
    values, tolerance = tensor.double().flatten(), STATE_RTOL * theirs["std"]
    assert values.mean().item() == pytest.approx(theirs["mean"], abs=tolerance)
    assert values.std(correction=0).item() == pytest.approx(theirs["std"], abs=tolerance)
    np.testing.assert_allclose(values[:4], theirs["first4"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(values[-4:], theirs["last4"], rtol=0, atol=tolerance)


def test_values_are_too_large_for_half_precision_where_the_module_says_so(
    model: EReFormer, sequence: tuple[list[Tensor], tuple[Tensor, ...]]
) -> None:
    assert sequence[1][0].abs().max() > 10 * torch.finfo(torch.float16).max
    largest: dict[str, float] = {}

    def watch(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            for tensor in flat(output if isinstance(output, tuple | Tensor) else ()):
                largest[name] = max(largest.get(name, 0.0), tensor.abs().max().item())

        return hook

    names = dict(model.transformerrecurrent.named_modules())
    handles = [module.register_forward_hook(watch(name)) for name, module in names.items() if name]
    try:
        model(sparse(1, 3, 224, 224, seed=4), sequence[1])
    finally:
        for handle in handles:
            handle.remove()
    high = {name for name, value in largest.items() if value > 500}
    kept = ("GRViT_", "resblock_", "decoder1_", "PatchSplitting1")
    assert "GRViT_0.proj" in high
    assert all(name.startswith(kept) for name in high)


@pytest.mark.parametrize(
    ("variant", "name", "parameters"),
    [("tiny", "swinT", 68_211_215), ("small", "swinS", 89_529_119)],
)
def test_keys_shapes_and_order_are_those_of_the_public_code(
    variant: Any, name: str, parameters: int, golden: Path
) -> None:
    with torch.device("meta"):
        model = EReFormer(variant)
    assert layout(model) == published_layout(golden, f"ereformer_{name}")
    assert sum(value.numel() for value in model.parameters()) == parameters


def test_seeded_weights_follow_the_published_rule(golden: Path) -> None:
    checks = read_json(golden / "weights_check.json")
    ours = {key: check for key, check in checks.items() if key.startswith("transformerrecurrent")}
    assert len(ours) == 3
    for key, check in ours.items():
        tensor = seeded_tensor(key, tuple(check["shape"])).flatten().double()
        assert tensor[:4].tolist() == check["tensor_first4"], key
        assert tensor.sum().item() == pytest.approx(check["tensor_sum64"], abs=1e-6), key


def test_a_file_may_repeat_the_position_indices_but_not_change_them(tmp_path: Path) -> None:
    path, block = tmp_path / "block.pth", SwinBlock(12, 3, shifted=False)
    weights, key = dict(block.state_dict()), "attn.w_msa.relative_position_index"
    torch.save({"state_dict": weights}, path)
    load_weights(path, block)
    torch.save(weights | {key: weights[key] + 1}, path)
    with pytest.raises(ContractError, match=f"'{key}' is not what the architecture fixes"):
        load_weights(path, block)
    torch.save(weights | {key: weights[key][:3]}, path)
    with pytest.raises(ContractError, match=r"1 of another shape: attn.*\[3, 49\]"):
        load_weights(path, block)
    torch.save(weights | {key: weights[key].int()}, path)
    with pytest.raises(FormatError, match=f"'{key}' must be a dense float tensor"):
        load_weights(path, block)


@settings(deadline=None, max_examples=100)
@given(
    count=st.integers(1, 60),
    width=st.integers(1, 16),
    heads=st.integers(1, 4),
    scale=st.floats(0.1, 10),
    seed=st.integers(0, 2**32),
)
def test_linear_attention_equals_the_quadratic_form(
    count: int, width: int, heads: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = scale * torch.randn(
        3, 2, heads, count, width, dtype=torch.float64, generator=generator
    )
    scores = (functional.elu(q) + 1) @ (functional.elu(k) + 1).transpose(-1, -2)
    tolerance = 1e-12 * (scores @ v.abs()).max().item()
    torch.testing.assert_close(linear_attention(q, k, v), scores @ v, rtol=0, atol=tolerance)


def test_windows_are_cut_and_joined_without_loss() -> None:
    tokens = torch.arange(2 * 14 * 21 * 3.0).reshape(2, 14, 21, 3)
    windows = to_windows(tokens)
    assert windows.shape == (2, 6, 49, 3)
    assert torch.equal(windows[1, 4].reshape(7, 7, 3), tokens[1, 7:14, 7:14])
    assert torch.equal(from_windows(windows, 14, 21), tokens)


def test_relative_positions_have_one_row_per_offset() -> None:
    index = relative_position_index()
    for i, j in ((0, 0), (0, 48), (48, 0), (10, 25), (25, 10)):
        row, column = i // 7 - j // 7 + 6, i % 7 - j % 7 + 6
        assert index[i, j] == 13 * row + column
    assert set(index.flatten().tolist()) == set(range(169))


@pytest.mark.parametrize("size", [(7, 7), (14, 21)])
def test_the_mask_parts_what_rolling_brought_together(size: tuple[int, int]) -> None:
    """Rolling by 3 brings the first 3 rows and columns into windows with the last 4."""
    height, width = size
    rows = (torch.arange(height) < 3).expand(width, height).T
    columns = (torch.arange(width) < 3).expand(height, width)
    brought = torch.stack([rows, columns], dim=-1).roll((-3, -3), dims=(0, 1))
    windows = to_windows(brought[None].long())[0]
    apart = (windows[:, :, None] != windows[:, None]).any(dim=-1)
    last = torch.zeros(height // 7, width // 7, dtype=torch.bool)
    last[-1], last[:, -1] = True, True  # only these windows hold tokens of both sides
    assert torch.equal(apart.any(dim=(1, 2)), last.flatten())
    assert torch.equal(shift_mask(height, width)[:, 0], apart * APART)


def test_padding_adds_zeros_at_the_bottom_and_the_right() -> None:
    padded = pad_to_multiple(torch.ones(1, 5, 7, 2), 7)
    assert padded.shape == (1, 7, 7, 2)
    assert padded[:, :5].eq(1).all()
    assert padded[:, 5:].eq(0).all()


def test_merging_and_splitting_order_channels_as_unfold_and_fold() -> None:
    tokens = torch.rand(1, 4, 6, 8)
    merging = PatchMerging(8)
    unfolded = functional.unfold(tokens.permute(0, 3, 1, 2), kernel_size=2, stride=2)
    wanted = merging.reduction(merging.norm(unfolded.transpose(1, 2)))
    torch.testing.assert_close(merging(tokens).flatten(1, 2), wanted)
    splitting = PatchSplitting(8)
    increased = splitting.increase(tokens).flatten(1, 2).transpose(1, 2)
    folded = functional.fold(increased, (8, 12), kernel_size=2, stride=2).permute(0, 2, 3, 1)
    torch.testing.assert_close(splitting(tokens, 8, 12), splitting.norm(folded))


def test_splitting_undoes_the_padding_of_merging() -> None:
    merging, splitting = PatchMerging(4), PatchSplitting(8)
    tokens = torch.rand(2, 5, 7, 4)
    merged = merging(tokens)
    assert merged.shape == (2, 3, 4, 8)
    split = splitting(merged, 5, 7)
    assert split.shape == tokens.shape
    assert torch.equal(split, splitting(merged, 6, 8)[:, :5, :7])


@pytest.mark.parametrize("size", [(64, 96), (50, 70), (33, 35), (7, 3)])
def test_depth_has_the_size_of_the_image(model: EReFormer, size: tuple[int, int]) -> None:
    depth, state = model(sparse(1, 3, *size, seed=5))
    assert depth.shape == (1, *size)
    assert tuple(tuple(tensor.shape) for tensor in state) == model.state_shapes(*size)
    assert torch.isfinite(depth).all()


def test_an_image_is_padded_with_zeros_and_cropped(model: EReFormer) -> None:
    image = sparse(1, 3, 63, 94, seed=6)
    padded = functional.pad(image, (0, 2, 0, 1))
    small, large = model(image)[0], model(padded)[0]
    torch.testing.assert_close(small[:, :-1, :-1], large[:, :62, :93], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("size", [(256, 336), (260, 346), (320, 640)])
def test_each_map_is_half_the_last_rounded_up(size: tuple[int, int]) -> None:
    sizes = [((size[0] + 3) // 4, (size[1] + 3) // 4)]
    for _ in range(3):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    assert map_sizes(*size) == tuple(sizes)


def test_depth_is_log_depth_in_metres(model: EReFormer) -> None:
    image = sparse(2, 3, 32, 32, seed=7)
    assert torch.equal(model(image)[0], depth_from_log(model.log_depth(image)[0]))


def test_a_baked_model_gives_the_same_depth_for_its_size_and_refuses_others(
    model: EReFormer,
) -> None:
    image = sparse(1, 3, 64, 96, seed=8)
    baked = model.bake(64, 96)
    assert torch.equal(baked(image)[0], model(image)[0])
    assert list(baked.state_dict()) == list(model.state_dict())
    with pytest.raises(ValueError, match=r"baked for a size of \(64, 96\), got \(96, 64\)"):
        baked(image.transpose(2, 3))


def test_a_position_table_is_used_as_it_is_at_its_own_size(model: EReFormer) -> None:
    network = model.transformerrecurrent
    assert network.positions(1, 28, 28) is network.get_parameter("pos_embed_1")
    assert network.positions(1, 8, 12).shape == (1, 96, 192)


def test_a_wrong_image_or_variant_is_refused(model: EReFormer) -> None:
    with pytest.raises(ValueError, match=r"image must be \[B, 3, H, W\], got \[1, 5, 32, 32\]"):
        model(torch.zeros(1, 5, 32, 32))
    wrong: Any = "swinT"
    with pytest.raises(ValueError, match="variant must be one of tiny, small, got 'swinT'"):
        EReFormer(wrong)


def test_training_reaches_every_parameter() -> None:
    model = EReFormer("tiny")
    depth, state = model(torch.rand(1, 3, 32, 32))
    depth, _ = model(torch.rand(1, 3, 32, 32), state)
    depth.mean().backward()
    unused = [key for key, value in model.named_parameters() if value.grad is None]
    assert unused == []
