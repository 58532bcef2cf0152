"""Recipes as text: TOML, and the settings of the command line that win over it."""

from __future__ import annotations

import sys
from typing import Any

from dae_edge.extras import require
from dae_edge.hints import closest

MODEL = "model_settings"
"""The one table beside the stages."""


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The content of a recipe.

    Raises:
        ValueError: it is not TOML.
    """
    module = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    toml = require(module, extra="training", purpose="reading recipes")
    try:
        content: dict[str, Any] = toml.loads(text)
    except ValueError as error:
        raise ValueError(f"{where}: not TOML: {error}") from error
    return content


def apply_setting(content: dict[str, Any], setting: str) -> None:
    """Apply one ``stage.key=value`` or ``key=value``; unknown keys are found on reading.

    Raises:
        ValueError: not of this form, or no such stage.
    """
    place, equals, value = setting.partition("=")
    if not (place.strip() and equals):
        raise ValueError(f"--set: wanted stage.key=value, got {setting!r}")
    *tables, key = place.strip().split(".")
    inside: Any = _table(content, tables[0], setting) if tables else content
    for name in tables[1:]:
        inside = inside.setdefault(name, {})
        if not isinstance(inside, dict):
            raise ValueError(f"--set {setting}: {name!r} is no table")
    inside[key] = _value(value.strip())


def _table(content: dict[str, Any], name: str, setting: str) -> dict[str, Any]:
    """The stage of this name, or the table for the model."""
    found = content.get("stage")
    stages = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    for stage in stages:
        if stage.get("name") == name:
            return stage
    if name == MODEL:
        model = content.setdefault(MODEL, {})
        if isinstance(model, dict):
            return model
    known = [str(stage.get("name")) for stage in stages]
    raise ValueError(f"--set {setting}: no stage {name!r}{closest(name, known)}")


def _value(text: str) -> Any:
    """As TOML reads it; what is not TOML is a text."""
    try:
        return parse_toml(f"value = {text}", "--set")["value"]
    except ValueError:
        return text
