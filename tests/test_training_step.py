"""One step: where the state comes from, what half precision touches, what a NaN leaves alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from small_training import ToyClips, small_recipe
from torch import Tensor, nn

from dae_edge.nn import E2Depth
from dae_edge.nn.network import flat
from training.checkpoints import Run
from training.clip import Clip
from training.distributed import Processes
from training.optim import Average, freeze, make_optimiser
from training.recipe import Recipe, Stage
from training.step import Outcome, rollout, take_step
from training.student import build

CPU = torch.device("cpu")
ALONE = Processes(0, 1, CPU)


class Memory(nn.Module):
    """Adds up the means of what it has seen; keeps, for the test, the states it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.01))
        self.given: list[Tensor | None] = []

    def log_depth(self, window: Tensor, state: Any) -> tuple[Tensor, Any]:
        self.given.append(None if state is None else state[0])
        before = torch.zeros(len(window)) if state is None else state[0]
        seen = before + self.gain * window.mean((1, 2, 3))
        slope = torch.linspace(0, 0.1, window.shape[-1])
        return seen[:, None, None] + slope.expand(len(window), *window.shape[-2:]), (seen,)


def begin(model: Any, stage: Stage) -> Run:
    freeze(model, stage)
    model.train()
    return Run(
        model=model,
        average=Average(model, stage.ema),
        optimiser=make_optimiser(model, stage),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
    )


def step(run: Run, clip: Clip, recipe: Recipe, stage: Stage) -> Outcome:
    return take_step(run, clip, recipe, stage, ALONE, stop=False)


def clip_of(stage: Stage, number: int, channels: int = 3) -> Clip:
    made = ToyClips(stage, seed=1, channels=channels)
    return made.clip(number // stage.carry, number % stage.carry, slice(0, stage.batch))


def small(*settings: str, stage: int = 0) -> tuple[Recipe, Stage]:
    recipe = small_recipe(*settings)
    return recipe, recipe.stages[stage]


def student(recipe: Recipe, stage: Stage) -> Any:
    torch.manual_seed(stage.seed)
    return build(recipe, stage)[0]


def test_the_state_goes_on_through_a_sequence_and_begins_anew_with_the_next():
    recipe, stage = small("first.carry=3", "first.clip=2", "first.lr=1e-6")
    model = Memory()
    run = begin(model, stage)
    for number in range(7):
        step(run, clip_of(stage, number), recipe, stage)
    first_of_clip, second_of_clip = model.given[::2], model.given[1::2]
    assert [state is None for state in first_of_clip] == [True, False, False] * 2 + [True]
    for before, after in zip(second_of_clip, first_of_clip[1:], strict=False):
        if after is not None:
            assert (after > before).all()  # another window was added: nothing was lost


def test_the_gradient_goes_through_a_clip_and_not_beyond():
    recipe, stage = small("first.carry=2", "first.clip=3")
    model = Memory()
    run = begin(model, stage)
    for number in range(2):
        step(run, clip_of(stage, number), recipe, stage)
    reaches_back = [state is not None and state.requires_grad for state in model.given]
    assert reaches_back == [False, True, True] * 2
    assert run.state is not None
    assert not any(tensor.requires_grad for tensor in flat(run.state))


def test_the_gradient_of_a_later_clip_takes_the_state_as_given():
    _, stage = small("first.clip=1")
    windows = torch.tensor([2.0, 4.0])[:, None, None, None, None].expand(2, 1, 3, 4, 5)
    run = begin(Memory(), stage)
    run.step, run.state = 1, (torch.tensor([0.3, 0.1]),)
    own, _ = rollout(run, Clip(windows, torch.ones(2, 1, 4, 5)), stage, CPU)
    (slope,) = torch.autograd.grad(own[:, 0, 0, 0].sum(), run.model.gain)
    assert float(slope) == pytest.approx(6.0)  # of these two windows alone


def test_what_a_real_network_says_depends_on_the_state_it_carries():
    recipe, stage = small("first.carry=2", "first.clip=1", "first.lr=1e-12")
    carried = begin(student(recipe, stage), stage)
    step(carried, clip_of(stage, 0), recipe, stage)
    forgetful = copy.deepcopy(carried)
    forgetful.state = None
    kept, lost = (
        rollout(run, clip_of(stage, 1), stage, CPU)[0].detach() for run in (carried, forgetful)
    )
    assert (kept - lost).abs().max() > 1e-5


def test_windows_come_out_one_after_the_other_beside_their_depth():
    _, stage = small("first.clip=3")
    windows = torch.arange(6.0).reshape(2, 3, 1, 1, 1).expand(2, 3, 3, 4, 5)
    model = Memory()
    with torch.no_grad():
        model.gain.fill_(1.0)
    own, _ = rollout(begin(model, stage), Clip(windows, torch.ones(2, 3, 4, 5)), stage, CPU)
    assert own[:, 0, 0, 0].tolist() == [0, 3, 1, 7, 3, 12]  # sums of 0 1 2 and of 3 4 5, by window


def test_half_precision_trains_and_keeps_the_state_in_full_precision():
    recipe, stage = small(
        "first.amp=bf16", "first.steps=24", "first.lr=2e-3", "first.loss=silog", "first.carry=1"
    )
    run = begin(student(recipe, stage), stage)
    clip, losses = clip_of(stage, 0), []
    for _ in range(24):
        losses.append(step(run, clip, recipe, stage).loss)
        assert run.state is not None
        assert {tensor.dtype for tensor in flat(run.state)} == {torch.float32}
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])
    assert {value.dtype for value in run.model.parameters()} == {torch.float32}
    seen: list[torch.dtype] = []
    layer = run.model.get_submodule("depth_head.scratch.output_conv1")
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    rollout(run, clip, stage, CPU)
    assert set(seen) == {torch.bfloat16}  # or the test would prove nothing


