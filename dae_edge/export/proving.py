"""The proof of a target: its file is made, judged by its budget, and mended where it misses it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dae_edge.backends import Engine, load_engine
from dae_edge.backends.placement import Placement, placement
from dae_edge.bundle import sha256_of
from dae_edge.calibration.budget import Budget, Judge, Judgement, apart
from dae_edge.calibration.forms import Form
from dae_edge.calibration.latency import side_by_side
from dae_edge.calibration.layers import Layer
from dae_edge.calibration.search import Attempt, Found, Memory, Search, blame, read_settings
from dae_edge.calibration.sequences import WindowSequence, digest, shared_windows
from dae_edge.calibration.sets import SAMPLE, held_out_sample, read_sets
from dae_edge.contract import Contract
from dae_edge.finite import finite_only
from dae_edge.recipes import Recipe, Sensor, Target

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

HARM_WINDOWS = 8
"""Over which the harm of one layer is measured."""

BLAME_MINUTES = 1.0
"""For measuring harms where nothing is restored: only to name the cause."""


@dataclass(frozen=True)
class Wishes:
    """What the user says of the proof.

    Attributes:
        budget: Limits instead of the target's, as typed: ``absrel=0.02,delta1=0.01``.
        allow_over: Write the bundle, marked as failed, where a limit is exceeded.
        calibrate_on: Words of ``read_set``; (): the first half of the sample.
        judge_on: The same; (): the second half of the sample.
        root: Folder of a dataset among these.
        minutes: Of the search for layers to restore; None: as the target says; 0: none.
        keep: So many layers stay float, the most harmful, instead of as few as hold the budget.
        memory: Folder in which a search is kept, so that the same export goes on with it.
        threads: Of the engines that are judged.
    """

    budget: str = ""
    allow_over: bool = False
    calibrate_on: tuple[str, ...] = ()
    judge_on: tuple[str, ...] = ()
    root: Path | None = None
    minutes: float | None = None
    keep: int | None = None
    memory: Path | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Proof:
    """What is known of a target's file.

    Attributes:
        judgement: AbsRel, delta1, drift; None for a target without a budget.
        enforced: False for untrained weights: their depth has no meaning that could be lost.
        calibration: On what, by sequence, and its hash; {} where nothing was calibrated.
        kept: Layers that stayed float, by name, with the module and what quantizing each does.
        layers: How many layers were up for quantization.
        search: What was tried; None without a search.
        latency_ms: Medians of one window, side by side; of float32 itself only ``target``.
        placement: What the engine runs; None if it does not tell.
        engine: What was judged.
    """

    judgement: Judgement | None
    enforced: bool
    calibration: dict[str, Any]
    kept: tuple[dict[str, Any], ...]
    layers: int
    search: Found | None
    latency_ms: dict[str, float]
    placement: Placement | None
    engine: Engine

    @property
    def passed(self) -> bool:
        """Within the budget, or without one; depth that is not finite never is."""
        judged = self.judgement
        return judged is None or judged.passed or (judged.finite and not self.enforced)

    def as_dict(self) -> dict[str, Any]:
        """For report.json."""
        return {
            "budget": self.judgement and {"enforced": self.enforced, **self.judgement.as_dict()},
            "calibration": self.calibration,
            "quantized_layers": self.layers - len(self.kept),
            "kept": list(self.kept),
            "search": self.search and finite_only(self.search.as_dict()),
            "engine": self.engine.description,
            "latency_ms": self.latency_ms,
            "placement": self.placement and self.placement.as_dict(),
        }


def judging_backend(target: Target) -> str:
    """The engine in which a target's file is judged here: its own, or for TensorRT, which needs the
    device, ONNX Runtime.
    """
    return "onnxruntime" if target.backend.startswith("tensorrt") else target.backend


class Prover:
    """Makes and judges the files of one target; used once, by the export.

    Args:
        recipe: Of the model.
        sensor: Camera.
        target: To prove.
        contract: Of the model.
        folder: With ``model.onnx`` in it; the target's file is written there.
        trained: Whether the budget counts.
        wishes: The user's.
        progress: Told of the steps.
    """

    def __init__(
        self,
        recipe: Recipe,
        sensor: Sensor,
        target: Target,
        contract: Contract,
        folder: Path,
        *,
        trained: bool,
        wishes: Wishes,
        progress: Steps,
    ) -> None:
        self._recipe, self._sensor, self._target = recipe, sensor, target
        self._contract, self._folder = contract, folder
        self._trained, self._wishes, self._progress = trained, wishes, progress
        self._onnx = folder / "model.onnx"
        where = f"calibrate/{target.name}.toml"
        self.budget: Budget | None = None
        if target.budget:
            self.budget = Budget.read(target.budget, f"{where}: budget").changed(wishes.budget)
        elif wishes.budget:
            raise ValueError(f"--budget: {target.name} is float32 itself, and has no budget")
        if wishes.keep is not None and not target.int8:
            raise ValueError(
                f"--keep: {target.name} has no int8 layers that could be kept in float"
            )
        self._minutes, self._most = read_settings(target.search, f"{where}: search")
        if wishes.minutes is not None:
            self._minutes = wishes.minutes

    def prove(self) -> Proof:
        """Make the file, judge it, and restore layers where INT8 misses.

        Raises:
            ValueError: something that was asked for is not there.
            ContractError: an engine refuses the file.
        """
        calibration = self._calibration()
        form = Form(
            self._target,
            self._onnx,
            self._contract,
            lambda: calibration,
            lambda windows: self._told("calibration", None),
        )
        self._told(self._target.file, None)
        path = form.write(self._folder)
        engine = self._own(path)
        reference = engine if path == self._onnx else self._portable(self._onnx)
        judge, judged, found = None, None, None
        kept: tuple[str, ...] = ()
        if self.budget is not None:
            judge = Judge(reference, self._judged_on(), self.budget, self._told)
            # drift of depth that means nothing is not worth a thousand windows
            judged = judge.whole(engine) if self._trained else judge.accuracy(engine)
            missed = self._trained and not judged.passed
            if form.layers and (missed or self._wishes.keep is not None):
                search = self._search(form, judge, reference)
                search.seen(judged, *self._times(engine, reference, judge.sequences))
                chosen, found = self._chosen(search), search.found
                if chosen is not None:
                    kept = chosen.kept
                    engine = self._own(form.write(self._folder, kept))
                    judged = judge.whole(engine)
        sequences = judge.sequences if judge else self._judged_on()
        latency = self._latency(engine, reference, sequences)
        return Proof(
            judged,
            self._trained,
            self._described(form, sequences),
            self._why(kept, form, found),
            len(form.layers),
            found,
            latency,
            placement(engine),
            engine,
        )

    def _told(self, step: str, part: float | None) -> None:
        self._progress(f"{self._target.name}: {step}", part)

    def _own(self, path: Path) -> Engine:
        """The target's file in the engine that judges it."""
        threads, compute = self._wishes.threads, self._target.precision["compute"]
        backend = judging_backend(self._target)
        return load_engine(backend, path, self._contract, threads=threads, compute=compute)

    def _portable(self, path: Path, compute: str = "float32") -> Engine:
        """An ONNX file in ONNX Runtime."""
        threads = self._wishes.threads
        return load_engine("onnxruntime", path, self._contract, threads=threads, compute=compute)

    def _calibration(self) -> list[WindowSequence]:
        words = self._wishes.calibrate_on or (SAMPLE,)
        return self._read(words) if self._target.int8 else []

    def _judged_on(self) -> list[WindowSequence]:
        if self._wishes.judge_on:
            return self._read(self._wishes.judge_on)
        if self._contract.frames:
            return self._read((SAMPLE,))
        return held_out_sample(self._contract, self._recipe, self._sensor)

    def _read(self, words: Sequence[str]) -> list[WindowSequence]:
        return read_sets(words, self._contract, self._recipe, self._sensor, root=self._wishes.root)

    def _chosen(self, search: Search) -> Attempt | None:
        """Which layers stay float: as many as was wished, or as few as hold the budget."""
        if self._wishes.keep is not None:
            return search.exactly(self._wishes.keep)
        if self._minutes:
            return search.restore()
        search.measure()  # only to name the cause
        return None

    def _described(self, form: Form, judged_on: Sequence[WindowSequence]) -> dict[str, Any]:
        if not form.quantizes:
            return {}
        return {
            "sequences": {one.name: len(one) for one in form.sequences},
            "sha256": digest(form.sequences),
            "also_judged": shared_windows(form.sequences, judged_on),
            "smooth": form.settings.smooth,
            "compensate": form.settings.compensate,
            "weight_bits": form.settings.weight_bits,
            "also": list(form.settings.also),
        }

    def _search(self, form: Form, judge: Judge, reference: Engine) -> Search:
        assert self.budget is not None  # without one there is nothing to miss
        parts = [one.part(0, HARM_WINDOWS) for one in form.sequences[:1]]
        alone = Judge(reference, parts, self.budget)

        def harm(layer: Layer) -> tuple[float, float]:
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".harm") as beside:
                path = Path(beside) / "model.onnx"
                form.write_only(path, layer.name)
                return apart(alone.accuracy(self._portable(path, "int8")))

        def attempt(kept: tuple[str, ...]) -> tuple[Judgement, float, float]:
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".attempt") as beside:
                engine = self._own(form.write(Path(beside), kept))
                judged = judge.whole(engine)
                return judged, *self._times(engine, reference, judge.sequences)

        return Search(
            form.layers,
            self.budget,
            harm=harm,
            attempt=attempt,
            minutes=self._minutes or BLAME_MINUTES,
            most=self._most,
            memory=self._memory(form, judge),
            progress=self._told,
        )

    def _memory(self, form: Form, judge: Judge) -> Memory:
        """Of this search: another model, calibration, judgement or setting is another search."""
        key = hashlib.sha256()
        known = [sha256_of(self._onnx), digest(form.sequences), self._target.name]
        known += [json.dumps(self._target.int8), str(self.budget), digest(judge.sequences)]
        key.update("\n".join(known).encode())
        name = f"{self._recipe.name}-{self._target.name}-{key.hexdigest()[:16]}.json"
        folder = self._wishes.memory
        return Memory(folder / name if folder else None, key.hexdigest())

    def _latency(
        self, engine: Engine, reference: Engine, sequences: Sequence[WindowSequence]
    ) -> dict[str, float]:
        engines = {"target": engine}
        if engine is not reference:
            engines["float32"] = reference
        return side_by_side(engines, sequences[0].images[-1])

    def _times(
        self, engine: Engine, reference: Engine, sequences: Sequence[WindowSequence]
    ) -> tuple[float, float]:
        """In ms, and as a part of float32's."""
        latency = self._latency(engine, reference, sequences)
        return latency["target"], latency["target"] / latency["float32"]

    def _why(
        self, kept: tuple[str, ...], form: Form, found: Found | None
    ) -> tuple[dict[str, Any], ...]:
        harms = {harm.layer: harm for harm in found.harms} if found else {}
        about = {layer.name: layer.about for layer in form.layers}
        return tuple(
            {
                "layer": name,
                "module": about[name],
                "absrel_alone": harms[name].absrel,
                "delta1_alone": harms[name].delta1,
            }
            for name in kept
        )


def complaint(target: Target, proof: Proof, budget: Budget) -> str:
    """Why there is no bundle, in one line."""
    assert proof.judgement is not None  # it was judged, or it could not have failed
    over = "; ".join(str(check) for check in proof.judgement.over[:4])
    text = f"{target.name}: over its budget, no bundle written: {over}"
    if proof.search is not None and proof.search.harms:
        text += f". Most harm: {blame(proof.search.harms, budget)}"
        if proof.search.attempts:
            text += f". {len(proof.search.attempts)} choices of layers to restore did not hold it"
    return text
