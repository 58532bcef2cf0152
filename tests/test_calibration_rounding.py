"""Weights to int8: within half a step, or so that a layer's output loses least."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dae_edge.calibration import rounding
from dae_edge.calibration.graph import View
from dae_edge.calibration.layers import quantizable


def back(stored: rounding.Stored, axis: int) -> Any:
    """Weights as they are computed with."""
    steps, scales = stored
    shape = [1] * steps.ndim
    shape[axis] = -1
    return steps * scales.reshape(shape)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 7)),
        elements=st.floats(-10, 10, width=32),
    ),
    st.sampled_from([7, 8]),
)
def test_weights_come_back_to_half_a_step(weights: Any, bits: int) -> None:
    for axis in (0, 1):
        stored, scales = rounding.nearest(weights, axis, bits)
        error = np.moveaxis(np.abs(back((stored, scales), axis) - weights), axis, -1)
        assert (error <= 0.5001 * scales + 1e-12).all()
        assert bits == 8 or 2 * 255 * np.abs(stored.astype(int)).max() < 2**15  # no saturation


def mixed(rows: int, inputs: int) -> Any:
    """Inputs that go together: a few causes and a little noise."""
    random = np.random.default_rng(3)
    causes = random.normal(size=(rows, 4)) @ random.normal(size=(4, inputs))
    return causes + 0.1 * random.normal(size=(rows, inputs))


@pytest.mark.parametrize("axis", [0, 1])
def test_what_goes_in_together_makes_good_what_was_rounded_off(axis: int) -> None:
    inputs = mixed(500, 48)
    weights = np.random.default_rng(4).normal(size=(20, 48)).astype(np.float32)
    true = inputs @ weights.T
    weights = np.moveaxis(weights, 0, axis)

    def lost(stored: rounding.Stored) -> float:
        return float(np.square(inputs @ np.moveaxis(back(stored, axis), axis, 0).T - true).mean())

    made = rounding.compensated(weights, axis, 7, inputs.T @ inputs)
    assert np.array_equal(made[1], rounding.nearest(weights, axis, 7)[1])
    assert np.abs(made[0].astype(int)).max() <= 63
    assert lost(made) < 0.1 * lost(rounding.nearest(weights, axis, 7))
    assert lost(made) < lost(rounding.nearest(weights, axis, 8))


def test_inputs_that_have_nothing_in_common_are_rounded_to_the_nearest() -> None:
    weights = np.random.default_rng(5).normal(size=(7, 100)).astype(np.float32)
    alone = np.diag(np.random.default_rng(6).uniform(0.1, 9, size=100))
    made, near = rounding.compensated(weights, 0, 8, alone), rounding.nearest(weights, 0, 8)
    assert np.array_equal(made[0], near[0])


@given(arrays.arrays(np.float32, (3, 5), elements=st.floats(-1e6, 1e6, width=32)))
def test_inputs_that_were_never_seen_do_no_harm(weights: Any) -> None:
    steps, scales = rounding.compensated(weights, 0, 7, np.zeros((5, 5)))
    assert np.array_equal(steps, rounding.nearest(weights, 0, 7)[0])
    assert np.isfinite(scales).all()


def network(**attributes: Any) -> Any:
    """A convolution, a product, and a last layer that is never quantized."""
    random = np.random.default_rng(7)
    group = attributes.get("group", 1)
    constants = {
        "kernel": random.normal(size=(6, 4 // group, 3, 2)),
        "matrix": random.normal(size=(5, 3)),
        "last": random.normal(size=(3, 1)),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["image", "kernel"], ["seen"], "conv", **attributes),
        onnx.helper.make_node("MatMul", ["tokens", "matrix"], ["mixed"], "linear"),
        onnx.helper.make_node("MatMul", ["mixed", "last"], ["depth"], "end"),
    ]
    tensors = [
        onnx.numpy_helper.from_array(values.astype(np.float32), name)
        for name, values in constants.items()
    ]
    graph = onnx.helper.make_graph(nodes, "small", [], [], tensors)
    return onnx.helper.make_model(graph)


def test_moments_are_of_all_that_an_output_is_a_sum_over() -> None:
    model = network(pads=[1, 0, 2, 1], strides=[2, 1])
    moments = rounding.Moments(View(model), quantizable(model))
    random = np.random.default_rng(8)
    total: dict[str, Any] = {"kernel": 0.0, "matrix": 0.0}
    for _ in range(2):
        image = random.normal(size=(1, 4, 7, 6)).astype(np.float32)
        tokens = random.normal(size=(1, 9, 5)).astype(np.float32)
        moments.add({"image": image, "tokens": tokens})
        padded = torch.nn.functional.pad(torch.from_numpy(image), (0, 1, 1, 2))
        rows = torch.nn.functional.unfold(padded, (3, 2), stride=(2, 1))[0].numpy()
        total["kernel"] += rows @ rows.T
        total["matrix"] += tokens[0].T @ tokens[0]
    assert moments.sums.keys() == total.keys()
    for name, wanted in total.items():
        np.testing.assert_allclose(moments.sums[name], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("attributes", [{"group": 2}, {"dilations": [2, 1]}])
def test_a_convolution_in_groups_or_with_gaps_is_left_to_the_nearest(attributes: Any) -> None:
    model = network(**attributes)
    moments = rounding.Moments(View(model), quantizable(model))
    moments.add({"image": np.ones((1, 4, 9, 9), np.float32)})
    assert moments.sums == {}
