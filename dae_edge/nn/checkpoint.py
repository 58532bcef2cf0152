"""Checkpoints of DepthAnyEvent as users have them: weights, configuration, origin and licence.

Takes what the authors released (``NAME/NAME.pth`` with config.json beside it, or the same inside),
the public Depth Anything V2 files, our own .safetensors, and the shipped student. The size of the
model is read off the tensors; a configuration that says otherwise is refused, as is any key or
shape that is not exactly the model's, and any value that is not finite.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torch import Tensor

from dae_edge.catalogue import origin
from dae_edge.errors import ContractError, FormatError
from dae_edge.extras import require
from dae_edge.nn import checkpoint_config
from dae_edge.nn.checkpoint_config import CONFIG_FILE, Description, Trainer
from dae_edge.nn.config import ModelConfig
from dae_edge.nn.depth_anyevent import DepthAnyEvent
from dae_edge.nn.layout import RECURRENT_UNITS, in_words, read_layout
from dae_edge.nn.weights import (
    METADATA_KEY,
    METADATA_VERSION,
    WeightsFile,
    read_weights,
    require_finite,
    require_same_layout,
)

Format: TypeAlias = Literal["torch", "safetensors", "student"]
FORMATS: dict[str, Format] = {".safetensors": "safetensors", ".npz": "student"}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that was read and found whole.

    Attributes:
        state: float32 tensors on the CPU, by the key of the parameter.
        layout: The architecture that the tensors have: encoder, recurrence, sizes of the head;
            its other settings are defaults.
        config: All settings as the file or its config.json says them; None where nothing does.
        clip_distance_m: Depths were clipped there in training, in metres; None: not said.
        reg_factor: Factor of the logarithmic form of depth; None: not said.
        use_logdepth: The output is logarithmic; None: not said.
        use_scaleshift: The output is right up to a scale and a shift; None: not said.
        sha256: Of the file that was read, in hexadecimal.
        source_sha256: Of the file that the weights first came from.
        source: What the weights are, as far as it is known, else the name of the file.
        licence: Of the weights, in words; "unknown" where nothing is known.
        format: The kind of file.
    """

    state: Mapping[str, Tensor]
    layout: ModelConfig
    config: ModelConfig | None
    clip_distance_m: float | None
    reg_factor: float | None
    use_logdepth: bool | None
    use_scaleshift: bool | None
    sha256: str
    source_sha256: str
    source: str
    licence: str
    format: Format

    def config_for(self, wanted: ModelConfig) -> ModelConfig:
        """Settings with which these weights mean what they were trained to mean.

        They are the checkpoint's own where it has some, else the wanted ones. Recurrence is as
        wanted: :func:`fill_model` says whether the weights have it.

        Raises:
            ContractError: the wanted model has another encoder or head than these weights.
        """
        fields = ("encoder", "features", "out_channels")
        if any(getattr(self.layout, name) != getattr(wanted, name) for name in fields):
            raise ContractError(
                f"{self.source}: the weights are {in_words(self.layout)}, the model asked for is "
                f"{in_words(wanted)}: ask for the model that these weights belong to"
            )
        return replace(self.config or wanted, recurrent=wanted.recurrent)


def read_checkpoint(path: str | Path, *, config: str | Path | None = None) -> Checkpoint:
    """Read a checkpoint of DepthAnyEvent or Depth Anything V2.

    Args:
        path: .pth, .safetensors, or the weights.npz of a student.
        config: A file like config.json to go by, in place of what is inside or beside ``path``.

    Raises:
        FormatError: not a checkpoint, a value is not finite, or the configuration is not
            understood, or inside and beside the file there are two that differ.
        ContractError: keys or shapes are not the model's, or the configuration describes
            another model than the tensors.
        MissingExtraError: a .safetensors file without the safetensors package.
    """
    path = Path(path)
    file = read_weights(path)
    layout = read_layout(file.tensors, path)
    note = _our_note(file, path)
    source, licence = origin(path, file.sha256, layout.encoder, recurrent=layout.recurrent)
    description = _description(file, note, path, Path(config) if config else None, layout)
    require_finite(file.tensors, path)
    trainer = description.trainer if description else Trainer()
    return Checkpoint(
        state={key: tensor.detach().float() for key, tensor in file.tensors.items()},
        layout=layout,
        config=description.model if description else None,
        **trainer._asdict(),
        sha256=file.sha256,
        source_sha256=note.get("source_sha256", file.sha256),
        source=note.get("source", source),
        licence=note.get("licence", licence),
        format=FORMATS.get(path.suffix, "torch"),
    )


