"""A training run as data: training/NAME.toml, read strictly into frozen dataclasses.

Refuses (ValueError) what it does not know or cannot mean, and says where and what was wanted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from dae_edge.hints import closest
from training.fields import Table
from training.settings import MODEL, apply_setting, parse_toml
from training.stage import (
    Amp,
    Freeze,
    Labels,
    LossName,
    Reduction,
    Schedule,
    Space,
    Stage,
    Term,
)

__all__ = ["Recipe", "Space", "Stage", "Term", "load_recipe", "read_recipe", "recipe_names"]

SYNTHETIC = "synthetic"
"""The dataset that is made, not read."""

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        name: Of the recipe.
        about: One line.
        model: Recipe of export/ that gives the architecture.
        model_settings: Instead of that recipe's own, by key.
        seed: Of the first stage; each further one has the next number.
        range_m: Farther depths do not count, in metres.
        metric: The model is to give metres, not depth up to scale and shift.
        stages: In order.
    """

    name: str
    about: str
    model: str
    model_settings: Mapping[str, Any]
    seed: int
    range_m: float
    metric: bool
    stages: tuple[Stage, ...]

    def taught_by(self, stage: Stage) -> Recipe:
        """With what the weights that a stage leaves are: proxy labels teach no metres."""
        metric = self.metric and stage.labels == "truth"
        return dataclasses.replace(self, metric=metric)

    def plain(self) -> dict[str, Any]:
        """As dictionaries and lists, for JSON and checkpoints."""
        return dataclasses.asdict(self)


def recipe_names() -> list[str]:
    """Recipes of this folder."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(name_or_file: str, *, settings: Iterable[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name_or_file: Of training/, or a path that ends in .toml.
        settings: ``stage.key=value`` or ``key=value``, the value as in TOML; they win.

    Raises:
        ValueError: no such recipe, or not one; the text says where.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml":
        path = FOLDER / f"{name_or_file}.toml"
        if name_or_file not in recipe_names():
            raise ValueError(
                f"unknown recipe {name_or_file!r}{closest(name_or_file, recipe_names())}"
            )
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    content = parse_toml(text, str(path))
    for setting in settings:
        apply_setting(content, setting)
    return read_recipe(content, path.name)


def read_recipe(content: Mapping[str, Any], where: str) -> Recipe:
    """Understand the content of a recipe.

    Raises:
        ValueError: it is not one.
    """
    table = Table(content, where)
    seed = table.whole("seed", 0, default=1)
    found = table.tables("stage")
    stages: list[Stage] = []
    for index, one in enumerate(found):
        stages.append(_stage(one, seed + index, [stage.name for stage in stages]))
    recipe = Recipe(
        name=table.text("name"),
        about=table.text("about", default=""),
        model=table.text("model"),
        model_settings=table.passed_on(MODEL),
        seed=seed,
        range_m=table.number("range_m", 0, above=True, default=80.0),
        metric=table.flag("metric", default=False),
        stages=tuple(stages),
    )
    table.end()
    return recipe


def _stage(table: Table, seed: int, before: Sequence[str]) -> Stage:
    name = table.text("name")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{table.where}: name must be letters, digits, - and _, got {name!r}")
    if name in before:
        raise ValueError(f"{table.where}: a stage before it is called {name!r} too")
    table.where = f"{table.where.rpartition(':')[0]}: stage {name!r}"
    init = table.text("init", default="")
    after_default = "" if init or not before else before[-1]
    stage = Stage(
        name=name,
        data=table.text("data"),
        split=table.text("split", default="train"),
        labels=table.choice("labels", get_args(Labels), default="truth"),
        after=table.choice("after", ("", *before), default=after_default),
        init=init,
        seed=table.whole("seed", 0, default=seed),
        input=table.sizes("input"),
        steps=table.whole("steps", 1),
        batch=table.whole("batch", 1),
        clip=table.whole("clip", 1),
        carry=table.whole("carry", 1, default=1),
        terms=_terms(table),
        lr=table.number("lr", 0, above=True),
        head_lr=table.number("head_lr", 0, default=1.0),
        weight_decay=table.number("weight_decay", 0, default=0.0),
        warmup=table.whole("warmup", 0, default=0),
        schedule=table.choice("schedule", get_args(Schedule), default="cosine"),
        clip_norm=table.number("clip_norm", 0, default=1.0),
        ema=table.number("ema", 0, below=1, default=0.0),
        amp=table.choice("amp", get_args(Amp), default="off"),
        freeze=table.choice("freeze", get_args(Freeze), default="none"),
        validate_every=table.whole("validate_every", 0, default=500),
        checkpoint_every=table.whole("checkpoint_every", 1, default=200),
        augment=table.passed_on("augment"),
        synthetic=table.passed_on("synthetic"),
        options=table.passed_on("options"),
    )
    table.end()
    if stage.after and stage.init:
        raise ValueError(f"{table.where}: got both 'after' and 'init', wanted one start")
    _check_data(stage, table.where)
    return stage


def _check_data(stage: Stage, where: str) -> None:
    """Refuse settings that the data of a stage would not hear of."""
    if stage.data == SYNTHETIC:
        if stage.labels != "truth":
            raise ValueError(f"{where}: labels: synthetic data has 'truth', got {stage.labels!r}")
        if stage.options:
            raise ValueError(f"{where}: options are for datasets, synthetic data has none")
    elif stage.synthetic:
        raise ValueError(f"{where}: a table 'synthetic' goes with data = 'synthetic' only")


def _terms(table: Table) -> tuple[Term, ...]:
    """``loss = "ssi"`` with ``space = "inverse"``; or a list of tables, one per loss."""
    space = table.choice("space", get_args(Space), default="")
    if table.has_text("loss"):
        name = table.choice("loss", get_args(LossName))
        return (_checked(Term(name, space or _usual(name)), table.where),)
    terms = []
    for one in table.tables("loss"):
        name = one.choice("name", get_args(LossName))
        term = Term(
            name=name,
            space=one.choice("space", get_args(Space), default=space or _usual(name)),
            weight=one.number("weight", 0, above=True, default=1.0),
            alpha=one.number("alpha", 0, default=0.5),
            scales=one.whole("scales", 1, default=4),
            mean_weight=one.number("mean_weight", 0, default=0.5),
            reduction=one.choice("reduction", get_args(Reduction), default="image"),
        )
        one.end()
        terms.append(_checked(term, one.where))
    return tuple(terms)


def _usual(name: str) -> Space:
    return {"silog": "log", "abs_rel": "depth"}.get(name, "inverse")  # type: ignore[return-value]


def _checked(term: Term, where: str) -> Term:
    if term.name == "silog" and term.space != "log":
        raise ValueError(
            f"{where}: silog compares logarithms: space must be 'log', got {term.space!r}"
        )
    if term.name == "abs_rel" and term.space != "depth":
        raise ValueError(
            f"{where}: abs_rel compares depths: space must be 'depth', got {term.space!r}"
        )
    if term.reduction == "batch" and term.name not in ("ssi", "gradient"):
        raise ValueError(f"{where}: reduction 'batch' is for ssi and gradient, got {term.name!r}")
    return term
