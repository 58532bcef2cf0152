"""What to compare with: the same model in other hands, on the same windows, in the same processes.

Subjects for ``dae_edge.bench`` (see ``subjects.Subject``): torch, ONNX Runtime and OpenVINO as
their manuals show them, and the bare engine call beside our own path. Events are encoded by our
encoder in all of them, because none of the others has one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge import bundle as bundles
from dae_edge.bench.case import Case
from dae_edge.bench.subjects import BundleSubject, Step
from dae_edge.bench.windows import Windows
from dae_edge.events import Events
from dae_edge.recipes import Sensor, load_recipe
from dae_edge.windows import open_windows


class Encoded:
    """Windows encoded as for the bundle of the case; what infers is a subclass's affair."""

    engine = ""

    def __init__(self, case: Case) -> None:
        assert case.bundle is not None
        self.case = case
        self.bundle = bundles.read(case.bundle)
        self.contract = self.bundle.contract
        self.sensor = self.contract.sensor
        self.window_us = case.window_us or int(self.bundle.manifest["input"]["window_us"])

    def open(self, windows: Windows) -> None:
        """Zero state; the first event."""
        self._encoder = open_windows(
            self.contract,
            window_us=self.window_us,
            hop_us=windows.hop_us,
            origin_us=windows.origin_us,
            white=self.bundle.manifest["input"]["background"] == "white",
        )
        spec = self.contract.input
        self.image: NDArray[Any] = np.zeros(spec.shape, spec.dtype)
        self.states = {s.input: np.zeros(s.shape, s.dtype) for s in self.contract.states}
        self._encoder.push(windows.opening)

    def step(self, packet: Events) -> list[Step]:
        """Encode and infer each window that ends with the packet."""
        steps, offset = [], 0
        began = perf_counter_ns()
        while True:
            used, ready = self._encoder.push(packet, offset)
            offset += used
            if not ready:
                return steps
            events = self._encoder.window()["events"]
            if not events:
                continue
            self._encoder.render(self.image[0])
            encoded = perf_counter_ns()
            self.infer()
            ended = perf_counter_ns()
            stages = {"encode": (encoded - began) / 1e3, "infer": (ended - encoded) / 1e3}
            steps.append({**stages, "total": (ended - began) / 1e3, "events": float(events)})
            began = perf_counter_ns()

    def newest(self, packet: Events) -> tuple[int, int]:
        """Peers do not catch up."""
        return len(self.step(packet)), 0

    def infer(self) -> NDArray[np.float32]:
        """Depth of ``image``; ``states`` move on."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """For the record."""
        manifest = self.bundle.manifest
        return {
            "model": manifest["model"]["name"],
            "target": "peer",
            "engine": self.engine,
            "unit": manifest["output"]["unit"],
            "trained": manifest["weights"]["trained"],
            "sensor": list(self.sensor),
            "weights_sha256": manifest["weights"].get("sha256"),
        }


class TorchEager(Encoded):
    """The model itself, with all that the contract puts around it."""

    compiled = False

    def load(self) -> None:
        """Build and fill the network."""
        import torch

        from dae_edge.export.graph import ContractGraph
        from dae_edge.export.model import prepare

        torch.set_num_threads(self.case.threads or torch.get_num_threads())
        manifest, options = self.bundle.manifest, self.case.options or {}
        weights = Path(options["weights"]) if options.get("weights") else None
        recipe = load_recipe(manifest["model"]["name"])
        prepared = prepare(recipe, weights)
        width, height = self.sensor
        sensor = Sensor("bench", width, height, tuple(manifest["input"]["crop"]))
        graph = ContractGraph(prepared.model, sensor, voxel_bins=self.contract.voxel_bins).eval()
        self._graph = graph
        self._torch = torch
        self._run: Any = torch.compile(graph) if self.compiled else graph
        self.engine = f"torch {torch.__version__} {'compiled' if self.compiled else 'eager'}"

    def open(self, windows: Windows) -> None:
        """See ``Encoded.open``."""
        super().open(windows)
        height, width = self.contract.depth_shape
        self._state = self._graph.model.zero_state(height, width)

    def infer(self) -> NDArray[np.float32]:
        """See ``Encoded.infer``."""
        with self._torch.inference_mode():
            depth, self._state = self._run(self._torch.from_numpy(self.image), self._state)
            values: NDArray[np.float32] = depth[0].numpy()
        return values


class TorchCompiled(TorchEager):
    """The same through ``torch.compile``."""

    compiled = True


class PlainOnnxRuntime(Encoded):
    """The portable file in ONNX Runtime, as its manual shows it: arrays in, arrays out."""

    def load(self) -> None:
        """Open the file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.case.threads or 0
        path = self.bundle.file(self.bundle.manifest["onnx"])
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self.engine = f"onnxruntime {onnxruntime.__version__}, run(None, arrays)"

    def infer(self) -> NDArray[np.float32]:
        """See ``Encoded.infer``."""
        values = self._session.run(None, {"events": self.image, **self.states})
        told = dict(zip(self._names, values, strict=True))
        self.states = {s.input: told[s.output] for s in self.contract.states}
        depth: NDArray[np.float32] = told["depth"][0]
        return depth