def fill_model(
    checkpoint: Checkpoint, model: DepthAnyEvent, *, initialise: bool = False
) -> tuple[str, ...]:
    """Load the weights into a model; it is unchanged if this raises.

    Args:
        checkpoint: The weights.
        model: Made with ``checkpoint.config_for(...)``.
        initialise: Take weights without recurrent units as a start for a model that has them:
            those units keep the weights that the model has.

    Returns:
        The keys that were kept and not loaded: () unless ``initialise`` had to.

    Raises:
        ContractError: the weights do not fit.
    """
    layout, state = model.state_dict(), dict(checkpoint.state)
    kept: tuple[str, ...] = ()
    if model.config.recurrent and not checkpoint.layout.recurrent:
        if not initialise:
            raise ContractError(
                f"{checkpoint.source}: weights without recurrent units for a model that has them: "
                f"ask for the model without, or, to train it, for initialise=True"
            )
        kept = tuple(key for key in layout if key.startswith(RECURRENT_UNITS))
        state |= {key: layout[key] for key in kept}
    require_same_layout(state, layout, checkpoint.source)
    model.load_state_dict(state, strict=True)
    return kept


def save_safetensors(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint as .safetensors, with all that is known of it; whole or not at all.

    The same checkpoint gives the same bytes. ``read_checkpoint`` gives it back, but for ``sha256``
    and ``format``.

    Raises:
        ValueError: ``path`` does not end in .safetensors.
        MissingExtraError: the safetensors package is not installed.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: the name must end in .safetensors")
    safetensors = require("safetensors.torch", extra="export", purpose="writing .safetensors")
    note: dict[str, Any] = {
        "version": METADATA_VERSION,
        "source": checkpoint.source,
        "source_sha256": checkpoint.source_sha256,
        "licence": checkpoint.licence,
    }
    if checkpoint.config is not None:
        trainer = Trainer(*(getattr(checkpoint, name) for name in Trainer._fields))
        note |= checkpoint_config.as_ours(checkpoint.config, trainer)
    # one entry, because their order in the file is not fixed
    metadata = {METADATA_KEY: json.dumps(note, sort_keys=True)}
    tensors = {key: tensor.clone().contiguous() for key, tensor in checkpoint.state.items()}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        safetensors.save_file(tensors, part, metadata=metadata)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _description(
    file: WeightsFile,
    note: dict[str, Any],
    path: Path,
    instead: Path | None,
    layout: ModelConfig,
) -> Description | None:
    """The one configuration to go by; None where there is none."""
    if instead is not None:
        return _fitted(checkpoint_config.read_config(instead), layout, path)
    inside = None
    if "model" in note:
        inside = checkpoint_config.ours(note, f"{path}: metadata")
    elif file.config is not None:
        inside = checkpoint_config.released(file.config, f"{path}: config inside")
    beside = _beside(path)
    found = [_fitted(one, layout, path) for one in (inside, beside) if one is not None]
    if len(found) == 2 and (differing := found[0].differences(found[1])):
        raise FormatError(
            f"{path}: the configuration inside and {found[1].where} differ "
            f"({'; '.join(differing)}): correct or remove {CONFIG_FILE}, or name the one to go by"
        )
    return found[0] if found else None


def _beside(path: Path) -> Description | None:
    """config.json in the same folder; Depth Anything V2 has none, what lies there is another's."""
    beside = path.with_name(CONFIG_FILE)
    if path.name.startswith("depth_anything_v2_") or not beside.is_file():
        return None
    return checkpoint_config.read_config(beside)


def _fitted(said: Description, layout: ModelConfig, path: Path) -> Description:
    """The configuration with the sizes of the tensors, which it must not contradict."""
    if (said.model.encoder, said.model.recurrent) != (layout.encoder, layout.recurrent):
        right = checkpoint_config.in_released_names(layout)
        raise ContractError(
            f"{path}: the weights are {in_words(layout)}, but {said.where} says "
            f"{in_words(said.model)}: correct it to {right}, or name another configuration to go by"
        )
    return said._replace(
        model=replace(said.model, features=layout.features, out_channels=layout.out_channels)
    )


def _our_note(file: WeightsFile, path: Path) -> dict[str, Any]:
    """What save_safetensors wrote beside the tensors; {} in any other file."""
    if METADATA_KEY not in file.metadata:
        return {}
    where = f"{path}: metadata"
    try:
        note = json.loads(file.metadata[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: not JSON: {error}") from error
    if not isinstance(note, dict) or note.get("version") != METADATA_VERSION:
        raise FormatError(f"{where}: not of version {METADATA_VERSION} of {METADATA_KEY!r}")
    for key in ("source", "source_sha256", "licence"):
        text = note.get(key)
        if not (isinstance(text, str) and 0 < len(text) <= 200 and text.isprintable()):
            raise FormatError(f"{where}: {key!r} must be one printable line")
    return note
