"""Models, sensors and targets as data: the TOML files of export/ and calibrate/.

In a checkout they are read where they are edited; an installed package carries copies.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dae_edge.backends.parity import METRICS
from dae_edge.extras import require
from dae_edge.hints import closest

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Recipe:
    """A model to export: export/NAME.toml.

    Attributes:
        name: As in ``--model``.
        about: One line.
        model: ``architecture`` ("depthanyevent" if not said), and what that architecture takes.
        window_us: Length of a window in microseconds.
        background: Of the Tencode image, "black" or "white".
        unit: Of the depth, with trained weights.
        voxel_bins: Time bins, for models that take voxel grids; 0 for Tencode images.
        stepwise_parity: Compare engines window by window from torch's state, for models in which
            rounding grows from window to window, whatever computes them.
        frames: The model takes RGB frames instead of events.
        parity: Limits of parity that this model needs wider than a target's, by metric.
    """

    name: str
    about: str
    model: dict[str, Any]
    window_us: int
    background: str
    unit: str
    voxel_bins: int = 0
    stepwise_parity: bool = False
    frames: bool = False
    parity: Mapping[str, float] = field(default_factory=dict)

    def widened(self, limits: Mapping[str, float]) -> dict[str, float]:
        """A target's limits of parity, each at least as wide as this model needs it."""
        return {name: max(limit, self.parity.get(name, 0.0)) for name, limit in limits.items()}


@dataclass(frozen=True)
class Sensor:
    """The camera a bundle is made for, and the part of its image that the network sees.

    Attributes:
        name: Profile, or ``WIDTHxHEIGHT``.
        width: Pixels.
        height: Pixels.
        crop: (x, y, width, height) in pixels.
    """

    name: str
    width: int
    height: int
    crop: tuple[int, int, int, int]


@dataclass(frozen=True)
class Target:
    """An engine and a precision, with the errors allowed: calibrate/NAME.toml.

    Attributes:
        name: As in ``--target``.
        about: One line.
        backend: Engine.
        file: What it loads; made from ``model.onnx`` by ``form``, unless it is that.
        form: Passes, in order (see ``dae_edge.calibration.forms``).
        precision: Of ``weights``, ``compute`` and ``state``.
        parity: Errors allowed against torch; {} where a budget says what is allowed.
        budget: Losses allowed against float32, in AbsRel and delta1; {} for float32 itself.
        int8: Settings of the quantizer.
        search: Bounds of the search for layers to restore.
    """

    name: str
    about: str
    backend: str
    file: str
    form: tuple[str, ...]
    precision: dict[str, str]
    parity: dict[str, float]
    budget: dict[str, Any]
    int8: dict[str, Any]
    search: dict[str, Any]


def recipe_names() -> list[str]:
    """Models that can be exported."""
    return sorted(path.stem for path in _folder("export").glob("*.toml") if path.stem != "sensors")


def target_names() -> list[str]:
    """Targets that can be exported to."""
    return sorted(path.stem for path in _folder("calibrate").glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """The recipe of a model.

    Raises:
        ValueError: no such recipe.
    """
    data = _named("export", name, recipe_names(), "model")
    with _complete(f"export/{name}.toml"):
        return Recipe(
            data["name"],
            data["about"],
            data["model"],
            data["input"]["window_us"],
            data["input"]["background"],
            data["output"]["unit"],
            data["input"].get("voxel_bins", 0),
            data.get("parity", {}).get("stepwise", False),
            data["input"].get("frames", False),
            _widening(data.get("parity", {}), f"export/{name}.toml"),
        )


def _widening(parity: Mapping[str, Any], where: str) -> dict[str, float]:
    limits = {key: value for key, value in parity.items() if key != "stepwise"}
    for key, value in limits.items():
        if key not in METRICS:
            raise ValueError(f"{where}: parity: no limit {key!r}{closest(key, METRICS)}")
        if not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"{where}: parity: {key}: got {value!r}, wanted a number above 0")
    return limits


def load_target(name: str) -> Target:
    """A target.

    Raises:
        ValueError: no such target.
    """
    data = _named("calibrate", name, target_names(), "target")
    with _complete(f"calibrate/{name}.toml"):
        return Target(
            data["name"],
            data["about"],
            data["engine"]["backend"],
            data["engine"]["file"],
            tuple(data["form"]),
            data["precision"],
            data.get("parity", {}),
            data.get("budget", {}),
            data.get("int8", {}),
            data.get("search", {}),
        )


def sensor_names() -> list[str]:
    """Sensors with a profile."""
    return sorted(_read(_folder("export") / "sensors.toml"))


def load_sensor(name: str) -> Sensor:
    """A sensor by the name of its profile, or by its size, as in ``"320x240"``.

    Raises:
        ValueError: neither.

    >>> load_sensor("320x240")
    Sensor(name='320x240', width=320, height=240, crop=(0, 0, 320, 240))
    """
    size = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", name)
    if size:
        return _sensor(name, int(size[1]), int(size[2]), None)
    profiles = _read(_folder("export") / "sensors.toml")
    if name not in profiles:
        raise ValueError(
            f"unknown sensor {name!r} (a profile, or WIDTHxHEIGHT){closest(name, profiles)}"
        )
    profile = profiles[name]
    with _complete(f"export/sensors.toml: {name}"):
        return _sensor(name, profile["width"], profile["height"], profile.get("crop"))


def _sensor(name: str, width: Any, height: Any, crop: Any) -> Sensor:
    if not all(type(size) is int and 1 <= size <= 65535 for size in (width, height)):
        raise ValueError(f"sensor {name}: sizes must be 1..65535, got {width} x {height}")
    crop = [0, 0, width, height] if crop is None else crop
    if not isinstance(crop, list) or [type(number) for number in crop] != [int] * 4:
        raise ValueError(f"sensor {name}: crop must be four whole numbers, got {crop}")
    x, y, crop_width, crop_height = crop
    if not (0 <= x < x + crop_width <= width and 0 <= y < y + crop_height <= height):
        raise ValueError(f"sensor {name}: the crop reaches out of {width}x{height}, got {crop}")
    return Sensor(name, width, height, (x, y, crop_width, crop_height))


@contextmanager
def _complete(where: str) -> Iterator[None]:
    """These files are there to be edited: say which one lacks what."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{where}: {error.args[0]} is missing") from error


def _folder(name: str) -> Path:
    in_checkout = (_PACKAGE.parent / "runtime" / "include" / "dae.h").is_file()
    return _PACKAGE.parent / name if in_checkout else _PACKAGE / "recipes" / name


def _named(folder: str, name: str, known: list[str], what: str) -> dict[str, Any]:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}{closest(name, known)}")
    return _read(_folder(folder) / f"{name}.toml")


def _read(path: Path) -> dict[str, Any]:
    module = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    toml = require(module, extra="export", purpose="reading recipes")
    try:
        content: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    return content
