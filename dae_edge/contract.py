"""The one owner of the ONNX contract: tensor names, state pairs, metadata, and their check.

In words: export/README.md. Checked after each export or rewrite of a model and at each load, so
that a recurrent state that silently stops moving cannot happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dae_edge.errors import ContractError

VERSION = 1
INPUT = "events"
OUTPUT = "depth"
METADATA_PREFIX = "dae."


@dataclass(frozen=True)
class TensorSpec:
    """Name, element type (numpy's name) and static shape of an input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name!r} {self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class StateSpec:
    """One recurrent state: ``state_in.NAME`` goes in, ``state_out.NAME`` comes out."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def input(self) -> str:
        """Name of the graph input."""
        return f"state_in.{self.name}"

    @property
    def output(self) -> str:
        """Name of the graph output."""
        return f"state_out.{self.name}"


@dataclass(frozen=True)
class Contract:
    """What a model promises: image in, depth out, states in and out.

    Attributes:
        sensor: (width, height) of the event image, pixels.
        depth_shape: (height, width) of the depth map: the sensor's, or the crop's.
        states: In the graph's order; empty for a model without memory.
        voxel_bins: Time bins, for a model that takes voxel grids; 0 for Tencode images.
        frames: It takes RGB frames instead of events.
    """

    sensor: tuple[int, int]
    depth_shape: tuple[int, int]
    states: tuple[StateSpec, ...]
    voxel_bins: int = 0
    frames: bool = False

    @property
    def input(self) -> TensorSpec:
        """The image, or the voxel grid, of one window."""
        width, height = self.sensor
        if self.voxel_bins:
            return TensorSpec(INPUT, "float32", (1, self.voxel_bins, height, width))
        return TensorSpec(INPUT, "uint8", (1, height, width, 3))

    @property
    def encoding(self) -> str:
        """How a window becomes the input: ``"tencode"``, ``"voxel_grid"`` or ``"frame"``."""
        if self.frames:
            return "frame"
        return "voxel_grid" if self.voxel_bins else "tencode"

    def inputs(self) -> list[TensorSpec]:
        """Graph inputs, in order."""
        return [self.input, *(TensorSpec(s.input, s.dtype, s.shape) for s in self.states)]

    def outputs(self) -> list[TensorSpec]:
        """Graph outputs, in order."""
        depth = TensorSpec(OUTPUT, "float32", (1, *self.depth_shape))
        return [depth, *(TensorSpec(s.output, s.dtype, s.shape) for s in self.states)]

    def metadata(self) -> dict[str, str]:
        """What the ONNX file says of itself: string to string, for readers in any language."""
        width, height = self.sensor
        pairs = " ".join(f"{state.input}={state.output}" for state in self.states)
        return {
            f"{METADATA_PREFIX}contract": str(VERSION),
            f"{METADATA_PREFIX}encoding": self.encoding,
            f"{METADATA_PREFIX}sensor": f"{width}x{height}",
            f"{METADATA_PREFIX}states": pairs,
        }

    def check(
        self,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        where: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Compare a model's real inputs, outputs and metadata with the promise.

        Raises:
            ContractError: names the first tensor or key that differs, and in what.
        """
        _check_tensors(f"{where}: inputs", inputs, self.inputs())
        _check_tensors(f"{where}: outputs", outputs, self.outputs())
        for key, wanted in self.metadata().items() if metadata is not None else ():
            got = (metadata or {}).get(key)
            if got != wanted:
                raise ContractError(f"{where}: metadata {key!r}: wanted {wanted!r}, got {got!r}")


def _check_tensors(where: str, got: Sequence[TensorSpec], wanted: Sequence[TensorSpec]) -> None:
    by_name = {spec.name: spec for spec in got}
    for spec in wanted:
        found = by_name.pop(spec.name, None)
        if found is None:
            names = ", ".join(tensor.name for tensor in got)
            raise ContractError(f"{where}: {spec.name!r} is missing (there are: {names})")
        if found != spec:
            raise ContractError(f"{where}: wanted {spec}, got {found}")
    if by_name:
        raise ContractError(f"{where}: not in the contract: {', '.join(by_name)}")