class PlainOpenVino(Encoded):
    """The portable file in OpenVINO in float32, as its manual shows it: arrays in, arrays out."""

    def load(self) -> None:
        """Compile the file."""
        import openvino

        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        if self.case.threads:
            settings["INFERENCE_NUM_THREADS"] = self.case.threads
        path = self.bundle.file(self.bundle.manifest["onnx"])
        self._model = openvino.compile_model(str(path), "CPU", settings)
        self.engine = f"openvino {openvino.__version__.split('-')[0]} f32, model(arrays)"

    def infer(self) -> NDArray[np.float32]:
        """See ``Encoded.infer``."""
        told = self._model({"events": self.image, **self.states})
        self.states = {s.input: np.array(told[s.output]) for s in self.contract.states}
        depth: NDArray[np.float32] = np.array(told["depth"][0])
        return depth


class BesideBare(BundleSubject):
    """A bundle, and beside each window the bare call of the very engine on the same image."""

    def load(self) -> None:
        """See ``Subject.load``; the bare call has its own bindings on the same compiled model."""
        super().load()
        contract, engine = self.model.contract, self.model.engine
        arrays = [np.zeros(spec.shape, spec.dtype) for spec in contract.inputs()]
        outputs = [np.zeros(spec.shape, spec.dtype) for spec in contract.outputs()]
        self._image = arrays[0]
        self._kept = (arrays, outputs)
        compiled: Any = getattr(engine, "compiled", None)
        if compiled is not None:
            request = compiled.create_infer_request()
            for spec, array in zip(contract.inputs(), arrays, strict=True):
                request.set_tensor(spec.name, engine.openvino.Tensor(array, shared_memory=True))
            for spec, array in zip(contract.outputs(), outputs, strict=True):
                request.set_tensor(spec.name, engine.openvino.Tensor(array, shared_memory=True))
            self._bare: Any = request.infer
            return
        session: Any = engine.session_
        binding = session.io_binding()
        for spec, array in zip(contract.inputs(), arrays, strict=True):
            binding.bind_ortvalue_input(spec.name, engine.value(array))
        for spec, array in zip(contract.outputs(), outputs, strict=True):
            binding.bind_ortvalue_output(spec.name, engine.value(array))
        self._bare = lambda: session.run_with_iobinding(binding)

    def step(self, packet: Events) -> list[Step]:
        """See ``Subject.step``; ``bare`` is the engine's call alone."""
        steps = super().step(packet)
        self._image[0] = self._stream.image
        for step in steps:
            began = perf_counter_ns()
            self._bare()
            step["bare"] = (perf_counter_ns() - began) / 1e3
        return steps


def benchmark_app(bundle: Path, *, threads: int, seconds: int = 5) -> dict[str, Any]:
    """OpenVINO's own tool on a bundle's file: its median in milliseconds, inputs of random numbers.

    Raises:
        RuntimeError: it failed.
    """
    manifest = bundles.read(bundle).manifest
    compute = manifest.get("precision", {}).get("compute", "float32")
    tool = Path(sys.executable).with_name("benchmark_app")
    options = ["-d", "CPU", "-hint", "none", "-api", "sync", "-nstreams", "1"]
    options += ["-nthreads", str(threads), "-t", str(seconds)]
    options += ["-infer_precision", "bf16" if compute.endswith("bfloat16") else "f32"]
    command = [str(tool), "-m", str(bundle / manifest["engine"]["file"]), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Median:\s+([\d.]+) ms", done.stdout)
    if done.returncode or not found:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise RuntimeError(f"benchmark_app: {lines[-1] if lines else 'no output'}")
    words = " ".join(["benchmark_app", *options])
    return {"median_ms": float(found[1]), "threads": threads, "options": words}
