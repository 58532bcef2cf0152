"""TensorRT's Python module, and in one place all in which 10.x, 11.x and RTX differ."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from dae_edge.backends.tensorrt.listeners import logger_of
from dae_edge.errors import MissingExtraError
from dae_edge.hints import closest

MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx_bindings"}
"""Python module by flavour."""

OLDEST = (10, 3)
"""Of JetPack 6. TensorRT for RTX has version numbers of its own, from 1.0 on."""

_INSTALL = {
    "tensorrt": "on a Jetson it comes with JetPack (sudo apt install python3-libnvinfer, and a "
    "virtual environment made with --system-site-packages); elsewhere: "
    "pip install 'dae-edge[tensorrt]'",
    "tensorrt-rtx": "pip install 'dae-edge[rtx]'",
}
_NAMES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "FP8": "float8", "FP4": "float4",
    "INT4": "int4", "INT8": "int8", "UINT8": "uint8", "INT32": "int32", "INT64": "int64",
    "BOOL": "bool",
}  # fmt: skip
INSPECTED_TENSORS = ("I/O Tensors", "Bindings")
"""Where the engine inspector's JSON lists inputs and outputs: from TensorRT 11 on, and before."""


@dataclass(frozen=True)
class Api:
    """One flavour and version of TensorRT.

    Attributes:
        module: The Python module.
        flavour: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        version: As it says itself, e.g. ``"10.3.0"``.
    """

    module: Any
    flavour: str
    version: str

    @property
    def name(self) -> str:
        """For people, e.g. ``"TensorRT 10.3.0"``."""
        return f"{_NAMES[self.flavour]} {self.version}"

    @property
    def logger(self) -> Any:
        """The log that every object of this module gets."""
        return logger_of(self.module)

    @property
    def portable(self) -> bool:
        """Plans are built without a GPU, for named compute capabilities. RTX only."""
        return self.flavour == "tensorrt-rtx"

    @property
    def keeps_timings(self) -> bool:
        """There is a timing cache. RTX measures nothing when it builds, and has none."""
        return self.flavour == "tensorrt"

    @property
    def network_flags(self) -> int:
        """Bits for ``create_network``: strongly typed, where that is not the only way there is."""
        if self.flavour == "tensorrt" and release_of(self.version) < (11, 0):
            return 1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return 0

    def compute_capability(self, name: str) -> Any:
        """RTX's constant for e.g. ``"SM86"``.

        Raises:
            ValueError: this version knows no such capability.
        """
        known = self.compute_capabilities()
        if name not in (*known, "CURRENT"):
            raise ValueError(f"{self.name} does not build for {name!r}{closest(name, known)}")
        return getattr(self.module.ComputeCapability, name)

    def compute_capabilities(self) -> list[str]:
        """What RTX can build for, e.g. ``["SM75", "SM80", ...]``; empty for TensorRT."""
        names = dir(getattr(self.module, "ComputeCapability", None))
        return sorted((n for n in names if re.fullmatch(r"SM\d+", n)), key=lambda n: int(n[2:]))

    def dtype(self, value: Any) -> str:
        """numpy's name of one of TensorRT's element types, as far as numpy has one."""
        name = str(value.name)
        return _DTYPES.get(name, name.lower())


def load_api(flavour: str) -> Api:
    """Load TensorRT.

    Args:
        flavour: ``"tensorrt"`` or ``"tensorrt-rtx"``.

    Raises:
        ValueError: no such flavour.
        MissingExtraError: not installed, its libraries are missing, or it is too old.
    """
    if flavour not in MODULES:
        raise ValueError(f"unknown TensorRT flavour {flavour!r}{closest(flavour, list(MODULES))}")
    name = _NAMES[flavour]
    try:
        module = importlib.import_module(MODULES[flavour])
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{name} is not installed: {_INSTALL[flavour]}") from error
    except (ImportError, OSError) as error:  # it is there, its shared libraries are not
        line = " ".join(str(error).split())
        raise MissingExtraError(f"{name} cannot load: {line}: {_INSTALL[flavour]}") from error
    version = str(getattr(module, "__version__", ""))
    if not re.match(r"\d+\.\d+", version) or not hasattr(module, "Builder"):
        raise MissingExtraError(f"{name}: {module!r} has no builder: {_INSTALL[flavour]}")
    if flavour == "tensorrt" and release_of(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingExtraError(f"{name} {version} is too old: {oldest} or later is needed")
    return Api(module, flavour, version)


def release_of(version: str) -> tuple[int, int]:
    """(major, minor).

    >>> release_of("10.13.3.9.post1")
    (10, 13)
    """
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
