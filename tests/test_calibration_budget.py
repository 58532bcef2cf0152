"""Budgets: what is measured, what is over, and the search for what to keep in float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_edge.calibration.budget import Budget, Check, Judge, Judgement, Scores, Worst
from dae_edge.calibration.layers import Layer
from dae_edge.calibration.search import Attempt, Memory, Search, blame, front, read_settings
from dae_edge.calibration.sequences import WindowSequence

LIMITS = Budget(0.01, 0.01, 0.05, 0.02, (1, 4, 9))
RNG = np.random.default_rng(3)
TRUTH = RNG.uniform(1, 50, (6, 8)).astype(np.float32)


class WorseEngine:
    """An engine whose depth is the image's number times an error that grows with each window."""

    description = "arithmetic"

    def __init__(self, error: float, growth: float = 0.0, *, broken_at: int = -1) -> None:
        self.error, self.growth, self.broken_at = error, growth, broken_at

    def session(self) -> WorseSession:
        return WorseSession(self)


class WorseSession:
    def __init__(self, engine: WorseEngine) -> None:
        self.engine, self.window = engine, 0
        self.image: NDArray[Any] = np.zeros((6, 8, 3), np.uint8)

    def run(self) -> NDArray[np.float32]:
        engine, self.window = self.engine, self.window + 1
        factor = 1 + engine.error * (-1) ** np.arange(8) + engine.growth * self.window
        depth = (TRUTH + self.image[..., 0]) * factor
        if self.window == engine.broken_at:
            depth[0, 0] = np.nan
        return depth.astype(np.float32)

    def discard(self) -> None: ...

    def is_finite(self) -> bool:
        return True

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None: ...


def sequence(name: str, windows: int, *, truth: bool = True) -> WindowSequence:
    images = [np.full((6, 8, 3), place, np.uint8) for place in range(windows)]
    truths = [TRUTH + place for place in range(windows)] if truth else []
    return WindowSequence(name, tuple(images), tuple(truths))


def judge(engine: WorseEngine, *sequences: WindowSequence) -> Judgement:
    return Judge(WorseEngine(0), sequences, LIMITS).whole(engine)


def measured(judgement: Judgement) -> dict[tuple[str, str], float]:
    return {(check.name, check.where): check.value for check in judgement.checks}


def test_what_equals_float32_loses_nothing() -> None:
    judgement = judge(WorseEngine(0), sequence("a", 3), sequence("b", 5, truth=False))
    assert judgement.passed
    assert set(measured(judgement).values()) == {0.0}
    assert [window for window, _, _ in judgement.drift] == [1, 4, 9]
    assert judgement.target[1].absrel is None


def test_an_error_is_found_by_each_limit_and_the_worst_sequence_is_named() -> None:
    judgement = judge(WorseEngine(0.03, growth=0.004), sequence("short", 2), sequence("long", 9))
    found = measured(judgement)
    assert found["fp32_absrel", "worst: long"] > found["fp32_absrel", "mean"] > 0.03
    assert found["absrel", "mean"] == pytest.approx(0.03, rel=0.3)  # aligned: growth is a scale
    assert found["fp32_absrel", "window 9"] == pytest.approx(0.036, rel=0.2)
    assert {check.name for check in judgement.over} == {"absrel"}
    assert not judgement.passed
    assert judgement.worst.where == "long, window 8"
    json.dumps(judgement.as_dict(), allow_nan=False)


def test_depth_that_is_not_finite_fails_every_limit_and_can_be_written() -> None:
    judgement = judge(WorseEngine(0, broken_at=3), sequence("a", 5))
    assert {check.name for check in judgement.over} == {
        "absrel",
        "delta1",
        "fp32_absrel",
        "fp32_delta1",
    }
    assert any(check["value"] is None for check in judgement.as_dict()["checks"])
    json.dumps(judgement.as_dict(), allow_nan=False)
    assert not judgement.finite
    assert "fp32_absrel (mean) not finite, allowed 0.05" in map(str, judgement.over)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("absrl=0.1", "no limit 'absrl': did you mean 'absrel'"),
        ("absrel", "absrel: wanted a number, got ''"),
        ("absrel=much", "wanted a number, got 'much'"),
        ("absrel=-1", "wanted 0 or more, got '-1'"),
        ("absrel=nan", "wanted 0 or more, got 'nan'"),
        ("drift=3", "no limit 'drift'"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LIMITS.changed(text)


def test_a_budget_is_changed_as_typed() -> None:
    changed = LIMITS.changed("absrel=0.02, delta1=0")
    assert (changed.absrel, changed.delta1, changed.fp32_absrel) == (0.02, 0.0, 0.05)
    assert LIMITS.changed("") == LIMITS


@pytest.mark.parametrize(
    "table",
    [{}, {"absrel": 1}, {**LIMITS.__dict__, "drift": [0]}, {**LIMITS.__dict__, "absrel": True},
     {**LIMITS.__dict__, "drift": 5}, {**LIMITS.__dict__, "more": 1}],
)  # fmt: skip
def test_a_target_with_a_damaged_budget_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"target: budget"):
        Budget.read(
            {k: list(v) if isinstance(v, tuple) else v for k, v in table.items()}, "target: budget"
        )


# ---- Search --------------------------------------------------------------------------------------

LAYERS = [Layer(f"node{n}", "MatMul", f"in{n}", f"w{n}", 10, f"block{n}") for n in range(10)]


