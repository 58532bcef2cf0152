"""From the portable ONNX to a target's file: the passes that calibrate/NAME.toml lists, in order.

``int8``: Q/DQ before layers. ``weights``: only their weights in int8, uncalibrated. ``half``: FP16,
strongly typed. ``ir``: OpenVINO's IR. ``ir-half``: the same with weights in float16. ``nncf``: an
INT8 IR by NNCF. No pass: ``model.onnx`` itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from dae_edge.calibration import graph
from dae_edge.calibration.half import to_half
from dae_edge.calibration.int8 import Int8, Settings
from dae_edge.calibration.layers import Layer, quantizable
from dae_edge.calibration.openvino_ir import write_int8, write_ir
from dae_edge.calibration.qdq import weights_to_int8
from dae_edge.calibration.sequences import WindowSequence
from dae_edge.contract import Contract
from dae_edge.hints import closest
from dae_edge.recipes import Target

PASSES = ("int8", "weights", "half", "ir", "ir-half", "nncf")


class Form:
    """Makes a target's file, for any choice of layers that stay float; calibrated at most once.

    Args:
        target: Says which passes.
        onnx: The portable file.
        contract: Its tensors.
        calibration: Sequences to calibrate on; asked for only where a pass needs them.
        progress: Told of the number of calibration windows done.

    Raises:
        ValueError: the target lists a pass or a setting that is not known.
    """

    def __init__(
        self,
        target: Target,
        onnx: Path,
        contract: Contract,
        calibration: Callable[[], Sequence[WindowSequence]],
        progress: Callable[[int], None] = lambda windows: None,
    ) -> None:
        for name in target.form:
            if name not in PASSES:
                raise ValueError(f"{target.name}: no pass {name!r}{closest(name, PASSES)}")
        self._target, self._onnx, self._contract = target, onnx, contract
        self.settings = read_settings(target)
        self.calibrated: Int8 | None = None
        self.sequences: Sequence[WindowSequence] = ()
        if self.quantizes:
            self.sequences = [sequence.part(0, self.settings.windows) for sequence in calibration()]
            # NNCF calibrates by itself; the layers' names and harms are the same
            self.calibrated = Int8(onnx, contract, self.sequences, self.settings, progress)

    @property
    def quantizes(self) -> bool:
        """Whether it has to be calibrated."""
        return "int8" in self._target.form or "nncf" in self._target.form

    @property
    def layers(self) -> list[Layer]:
        """What it quantizes."""
        return self.calibrated.layers if self.calibrated else []

    def write(self, folder: Path, keep: Collection[str] = ()) -> Path:
        """Write the target's file into a folder; ``keep`` names layers that stay float."""
        path = folder / self._target.file
        passes = list(self._target.form)
        if not passes:
            return self._onnx
        if passes[0] == "nncf":
            write_int8(self._onnx, path, self._contract, self.sequences, self.settings, keep=keep)
            return path
        with tempfile.TemporaryDirectory(dir=folder, prefix=".form") as beside:
            onnx = self._onnx_form(passes, Path(beside), keep)
            if "ir" in passes or "ir-half" in passes:
                write_ir(onnx, path, half="ir-half" in passes)
            else:
                onnx.replace(path)
        return path

    def _onnx_form(self, passes: list[str], folder: Path, keep: Collection[str]) -> Path:
        """The passes on ONNX."""
        if not {"int8", "weights", "half"} & set(passes):
            return self._onnx
        model: Any = graph.load(self._onnx)
        if self.calibrated is not None:
            model = self.calibrated.model(keep)
        if "weights" in passes:
            model = weights_to_int8(model, quantizable(model))
        if "half" in passes:
            model = to_half(model, self._contract)
        path = folder / "model.onnx"
        graph.save(model, path)
        return path

    def write_only(self, path: Path, layer: str) -> None:
        """A model in which one layer alone is quantized, for ONNX Runtime."""
        assert self.calibrated is not None  # only what is calibrated has layers
        graph.save(self.calibrated.model(only=(layer,)), path)


def read_settings(target: Target) -> Settings:
    """A target's ``[int8]``.

    Raises:
        ValueError: a setting that is not known, or out of range.
    """
    where = f"calibrate/{target.name}.toml: int8"
    for name in target.int8:
        if name not in Settings._fields:
            raise ValueError(f"{where}: no setting {name!r}{closest(name, Settings._fields)}")
    given: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in target.int8.items()}
    settings = Settings(**given)
    if type(settings.windows) is not int or settings.windows < 1:
        raise ValueError(f"{where}: windows: wanted at least 1, got {settings.windows!r}")
    if not isinstance(settings.smooth, int | float) or not 0 <= settings.smooth < 1:
        raise ValueError(f"{where}: smooth: wanted 0 .. 1, got {settings.smooth!r}")
    if type(settings.compensate) is not bool:
        raise ValueError(f"{where}: compensate: wanted true or false, got {settings.compensate!r}")
    if settings.compensate and "nncf" in target.form:
        raise ValueError(f"{where}: compensate: wanted false, as NNCF rounds to the nearest")
    if settings.weight_bits not in (7, 8):
        raise ValueError(f"{where}: weight_bits: wanted 7 or 8, got {settings.weight_bits!r}")
    return settings
