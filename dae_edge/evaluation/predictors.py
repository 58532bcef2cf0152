"""What can be judged: whatever gives a depth map for each window of a sequence, in order.

The weights in torch are in ``torch_predictor``. What refuses: windows of another camera than the
model is made for (ContractError, with the command that makes the right one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dae_edge import recipes, student
from dae_edge.bundle import MANIFEST, sha256_of
from dae_edge.datasets import Sample
from dae_edge.errors import ContractError
from dae_edge.model import Model


@dataclass(frozen=True)
class Judged:
    """What was judged, for the record: enough to know whether two results are of the same thing.

    Attributes:
        kind: ``"bundle"``, ``"weights"``, ``"untrained"`` or ``"constant"``.
        model: Name of the recipe; ``"constant"``.
        engine: What computed the depth, with version and settings.
        unit: Of the depth, see ``Depth.unit``.
        path: Where it was read from.
        weights: Where the weights come from.
        sha256: Of the weights.
        bundle_sha256: Of the bundle's manifest, which has those of all its files.
        target: Engine and precision that a bundle was exported for.
        training: ``"zero-shot"``, ``"supervised"`` or ``"distilled"``, as the paper's tables go;
            None where nobody says.
    """

    kind: str
    model: str
    engine: str
    unit: str
    path: str | None = None
    weights: str | None = None
    sha256: str | None = None
    bundle_sha256: str | None = None
    target: str | None = None
    training: str | None = None


class Predictor(Protocol):
    """Depth for the windows of one sequence after another."""

    judged: Judged

    def reset(self) -> None:
        """A sequence begins: forget what came before."""

    def predict(self, sample: Sample) -> NDArray[np.float32]:
        """Depth [h, w] of the part of the image that has true depth; the state moves on."""


class ConstantPredictor:
    """The same depth everywhere: what a model must beat. Aligned, it is each frame's mean depth."""

    def __init__(self) -> None:
        self.judged = Judged("constant", "constant", "numpy", "relative depth")

    def reset(self) -> None:
        """Nothing to forget."""

    def predict(self, sample: Sample) -> NDArray[np.float32]:
        """Ones."""
        return np.ones(sample.depth.shape, np.float32)


class BundlePredictor:
    """A bundle in its engine, whatever its precision: what a robot would run.

    Args:
        model: From ``dae_edge.load``.
    """

    def __init__(self, model: Model) -> None:
        manifest = model.bundle.manifest
        self._model = model
        self._session = model.engine.session()
        self._white = manifest["input"]["background"] == "white"
        self.judged = Judged(
            "bundle",
            model.name,
            model.engine.description,
            model.unit,
            path=str(model.bundle.path),
            weights=manifest["weights"]["source"],
            sha256=manifest["weights"].get("sha256"),
            bundle_sha256=sha256_of(model.bundle.path / MANIFEST),
            target=manifest["target"],
        )

    def reset(self) -> None:
        """Zero state."""
        states = self._model.contract.states
        self._session.restore({state.name: np.zeros(state.shape, state.dtype) for state in states})

    def predict(self, sample: Sample) -> NDArray[np.float32]:
        """Depth of the bundle's crop, which must be the dataset's.

        Raises:
            ContractError: the bundle is made for another sensor or crop.
        """
        self._check(sample)
        self._session.image[...] = network_input(
            sample,
            voxel_bins=self._model.contract.voxel_bins,
            white=self._white,
            cropped=False,
            dtype=np.uint8,
        )
        return self._session.run()

    def _check(self, sample: Sample) -> None:
        contract, manifest = self._model.contract, self._model.bundle.manifest
        height, width = contract.depth_shape
        crop = tuple(manifest["input"].get("crop", (0, 0, width, height)))
        if (contract.sensor, crop) != (sample.sensor, sample.crop):
            raise ContractError(
                f"{self._model.bundle.path}: made for {_in_words(contract.sensor, crop)}, but "
                f"{sample.sequence} has {_in_words(sample.sensor, sample.crop)}: "
                f"{_export_command(manifest, sample)}"
            )


def network_input(
    sample: Sample, *, voxel_bins: int, white: bool, cropped: bool, dtype: Any
) -> NDArray[Any]:
    """What a network sees of a window: the one place here that knows encodings.

    Args:
        sample: The window.
        voxel_bins: Time bins of a voxel grid; 0 for Tencode.
        white: Background of Tencode.
        cropped: Only the part that has depth.
        dtype: Of Tencode: ``uint8`` or ``float32``; voxel grids are float32.

    Raises:
        FormatError: the dataset has voxel grids of other bins.
    """
    if voxel_bins:
        return sample.voxel_grid(voxel_bins, cropped=cropped)
    return sample.tencode(cropped=cropped, white=white, dtype=dtype)


def _in_words(sensor: tuple[int, int], crop: tuple[int, ...]) -> str:
    x, y, width, height = crop
    return f"{sensor[0]}x{sensor[1]} events and {width}x{height} depth from ({x}, {y}) on"


def _export_command(manifest: Any, sample: Sample) -> str:
    shipped, weights = student.shipped(), manifest["weights"]
    own = shipped is not None and weights.get("sha256") == shipped.sha256
    given = "student" if own else "FILE" if weights["trained"] else "seeded"
    return (
        f"dae-export --target {manifest['target']} --model {manifest['model']['name']} "
        f"--weights {given} "
        f"--sensor {_sensor_name(sample)}"
    )


def _sensor_name(sample: Sample) -> str:
    """The profile with this sensor and crop; else its size, which has no crop."""
    width, height = sample.sensor
    for name in recipes.sensor_names():
        profile = recipes.load_sensor(name)
        if (profile.width, profile.height, profile.crop) == (width, height, sample.crop):
            return name
    return f"{width}x{height}"
