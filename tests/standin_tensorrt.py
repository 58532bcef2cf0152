"""A stand-in for the module tensorrt, and the driver (standin_cuda.c) that it runs on: no GPU.

It has only the calls of TensorRT 10.3 to 11.x that dae_edge makes, with what differs between them,
and those of TensorRT for RTX, whose real builder needs no GPU but whose runtime does.
A "plan" is the ONNX file with a header; "running" it is ONNX Runtime on the memory at the addresses
that were set. It is strict about order: parse before build, addresses before a run, a run before a
capture, nothing while it is freed. What happened is in ``trace``. ``failing`` names a step that
goes wrong: builder, parser, build, plan, context, run, capture, compiling, wrong, nan.
"""

from __future__ import annotations

import ctypes
import enum
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime

HEADER = b"stand-in plan "
TIMINGS = b"stand-in timings "
_TYPES = {1: "FLOAT", 2: "UINT8", 3: "INT8", 6: "INT32", 7: "INT64", 9: "BOOL", 10: "HALF"}
_NUMPY = {"FLOAT": np.float32, "UINT8": np.uint8, "HALF": np.float16}
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_long)


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO = range(4)


class DataType(enum.IntEnum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8, FP8, BF16, INT64 = range(9)


class Mode(enum.IntEnum):
    NONE, INPUT, OUTPUT = range(3)


def build_cuda(folder: Path) -> Path | None:
    """Compile the stand-in of the driver; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = folder / "libcuda_standin.so"
    source = Path(__file__).with_name("standin_cuda.c")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    return library


def load_cuda(path: Path) -> ctypes.CDLL:
    """The stand-in of the driver, for its own questions: what is alive, what shall fail."""
    library = ctypes.CDLL(str(path))
    library.standin_owns.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
    library.standin_enqueue.argtypes = [ctypes.c_void_p, _CALLBACK, ctypes.c_long]
    library.standin_capturing.argtypes = [ctypes.c_void_p]
    library.standin_fail.argtypes = [ctypes.c_char_p, ctypes.c_int]
    return library


class StandinTensorRt:
    """One installed TensorRT: ``module`` is what ``import tensorrt`` gives."""

    def __init__(self, version: str, cuda: ctypes.CDLL, failing: str = "") -> None:
        self.version = version
        major = int(version.split(".")[0])
        self.rtx = major < 10  # it has version numbers of its own
        self.new = self.rtx or major >= 11
        self.cuda = cuda
        self.failing = failing
        self.trace: list[str] = []
        self.runs: list[dict[str, int]] = []
        self.timings = 0
        self.module = _module(self)

    def did(self, *steps: str) -> bool:
        """Did these steps happen, in this order?"""
        position = iter(self.trace)
        return all(step in position for step in steps)


def _module(standin: StandinTensorRt) -> ModuleType:
    module = ModuleType("tensorrt")
    typed = 0 if standin.new else 1
    flags = {"TF32": 7, **({} if standin.new else {"FP16": 0, "INT8": 1})}

    class ILogger:
        def __init__(self):
            self.constructed = True

    class IProgressMonitor:
        def __init__(self):
            self.constructed = True

    module.__version__ = standin.version
    module.ILogger, module.IProgressMonitor = ILogger, IProgressMonitor
    module.DataType, module.TensorIOMode = DataType, Mode
    module.NetworkDefinitionCreationFlag = enum.IntEnum(
        "NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": typed}
    )
    module.BuilderFlag = enum.IntEnum("BuilderFlag", flags)
    if standin.rtx:
        capabilities = {"NONE": 0, "CURRENT": 1, "SM86": 86, "SM89": 89}
        module.ComputeCapability = enum.IntEnum("ComputeCapability", capabilities)
    module.MemoryPoolType = enum.IntEnum("MemoryPoolType", {"WORKSPACE": 0})
    module.ProfilingVerbosity = enum.IntEnum("ProfilingVerbosity", {"NONE": 0, "DETAILED": 2})
    module.LayerInformationFormat = enum.IntEnum("LayerInformationFormat", {"JSON": 1})
    module.Builder = lambda logger: _Builder(standin, _checked(logger, ILogger))
    module.OnnxParser = lambda network, logger: _Parser(network, _checked(logger, ILogger))
    module.Runtime = lambda logger: _Runtime(standin, _checked(logger, ILogger))
    return module


def _checked(logger, base):
    assert isinstance(logger, base), "not a logger"
    assert logger.constructed, "the base class was not constructed"
    return logger


# ---- Building ------------------------------------------------------------------------------------


class _Builder:
    def __init__(self, standin, logger):
        if standin.failing == "builder":
            logger.log(Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self.standin, self.logger = standin, logger
        standin.trace.append("builder")

    def create_network(self, flags=0):
        assert flags == (0 if self.standin.new else 1 << 1), "not strongly typed"
        return _Network(self)

    def create_builder_config(self):
        return _Config(self.standin)

    def build_serialized_network(self, network, config):
        standin = self.standin
        assert network.model is not None, "built before it was parsed"
        assert config.workspace, "no limit on the workspace"
        assert "TF32" in config.cleared
        assert config.profiling_verbosity == 2
        capabilities = [capability.name for capability in config.capabilities]
        assert capabilities == (["CURRENT"] if standin.rtx else [])
        if not self._report(config.progress_monitor):
            self.logger.log(Severity.ERROR, "Process was cancelled by the progress monitor")
            return None
        standin.trace.append("build")
        if config.timing_cache is not None:
            known = config.timing_cache.content.endswith(b"all")
            standin.timings += 0 if known else 1
            config.timing_cache.content = config.timing_cache.header + b"all"
        self.logger.log(Severity.WARNING, "A tactic was skipped: it needs more workspace")
        if standin.failing == "build":
            self.logger.log(Severity.ERROR, "Error Code 10: Could not find any\nimplementation")
            return None
        about = {"version": standin.version}
        return HEADER + json.dumps(about).encode() + b"\n" + network.model.SerializeToString()

    def _report(self, monitor):
        assert monitor.constructed, "the base class was not constructed"
        monitor.phase_start("Building engine", None, 2)
        go_on = monitor.step_complete("Building engine", 0)
        monitor.phase_start("Timing tactics", "Building engine", 4)
        for step in range(4):
            go_on = go_on and monitor.step_complete("Timing tactics", step)
        monitor.phase_finish("Timing tactics")
        go_on = go_on and monitor.step_complete("Building engine", 1)
        monitor.phase_finish("Building engine")
        return go_on


class _Config:
    def __init__(self, standin):
        self._standin = standin
        self.workspace, self.cleared, self.timing_cache = 0, set(), None
        self.progress_monitor, self.profiling_verbosity = None, 0
        self.num_compute_capabilities, self.capabilities = 0, []

    def set_compute_capability(self, capability, index):
        assert index == len(self.capabilities) < self.num_compute_capabilities
        self.capabilities.append(capability)
        return True

    def set_memory_pool_limit(self, pool, size):
        self.workspace = size

    def clear_flag(self, flag):
        self.cleared.add(flag.name)

    def create_timing_cache(self, content):
        assert not self._standin.rtx, "deprecated there"
        header = TIMINGS + self._standin.version.encode() + b" "
        if content and not content.startswith(TIMINGS):
            return None  # what the binding makes of a damaged one
        cache = SimpleNamespace(content=content or header, header=header)
        cache.serialize = lambda: cache.content
        return cache

    def set_timing_cache(self, cache, ignore_mismatch):
        if not cache.content.startswith(cache.header):
            return False
        self.timing_cache = cache
        return True

    def get_timing_cache(self):
        return self.timing_cache


class _Network:
    def __init__(self, builder):
        self.builder, self.model, self.layers = builder, None, []

    num_layers = property(lambda self: len(self.layers))
    num_inputs = property(lambda self: len(self.model.graph.input))
    num_outputs = property(lambda self: len(self.model.graph.output))

    def get_layer(self, index):
        return self.layers[index]

    def get_input(self, index):
        return _tensor(self.model.graph.input[index])

    def get_output(self, index):
        return _tensor(self.model.graph.output[index])

    def _fill(self, model):
        inferred = onnx.shape_inference.infer_shapes(model).graph
        values = [*inferred.value_info, *inferred.input, *inferred.output]
        types = {v.name: v.type.tensor_type.elem_type for v in values}
        types |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
        self.model = model
        self.layers = [_Layer(node, types) for node in inferred.node]


class _Layer:
    def __init__(self, node, types):
        self.name = node.name
        kinds = {"DequantizeLinear": "DEQUANTIZE", "QuantizeLinear": "QUANTIZE"}
        self.type = SimpleNamespace(name=kinds.get(node.op_type, node.op_type.upper()))
        self._in = [_named(name, types.get(name, 1)) for name in node.input]
        self._out = [_named(name, types.get(name, 1)) for name in node.output]
        self.num_inputs = len(self._in)

    def get_input(self, index):
        return self._in[index]

    def get_output(self, index):
        return self._out[index]


def _named(name, kind):
    return SimpleNamespace(name=name, dtype=DataType[_TYPES.get(kind, "FLOAT")])


def _tensor(value):
    return _named(value.name, value.type.tensor_type.elem_type)


class _Parser:
    def __init__(self, network, logger):
        self._network, self._errors = network, []
        network.builder.standin.trace.append("parser")

    num_errors = property(lambda self: len(self._errors))

    def parse_from_file(self, path):
        standin = self._network.builder.standin
        standin.trace.append("parse")
        if standin.failing == "parser":
            self._errors = [_error("Transpose", "node_7"), _error("Resize", "node_9")]
            return False
        self._network._fill(onnx.load(path))
        return True

    def get_error(self, index):
        return self._errors[index]


def _error(operator, name):
    return SimpleNamespace(
        desc=lambda: f"Invalid Node - {name}\nuint8 is not supported",
        node_name=lambda: name,
        node_operator=lambda: operator,
    )


# ---- Running -------------------------------------------------------------------------------------


class _Runtime:
    def __init__(self, standin, logger):
        self._standin, self._logger = standin, logger

    def deserialize_cuda_engine(self, plan):
        standin = self._standin
        standin.trace.append("deserialise")
        assert standin.cuda.standin_depth() > 0, "no context is current"
        head, _, model = bytes(plan).partition(b"\n")
        assert head.startswith(HEADER), "a plan that TensorRT did not write was loaded"
        about = json.loads(head[len(HEADER) :])
        if standin.failing == "plan" or about["version"] != standin.version:
            self._logger.log(Severity.ERROR, "The engine plan file is not compatible")
            return None
        return _Engine(standin, self._logger, model)


class _Engine:
    def __init__(self, standin, logger, model):
        self.standin, self.logger = standin, logger
        self.model = onnx.load_from_string(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options)
        self.values = {v.name: (v, Mode.INPUT) for v in self.model.graph.input}
        self.values |= {v.name: (v, Mode.OUTPUT) for v in self.model.graph.output}

    num_io_tensors = property(lambda self: len(self.values))

    def get_tensor_name(self, index):
        return list(self.values)[index]

    def get_tensor_mode(self, name):
        return self.values[name][1]

    def get_tensor_dtype(self, name):
        return _tensor(self.values[name][0]).dtype

    def get_tensor_shape(self, name):
        return [size.dim_value for size in self.values[name][0].type.tensor_type.shape.dim]

    def create_execution_context(self):
        if self.standin.failing == "context":
            self.logger.log(Severity.ERROR, "OutOfMemory: requested 8 GB")
            return None
        return _RtxContext(self) if self.standin.rtx else _Context(self)

    def create_engine_inspector(self):
        key = "I/O Tensors" if self.standin.new else "Bindings"
        tensors = [
            {"Name": name, "Format/Datatype": "Row major linear FP32 format"}
            for name in self.values
        ]
        half = [{"Name": "x", "Dimensions": [1, 4], "Format/Datatype": "Half"}]
        int8 = [{"Name": "x", "Format/Datatype": "Thirty-two wide row major Int8 format."}]
        layers = [
            {"Name": "gemm", "LayerType": "gemm", "Inputs": half, "Outputs": half},
            {"Name": "conv", "LayerType": "CaskConvolution", "Inputs": int8, "Outputs": half},
            {"Name": "cast", "LayerType": "Reformat", "Inputs": tensors[:1], "Outputs": half},
        ]
        text = json.dumps({"Layers": layers, key: tensors})
        return SimpleNamespace(get_engine_information=lambda kind: text)


class _Context:
    def __init__(self, engine):
        self._engine, self._addresses, self._ran = engine, {}, False
        self._bytes = {
            name: _NUMPY[engine.get_tensor_dtype(name).name]().nbytes
            * int(np.prod(engine.get_tensor_shape(name)))
            for name in engine.values
        }
        self._callbacks = []

    def set_tensor_address(self, name, address):
        assert self._engine.standin.cuda.standin_owns(address, self._bytes[name], 1), name
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle):
        standin = self._engine.standin
        capturing = bool(standin.cuda.standin_capturing(stream_handle))
        assert set(self._addresses) == set(self._engine.values), "an address was never set"
        assert len(set(self._addresses.values())) == len(self._addresses), "two in one place"
        assert self._ran or not capturing, "captured before it ever ran"
        standin.trace.append("capture" if capturing else "enqueue")
        if standin.failing == "run" or (standin.failing == "capture" and capturing):
            self._engine.logger.log(Severity.ERROR, "operation not permitted")
            return False
        self._ran = True
        addresses = dict(self._addresses)  # as they are now, as in a graph
        callback = _CALLBACK(lambda _: self._execute(addresses))
        self._callbacks.append(callback)
        return standin.cuda.standin_enqueue(stream_handle, callback, 0) == 0

    def _execute(self, addresses):
        standin = self._engine.standin
        standin.trace.append("run")
        standin.runs.append(addresses)
        arrays = {name: self._array(name, address) for name, address in addresses.items()}
        feeds = {n: arrays[n] for n, (_, mode) in self._engine.values.items() if mode == Mode.INPUT}
        names = [n for n, (_, mode) in self._engine.values.items() if mode == Mode.OUTPUT]
        for name, value in zip(names, self._engine.session.run(names, feeds), strict=True):
            arrays[name][...] = value
        if standin.failing == "wrong":
            arrays["depth"][...] *= 1.5
        if standin.failing == "nan" and len(standin.runs) > 3:
            arrays["state_out.layer1.cell"].flat[0] = np.nan

    def _array(self, name, address):
        assert self._engine.standin.cuda.standin_owns(address, self._bytes[name], 1), name
        kind = _NUMPY[self._engine.get_tensor_dtype(name).name]
        memory = (ctypes.c_ubyte * self._bytes[name]).from_address(address)
        return np.frombuffer(memory, kind).reshape(self._engine.get_tensor_shape(name))


class _RtxContext(_Context):
    def is_stream_capturable(self, stream_handle):
        assert self._ran, "asked before it ever ran"
        return self._engine.standin.failing != "compiling"


REAL = {
    "Builder": _Builder,
    "IBuilderConfig": _Config,
    "INetworkDefinition": _Network,
    "OnnxParser": _Parser,
    "Runtime": _Runtime,
    "ICudaEngine": _Engine,
    "IExecutionContext": _RtxContext,
}
"""What each class stands in for."""
