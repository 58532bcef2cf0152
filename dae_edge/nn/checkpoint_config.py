"""What a checkpoint says of itself: config.json as DepthAnyEvent releases it, and our own form.

Both have a section "model", understood strictly, and a section "trainer", of which four values
matter. Refuses (FormatError) keys and values of "model" that it does not know: each of them could
change what the network computes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from dae_edge.errors import FormatError
from dae_edge.nn.config import Activation, Encoder, ModelConfig

CONFIG_FILE = "config.json"
MODEL_TYPES = {"DAv2": False, "RecDAv2": True}
ENCODERS: dict[str, Encoder] = {"vits": "small", "vitb": "base", "vitl": "large"}

LARGEST_SIZE = 1 << 16
"""Pixels or channels: more is a mistake, and could ask for more memory than there is."""

LARGEST_FACTOR = 1e30
LONGEST_SHOWN = 60

_T = TypeVar("_T")
_REQUIRED: Any = object()


class Trainer(NamedTuple):
    """How the model was trained, which says what its output means. None: the file does not say.

    Attributes:
        clip_distance_m: Depths beyond it were clipped, in metres.
        reg_factor: Factor of the logarithmic form of depth.
        use_logdepth: The output is logarithmic.
        use_scaleshift: The output is right up to a scale and a shift.
    """

    clip_distance_m: float | None = None
    reg_factor: float | None = None
    use_logdepth: bool | None = None
    use_scaleshift: bool | None = None


class Description(NamedTuple):
    """A configuration, and the place it was read from, for messages."""

    where: str
    model: ModelConfig
    trainer: Trainer

    def differences(self, other: Description) -> list[str]:
        """Settings that differ, as ``name: ours, theirs``."""
        mine, theirs = (
            {**dataclasses.asdict(one.model), **one.trainer._asdict()} for one in (self, other)
        )
        return [
            f"{name}: {mine[name]!r}, {theirs[name]!r}"
            for name in mine
            if mine[name] != theirs[name]
        ]


def read_config(path: Path) -> Description:
    """The configuration in a file like the released config.json.

    Raises:
        FormatError: not JSON, or not such a configuration; the text names the key.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not JSON: {error}") from error
    return released(content, str(path))


def released(content: Any, where: str) -> Description:
    """Understand a configuration of the released form: sections "model" and "trainer".

    Raises:
        FormatError: a key of the section "model" is missing or unknown, or a value is.
    """
    sections = _Section(content, where)
    section = _Section(sections.content.get("model"), f"{where}: model")
    recurrent = section.choice("model_type", MODEL_TYPES)
    encoder = section.choice("encoder", ENCODERS)
    values = _common(section, "input_size_width", "input_size_height")
    section.take("input_channels", _three_channels, "3: it is about event images only", default=3)
    section.choice("input_type", {"events": True}, default=True)
    section.choice("recurrent_block_type", {"convlstm": True}, default=True)
    section.take("freeze_encoder", _flag, "true or false", default=False)  # for training only
    section.take("checkpoint_path", _text, "a text", default="")  # where somebody had it
    section.end()
    return Description(
        where,
        _model(section.where, encoder=encoder, recurrent=recurrent, **values),
        _trainer(sections.content.get("trainer", {}), where),
    )


def in_released_names(model: ModelConfig) -> str:
    """Encoder and recurrence as config.json would say them."""
    kinds = {recurrent: name for name, recurrent in MODEL_TYPES.items()}
    names = {encoder: name for name, encoder in ENCODERS.items()}
    encoder = names.get(model.encoder, model.encoder)
    return f'"model_type": "{kinds[model.recurrent]}", "encoder": "{encoder}"'


def ours(content: Any, where: str) -> Description:
    """Understand the form that :func:`as_ours` writes.

    Raises:
        FormatError: as for :func:`released`.
    """
    sections = _Section(content, where)
    section = _Section(sections.content.get("model"), f"{where}: model")
    values = _common(section, "input_width", "input_height")
    values["encoder"] = section.choice("encoder", {name: name for name in get_args(Encoder)})
    values["recurrent"] = section.take("recurrent", _flag, "true or false")
    values["features"] = section.take("features", _whole, "a whole number above 0")
    channels = section.take("out_channels", _wholes, "a list of whole numbers above 0")
    section.end()
    return Description(
        where,
        _model(section.where, out_channels=channels, **values),
        _trainer(sections.content.get("trainer", {}), where),
    )