def test_half_precision_gives_about_the_loss_of_full_precision():
    found = []
    for amp in ("off", "bf16"):
        recipe, stage = small(f"first.amp={amp}")
        run = begin(student(recipe, stage), stage)
        found.append(step(run, clip_of(stage, 0), recipe, stage).loss)
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.05)


# Faster in bf16: a step takes ten times as long on processors that lack it.
@pytest.mark.parametrize(("amp", "lr", "steps"), [("off", "2e-4", 12), ("bf16", "8e-4", 6)])
def test_e2depth_learns_on_voxel_grids(amp: str, lr: str, steps: int):
    recipe, stage = small(
        "first.steps=12", "first.warmup=0", "first.batch=2", "first.carry=1",
        f"first.amp={amp}", f"first.lr={lr}",
        "first.loss=[{name='silog', mean_weight=1.0}, {name='multi_scale_gradient', space='log', "
        "weight=0.25}]",
    )  # fmt: skip
    torch.manual_seed(1)
    model = E2Depth()
    run = begin(model, replace(stage, freeze="none"))
    clip = clip_of(stage, 0, channels=5)
    losses = [step(run, clip, recipe, stage).loss for _ in range(steps)]
    assert losses[-1] < 0.8 * losses[0]
    assert run.state is not None
    assert {tensor.dtype for tensor in flat(run.state)} == {torch.float32}


def test_bytes_and_floats_of_a_window_are_the_same_to_the_network():
    recipe, stage = small()
    clip = clip_of(stage, 0)
    run = begin(student(recipe, stage), stage)
    whole, _ = rollout(run, clip, stage, CPU)
    floats, _ = rollout(run, clip._replace(windows=clip.windows.float() / 255), stage, CPU)
    assert clip.windows.dtype == torch.uint8
    assert torch.equal(whole, floats)


@pytest.mark.parametrize("where", ["windows", "gradient"])
def test_what_is_not_finite_changes_no_weight_and_no_average(where: str):
    recipe, stage = small("first.lr=0.1")
    run = begin(student(recipe, stage), stage)
    step(run, clip_of(stage, 0), recipe, stage)
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    average = {key: value.clone() for key, value in run.average.model.state_dict().items()}
    moments = copy.deepcopy(run.optimiser.state_dict()["state"])
    bad = clip_of(stage, 1)
    if where == "windows":
        bad = bad._replace(windows=torch.full(bad.windows.shape, torch.nan))
    else:
        last = run.model.get_parameter("depth_head.scratch.output_conv2.2.bias")
        last.register_hook(lambda grad: grad * torch.inf)
    outcome = step(run, bad, recipe, stage)
    assert outcome.skipped
    assert (run.skipped, run.skipped_in_row, run.step, len(run.losses)) == (1, 1, 2, 2)
    assert run.state is None  # it may be spoilt too
    assert all(value.equal(before[key]) for key, value in run.model.state_dict().items())
    assert all(value.equal(average[key]) for key, value in run.average.model.state_dict().items())
    after = run.optimiser.state_dict()["state"]
    assert all(after[i][k].equal(moments[i][k]) for i in moments for k in moments[i])
    if where == "windows":
        assert not step(run, clip_of(stage, 2), recipe, stage).skipped
        assert (run.skipped, run.skipped_in_row) == (1, 0)


def test_the_gradient_is_clipped_and_its_norm_told_as_it_was():
    recipe, stage = small("first.clip_norm=0.001", "first.carry=1")
    run = begin(student(recipe, stage), stage)
    outcome = step(run, clip_of(stage, 0), recipe, stage)
    left = torch.stack([p.grad.norm() for p in run.model.parameters() if p.grad is not None]).norm()
    assert float(left) == pytest.approx(0.001, rel=1e-3)
    assert outcome.grad_norm > 0.01
    recipe, free = small("first.clip_norm=0", "first.carry=1")
    run = begin(student(recipe, free), free)
    assert step(run, clip_of(free, 0), recipe, free).grad_norm == pytest.approx(outcome.grad_norm)


def test_of_a_frozen_encoder_nothing_is_changed_by_a_step():
    recipe, stage = small(stage=1)
    assert stage.freeze == "encoder"
    run = begin(student(recipe, stage), stage)
    before = {name: value.detach().clone() for name, value in run.model.named_parameters()}
    step(run, clip_of(stage, 0), recipe, stage)
    moved = {name for name, value in run.model.named_parameters() if not value.equal(before[name])}
    assert moved
    assert all(name.startswith("depth_head.") for name in moved)