class Arithmetic:
    """Each layer adds its harm to AbsRel; the choice passes below the limit."""

    def __init__(self, harms: dict[str, float]) -> None:
        self.harms, self.tried, self.measured = harms, [], []

    tried: list[int]
    measured: list[str]

    def harm(self, layer: Layer) -> tuple[float, float]:
        self.measured.append(layer.name)
        return self.harms[layer.name], 0.0

    def attempt(self, kept: tuple[str, ...]) -> tuple[Judgement, float, float]:
        self.tried.append(len(kept))
        absrel = sum(value for name, value in self.harms.items() if name not in kept)
        check = Check("fp32_absrel", "mean", absrel, LIMITS.fp32_absrel)
        other = Check("fp32_delta1", "mean", 0.0, 1.0)
        scores = (Scores("a", 1, None, None, absrel, 1.0),)
        worst = Worst("a", np.zeros(1), None, np.ones((1, 1)), np.ones((1, 1)), absrel)
        return Judgement((check, other), scores, scores, worst), 1.0 + len(kept), 0.1 * len(kept)


def search(engine: Arithmetic, memory: Memory, minutes: float = 1.0, most: float = 1.0) -> Search:
    return Search(
        LAYERS,
        LIMITS,
        harm=engine.harm,
        attempt=engine.attempt,
        minutes=minutes,
        most=most,
        memory=memory,
    )


def test_the_search_keeps_the_fewest_and_the_most_harmful_layers(tmp_path: Path) -> None:
    engine = Arithmetic({f"node{n}": 0.01 * (n + 1) for n in range(10)})
    found = search(engine, Memory(None, "")).restore()
    assert found is not None
    # 0.01 + 0.02 stay quantized: within 0.05; a third would be 0.06
    assert set(found.kept) == {f"node{n}" for n in range(2, 10)}
    assert found.passed


def test_a_search_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    harms = {f"node{n}": 0.01 * (n + 1) for n in range(10)}
    memory = Memory(tmp_path / "deep" / "search.json", "key")
    first = Arithmetic(harms)
    search(first, memory).restore()
    second = Arithmetic(harms)
    again = search(second, memory)
    assert again.restore() == search(first, memory).restore()
    assert second.measured == []
    assert second.tried == []
    other = Arithmetic(harms)
    search(other, Memory(memory.path, "another key")).restore()
    assert len(other.measured) == 10
    memory.path.write_text("{damaged")  # type: ignore[union-attr]
    assert len(search(Arithmetic(harms), memory).measure()) == 10


def test_a_search_stops_at_its_bounds() -> None:
    engine = Arithmetic({f"node{n}": 1.0 for n in range(10)})
    few = search(engine, Memory(None, ""), most=0.3)
    assert few.restore() is None
    assert max(engine.tried) == 3
    late = Arithmetic({f"node{n}": 1.0 for n in range(10)})
    stopped = search(late, Memory(None, ""), minutes=0)
    assert stopped.restore() is None
    assert not stopped.found.finished


def test_a_search_that_ran_out_of_time_goes_on_with_time_of_its_own(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "search.json", "key")
    first = search(Arithmetic({f"node{n}": 0.02 for n in range(10)}), memory)
    first.restore()
    first.found.seconds = 1e6  # of earlier runs, all together
    first.found.attempts.clear()
    memory.write(first.found)
    again = Arithmetic({f"node{n}": 0.02 for n in range(10)})
    assert search(again, memory).restore() is not None
    assert again.tried
    assert again.measured == []


def test_so_many_layers_are_kept_as_was_wished_and_what_was_judged_before_is_a_choice_too() -> None:
    engine = Arithmetic({f"node{n}": 0.01 * (n + 1) for n in range(10)})
    made = search(engine, Memory(None, ""))
    made.seen(*engine.attempt(()))
    made.seen(*engine.attempt(()))
    chosen = made.exactly(2)
    assert set(chosen.kept) == {"node8", "node9"}
    assert not chosen.passed
    assert [len(one.kept) for one in made.found.attempts] == [0, 2]
    assert made.exactly(0) is made.found.attempts[0]
    with pytest.raises(ValueError, match="--keep 11: there are 10 layers"):
        made.exactly(11)
    late = search(Arithmetic({f"node{n}": 1.0 for n in range(10)}), Memory(None, ""), minutes=0)
    with pytest.raises(ValueError, match="0 of 10 layers were measured in 0 minutes"):
        late.exactly(1)


def test_the_worst_layers_are_named_and_the_front_has_no_point_that_another_beats() -> None:
    engine = Arithmetic({f"node{n}": 0.01 * n for n in range(10)})
    made = search(engine, Memory(None, ""))
    assert blame(made.measure(), LIMITS, most=2).startswith("block9 (node9: AbsRel 0.0900), block8")
    points = [
        Attempt((), True, absrel, 0.0, None, 1.0, ratio)
        for absrel, ratio in ((0.3, 0.1), (0.2, 0.2), (0.25, 0.3), (0.1, 0.4))
    ]
    assert front(points) == [points[0], points[1], points[3]]


@pytest.mark.parametrize("table", [{"minutes": -1}, {"most": 2}, {"minutes": "5"}, {"most": True}])
def test_bounds_of_a_search_that_cannot_be_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="target: search"):
        read_settings(table, "target: search")
