"""``python -m training.ship --weights FILE``: a trained student becomes the one that ships.

Rounds the weights to int8 storage, exports a proven bundle for every sensor profile from the
rounded ones, and keeps of each bundle what is not weights. The folder is replaced at the very end,
when all of it was found right and small enough.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dae_edge import recipes, student
from dae_edge.bundle import MANIFEST, file_entry
from dae_edge.cli import command
from dae_edge.cli.progress import Steps
from dae_edge.default_model import MODEL, TARGET
from dae_edge.errors import BudgetError, ContractError
from dae_edge.export import export_bundle
from dae_edge.nn import DepthAnyEvent, ModelConfig
from dae_edge.nn.checkpoint import Checkpoint, fill_model, read_checkpoint
from dae_edge.nn.checkpoint_config import Trainer, as_ours
from dae_edge.packed import write_packed
from dae_edge.recipes import Recipe, Sensor
from dae_edge.student import ABOUT, FLAT, FORMAT, PACKED, VERSION, Student
from training.external import take_weights_out

CARD = "card.md"
MOST_BYTES = 8_000_000
"""Of the whole folder: it is in every wheel."""

MOST_GRAPH_BYTES = 1_200_000
"""Of the graphs and reports of all profiles: more means that weights stayed inside."""


def ship(
    checkpoint: Checkpoint,
    recipe: Recipe,
    sensors: Sequence[Sensor],
    out: Path,
    *,
    licence: str,
    training: dict[str, Any],
    card: Path | None,
    progress: Steps,
) -> Student:
    """Make the folder of a student.

    Args:
        checkpoint: The trained weights.
        recipe: That they belong to.
        sensors: To make graphs for.
        out: The folder; an older student there is replaced.
        licence: Of the weights, in words.
        training: How they were trained: recipe, commit, samples, time.
        card: The model card, Markdown; its pictures stay where they are.
        progress: Called with the name of each step.

    Raises:
        BudgetError: an engine is too far from torch, or the folder would be too large.
        ContractError: the weights do not fit the recipe.
        ValueError: something else than a student lies at ``out``.
    """
    if out.exists() and not (out / ABOUT).is_file():
        raise ValueError(f"{out}: exists and is not a student; not replaced")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        folder = Path(scratch) / "student"
        folder.mkdir()
        progress("int8")
        about = _pack(checkpoint, recipe, folder)
        about |= {"licence": licence, "profiles": [sensor.name for sensor in sensors]}
        if card is not None:
            (folder / CARD).write_text(_without_pictures(card), encoding="utf-8")
        about |= {"training": training, "card": CARD if card is not None else None}
        _write_json(folder / ABOUT, about)
        made = student.read(folder)
        for sensor in sensors:
            _add_graph(made, recipe, sensor, Path(scratch) / "whole", progress)
        check_size(folder)
        _put(folder, out, Path(scratch) / "older")
    return student.read(out)


def _pack(checkpoint: Checkpoint, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write the packed weights; what student.json says of them."""
    settings = dict(recipe.model)
    if settings.pop("architecture", "depthanyevent") != "depthanyevent":
        raise ContractError(f"{recipe.name}: a student is a DepthAnyEvent")
    model = DepthAnyEvent(checkpoint.config_for(ModelConfig(**settings)))
    fill_model(checkpoint, model)
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    write_packed(folder / PACKED, weights)
    trainer = Trainer(*(getattr(checkpoint, name) for name in Trainer._fields))
    return {
        "format": FORMAT,
        "version": VERSION,
        "recipe": recipe.name,
        "source": f"dae-edge student {recipe.name}",
        "source_sha256": checkpoint.source_sha256,
        "unit": "m" if checkpoint.use_scaleshift is False else recipe.unit,
        **as_ours(model.config, trainer),
        "weights": {
            **file_entry(folder / PACKED),
            "parameters": sum(values.size for values in weights.values()),
            "storage": "int8 with a float32 scale per channel; vectors float32",
        },
    }


def _add_graph(made: Student, recipe: Recipe, sensor: Sensor, work: Path, progress: Steps) -> None:
    """Export for a sensor, and keep what is not weights; then see that it unpacks."""

    def tell(step: str, fraction: float | None = None) -> None:
        progress(f"{sensor.name}: {step}", fraction)

    target = recipes.load_target(TARGET)
    whole = work / f"{sensor.name}.dae"
    export_bundle(recipe, target, sensor, whole, weights=made.weights, progress=tell)
    tell("weights out")
    graph = made.folder / sensor.name
    take_weights_out(whole, made.read_weights(), graph)
    (graph / FLAT).unlink()
    for path in graph.iterdir():
        if path.name != MANIFEST:
            student.compress(path)
    unpacked = work / sensor.name
    unpacked.mkdir()
    made.unpack(sensor.name, unpacked)
    shutil.rmtree(work)


def check_size(folder: Path) -> None:
    """Raise BudgetError if the folder, or what is in the folders in it, is too large."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    graphs = sum(size for path, size in sizes.items() if path.parent != folder)
    for what, size, most in (
        ("all of it", sum(sizes.values()), MOST_BYTES),
        ("the graphs", graphs, MOST_GRAPH_BYTES),
    ):
        if size > most:
            raise BudgetError(f"the student is too large: {what} {size:,} bytes, at most {most:,}")


def _put(folder: Path, out: Path, older: Path) -> None:
    if out.exists():
        os.replace(out, older)
    os.replace(folder, out)


def _training(summary: Path | None, commit: str | None) -> dict[str, Any]:
    """What is known of the training; paths of weights on that machine are of no use to others."""
    known: Any = json.loads(summary.read_bytes()) if summary is not None else {}
    if not isinstance(known, dict):
        raise ValueError(f"{summary}: wanted an object")
    for stage in known.get("stages", {}).values():
        stage.pop("weights", None)
    return known | ({"commit": commit} if commit else {})


def _without_pictures(card: Path) -> str:
    lines = card.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("!["))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser("training.ship", "Make a trained student the one that ships.")
    add = arguments.add_argument
    add("--weights", type=Path, required=True, help="checkpoint, .pth or .safetensors")
    add("--config", type=Path, metavar="FILE", help="of the weights, like config.json")
    add("--model", default=MODEL, help="the recipe in export/ they belong to (%(default)s)")
    add("--card", type=Path, metavar="FILE", help="the model card, Markdown; without its pictures")
    add("--training", type=Path, metavar="FILE", help="summary.json of the run it comes from")
    add("--commit", help="that the training ran from")
    add("--licence", default="Apache-2.0", help="of the weights (%(default)s)")
    add("--out", type=Path, default=student.FOLDER, help="the folder (%(default)s)")
    return command.run(_main, arguments, argv)


def _main(options: argparse.Namespace) -> int:
    recipe = recipes.load_recipe(options.model)
    sensors = [recipes.load_sensor(name) for name in recipes.sensor_names()]
    with Steps() as steps:
        made = ship(
            read_checkpoint(options.weights, config=options.config),
            recipe,
            sensors,
            options.out,
            licence=options.licence,
            training=_training(options.training, options.commit),
            card=options.card,
            progress=steps,
        )
    for path in sorted(made.folder.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>9,}  {path.relative_to(made.folder)}")
    print(f"{made.folder}: {made.recipe} {made.sha256[:16]}, {made.about['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
