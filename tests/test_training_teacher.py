"""The image teacher: weights of any size in, inverse and relative depth out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.errors import ContractError, FormatError
from dae_edge.nn import DepthAnyEvent, DepthAnythingV2, ModelConfig, seeded_state_dict
from training.teacher import FAR, Teacher, depth_from_inverse

SIZE = 98
RELEASED = {
    "trainer": {
        "clip_distance": 80.0,
        "reg_factor": 3.70378,
        "use_logdepth": False,
        "use_scaleshift": True,
    },
    "model": {
        "model_type": "DAv2",
        "encoder": "vits",
        "activation": "relu",
        "scale_factor": 1.0,
        "inv_prediction": True,
        "input_size_width": 350,
        "input_size_height": 266,
        "freeze_encoder": False,
        "input_channels": 3,
    },
}
"""What checkpoints of students carry, and teachers do not."""


def write_weights(path, model, **beside):
    state = seeded_state_dict(model)
    torch.save({"state_dict": state, **beside} if beside else state, path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    return write_weights(path, DepthAnythingV2("small", input_size=SIZE))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    return write_weights(path, DepthAnythingV2("tiny", input_size=SIZE))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).integers(0, 256, (3, 60, 80, 3), np.uint8)  # RGB


def batch(images):
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).double() / 255


def test_a_batch_gives_what_infer_gives_for_each_image(small, images):
    teacher = Teacher(small, input_size=SIZE)
    network = DepthAnythingV2("small", input_size=SIZE).eval()
    network.load_state_dict(torch.load(small))
    inverse = teacher.inverse(batch(images)).numpy()
    assert (teacher.name, inverse.dtype, inverse.shape) == ("dav2-small", np.float32, (3, 60, 80))
    for mine, image in zip(inverse, images, strict=True):
        np.testing.assert_allclose(mine, network.infer(image[:, :, ::-1]), rtol=0, atol=2e-5)
    alone = teacher.inverse(batch(images[:1]))[0].numpy()
    assert np.array_equal(alone, network.infer(images[0, :, :, ::-1]))


def test_images_may_come_in_single_precision(tiny, images):
    teacher = Teacher(tiny, input_size=SIZE)
    wanted = teacher.inverse(batch(images))
    torch.testing.assert_close(teacher.inverse(batch(images).float()), wanted, rtol=0, atol=2e-5)


def test_depth_is_that_of_the_inverse_and_takes_part_in_no_gradient(tiny, images):
    teacher = Teacher(tiny, "dav2-tiny", "cpu", input_size=SIZE)
    depth = teacher.depth(batch(images))
    assert torch.equal(depth, depth_from_inverse(teacher.inverse(batch(images))))
    weight = torch.ones(1, requires_grad=True)
    ((weight * depth - depth) ** 2).sum().backward()  # a label can be used in a loss
    assert not depth.requires_grad


def test_what_labels_are_made_of_is_said(tiny):
    about = Teacher(tiny, input_size=SIZE).about
    assert about["model"] == "dav2-tiny"
    assert about["weights"] == "tiny.pth"
    assert len(about["sha256"]) == 64
    assert (about["licence"], about["input_size"]) == ("unknown", SIZE)


def test_another_model_than_asked_for_is_refused(tiny):
    with pytest.raises(ContractError, match=r"tiny\.pth: weights of dav2-tiny, not of dav2-large"):
        Teacher(tiny, "dav2-large")
    with pytest.raises(ValueError, match=r"no teacher 'dav2-lrage'.*dav2-large"):
        Teacher(tiny, "dav2-lrage")


def test_weights_of_a_student_are_refused(tmp_path):
    recurrent = ModelConfig("tiny", recurrent=True)
    path = write_weights(tmp_path / "recurrent.pth", DepthAnyEvent(recurrent))
    with pytest.raises(ContractError, match="sees events, not frames"):
        Teacher(path)
    path = write_weights(tmp_path / "plain.pth", DepthAnyEvent(ModelConfig()), config=RELEASED)
    with pytest.raises(ContractError, match="sees events, not frames"):
        Teacher(path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"nothing")
    with pytest.raises(FormatError, match=r"a\.pth: not a checkpoint"):
        Teacher(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "rgb",
    [
        torch.zeros(3, 60, 80),
        torch.zeros(1, 1, 60, 80),
        torch.zeros(1, 3, 60, 80, dtype=torch.uint8),
    ],
)
def test_anything_but_a_batch_of_colour_images_is_refused(tiny, rgb):
    with pytest.raises(ValueError, match=r"images are floats \[B, 3, H, W\], got"):
        Teacher(tiny, input_size=SIZE).inverse(rgb)


@given(st.floats(1e-6, 1e6), st.floats(2, 1000), st.integers(0, 1000))
def test_depth_goes_from_one_to_far_and_its_inverse_is_a_line_of_the_teachers(scale, far, seed):
    inverse = scale * torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(seed))
    inverse[:, 0, 0] = 0  # the sky
    depth = depth_from_inverse(inverse, far=far)
    assert depth.amin(dim=(1, 2)).tolist() == pytest.approx([1, 1], rel=1e-5)
    assert depth[:, 0, 0].tolist() == pytest.approx([far, far], rel=1e-4)
    line = inverse / inverse.amax(dim=(1, 2), keepdim=True) * (1 - 1 / far) + 1 / far
    torch.testing.assert_close(1 / depth, line, rtol=1e-4, atol=0)


def test_what_the_teacher_does_not_know_is_unknown():
    nothing = torch.zeros(1, 2, 2)
    assert depth_from_inverse(nothing).tolist() == [[[0, 0], [0, 0]]]
    odd = torch.tensor([[[torch.nan, torch.inf], [4.0, -1.0]]])
    assert depth_from_inverse(odd).tolist() == [[[0, 0], [1, pytest.approx(FAR)]]]