def as_ours(model: ModelConfig, trainer: Trainer) -> dict[str, Any]:
    """The sections "model" and "trainer", ready for JSON."""
    said = {
        "clip_distance": trainer.clip_distance_m,
        "reg_factor": trainer.reg_factor,
        "use_logdepth": trainer.use_logdepth,
        "use_scaleshift": trainer.use_scaleshift,
    }
    known = {key: value for key, value in said.items() if value is not None}
    return {"model": dataclasses.asdict(model), "trainer": known}


def _common(section: _Section, width: str, height: str) -> dict[str, Any]:
    return {
        "activation": section.choice("activation", {name: name for name in get_args(Activation)}),
        "inv_prediction": section.take("inv_prediction", _flag, "true or false"),
        "scale_factor": section.take("scale_factor", _positive, "a number above 0", default=1.0),
        "input_width": section.take(width, _whole, "a whole number above 0"),
        "input_height": section.take(height, _whole, "a whole number above 0"),
    }


def _model(where: str, **values: Any) -> ModelConfig:
    try:
        return ModelConfig(**values)
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from error


def _trainer(content: Any, where: str) -> Trainer:
    """The rest of the section is about how it was trained, and is left alone."""
    section = _Section(content, f"{where}: trainer")
    return Trainer(
        section.take("clip_distance", _positive, "metres above 0", default=None),
        section.take("reg_factor", _positive, "a number above 0", default=None),
        section.take("use_logdepth", _flag, "true or false", default=None),
        section.take("use_scaleshift", _flag, "true or false", default=None),
    )


class _Section:
    """One JSON object, emptied key by key, so that what is left over is unknown."""

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, dict):
            kind = "nothing" if content is None else type(content).__name__
            raise FormatError(f"{where}: wanted an object with settings, got {kind}")
        self.where = where
        self.content = dict(content)

    def take(
        self, key: str, understand: Callable[[Any], Any], wanted: str, *, default: Any = _REQUIRED
    ) -> Any:
        """A value as ``understand`` gives it; None from there means that it is not acceptable."""
        if key not in self.content:
            if default is _REQUIRED:
                raise FormatError(f"{self.where}: {key!r} is missing")
            return default
        value = self.content.pop(key)
        understood = understand(value)
        if understood is None:
            raise FormatError(f"{self.where}: {key!r} must be {wanted}, got {_short(value)}")
        return understood

    def choice(self, key: str, known: Mapping[str, _T], *, default: Any = _REQUIRED) -> _T:
        """What a name stands for."""

        def stands_for(name: Any) -> _T | None:
            return known.get(name) if isinstance(name, str) else None

        wanted = " or ".join(map(repr, known))
        chosen: _T = self.take(key, stands_for, wanted, default=default)
        return chosen

    def end(self) -> None:
        """Raise FormatError if something is left."""
        if self.content:
            names = ", ".join(map(_short, self.content))
            raise FormatError(f"{self.where}: unknown: {names}")


def _short(value: Any) -> str:
    """A value for a message; what comes out of a pickle can be too deep or too long to show."""
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "...")
    plain = isinstance(value, float) or (isinstance(value, int) and abs(value) < 1e18)
    return repr(value) if plain or value is None else f"<{type(value).__name__}>"


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    number = isinstance(value, int) and not isinstance(value, bool)
    return value if number and 0 < value <= LARGEST_SIZE else None


def _wholes(value: Any) -> tuple[int, ...] | None:
    whole = isinstance(value, list) and all(_whole(one) for one in value)
    return tuple(value) if whole else None


def _positive(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and 0 < value < LARGEST_FACTOR else None


def _three_channels(value: Any) -> int | None:
    return value if _whole(value) == 3 else None
