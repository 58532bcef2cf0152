"""The few calls to CUDA's driver that running an engine takes, through ctypes.

The driver's library is there wherever a GPU can be used; the toolkit need not be. Every call that
fails is an exception. Whatever is allocated frees itself when nothing refers to it any more.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

_Pointer = c_uint64  # CUdeviceptr
_FUNCTIONS: dict[str, list[Any]] = {
    "cuInit": [c_uint],
    "cuDriverGetVersion": [POINTER(c_int)],
    "cuDeviceGet": [POINTER(c_int), c_int],
    "cuDeviceGetName": [c_char_p, c_int, c_int],
    "cuDeviceGetAttribute": [POINTER(c_int), c_int, c_int],
    "cuDevicePrimaryCtxRetain": [POINTER(c_void_p), c_int],
    "cuDevicePrimaryCtxRelease_v2": [c_int],
    "cuCtxPushCurrent_v2": [c_void_p],
    "cuCtxPopCurrent_v2": [POINTER(c_void_p)],
    "cuMemAlloc_v2": [POINTER(_Pointer), c_size_t],
    "cuMemFree_v2": [_Pointer],
    "cuMemHostAlloc": [POINTER(c_void_p), c_size_t, c_uint],
    "cuMemFreeHost": [c_void_p],
    "cuMemcpyHtoDAsync_v2": [_Pointer, c_void_p, c_size_t, c_void_p],
    "cuMemcpyDtoHAsync_v2": [c_void_p, _Pointer, c_size_t, c_void_p],
    "cuMemsetD8Async": [_Pointer, c_ubyte, c_size_t, c_void_p],
    "cuStreamCreate": [POINTER(c_void_p), c_uint],
    "cuStreamDestroy_v2": [c_void_p],
    "cuStreamSynchronize": [c_void_p],
    "cuStreamBeginCapture_v2": [c_void_p, c_int],
    "cuStreamEndCapture": [c_void_p, POINTER(c_void_p)],
    "cuGraphInstantiateWithFlags": [POINTER(c_void_p), c_void_p, c_uint64],
    "cuGraphDestroy": [c_void_p],
    "cuGraphLaunch": [c_void_p, c_void_p],
    "cuGraphExecDestroy": [c_void_p],
}
_NON_BLOCKING = 1
_CAPTURE_THREAD_LOCAL = 1  # other threads may allocate meanwhile
_MAJOR, _MINOR = 75, 76  # device attributes: compute capability


class CudaError(RuntimeError):
    """There is no usable GPU, or a call to CUDA failed; names the call and the reason."""


class Cuda:
    """The first GPU's primary context, which TensorRT uses as well.

    It is current only inside ``current()``: what the caller's thread had is left as it was.

    Raises:
        CudaError: no driver, no GPU, or another failure.
    """

    def __init__(self) -> None:
        self._driver = _Driver(LIBRARY)
        self._driver.cuInit(0)
        self._device = self._get_int("cuDeviceGet", 0)
        context = c_void_p()
        self._driver.cuDevicePrimaryCtxRetain(byref(context), self._device)
        self._context = context
        release = weakref.finalize(self, _release, self._driver, self._device)
        release.atexit = False  # a process that ends gives everything back at once

    def _get_int(self, function: str, *arguments: int) -> int:
        value = c_int()
        getattr(self._driver, function)(byref(value), *arguments)
        return value.value

    @property
    def version(self) -> str:
        """The driver's CUDA version, e.g. ``"12.6"``."""
        version = self._get_int("cuDriverGetVersion")
        return f"{version // 1000}.{version % 1000 // 10}"

    @property
    def gpu(self) -> str:
        """The GPU's name, e.g. ``"Orin"``."""
        name = ctypes.create_string_buffer(256)
        self._driver.cuDeviceGetName(name, len(name), self._device)
        return name.value.decode(errors="replace").strip()

    @property
    def compute_capability(self) -> str:
        """E.g. ``"8.7"``."""
        major, minor = (
            self._get_int("cuDeviceGetAttribute", key, self._device) for key in (_MAJOR, _MINOR)
        )
        return f"{major}.{minor}"

    @contextmanager
    def current(self) -> Iterator[_Driver]:
        """The GPU's context is this thread's own inside the block; gives the driver's calls."""
        self._driver.cuCtxPushCurrent_v2(self._context)
        try:
            yield self._driver
        finally:
            with suppress(CudaError):  # after a fault of the GPU every call fails; say the first
                self._driver.cuCtxPopCurrent_v2(byref(c_void_p()))

    def allocate(self, size: int) -> DeviceMemory:
        """Memory of the GPU, ``size`` bytes."""
        return DeviceMemory(self, size)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array of zeros in host memory that the GPU copies from and to directly.

        The memory lives as long as the array or any view of it.
        """
        array_type = np.dtype(dtype)
        size = max(int(np.prod(shape)) * array_type.itemsize, 1)
        pointer = c_void_p()
        with self.current() as driver:
            driver.cuMemHostAlloc(byref(pointer), size, 0)
        memory = (c_ubyte * size).from_address(pointer.value or 0)
        _free_with(memory, self, "cuMemFreeHost", pointer)
        array = np.frombuffer(memory, array_type, int(np.prod(shape))).reshape(shape)
        array[...] = 0
        return array

    def stream(self) -> Stream:
        """A new stream."""
        return Stream(self)


class DeviceMemory:
    """Memory of the GPU."""

    def __init__(self, cuda: Cuda, size: int) -> None:
        pointer = _Pointer()
        with cuda.current() as driver:
            driver.cuMemAlloc_v2(byref(pointer), max(size, 1))
        self.address = int(pointer.value)
        self.size = size
        _free_with(self, cuda, "cuMemFree_v2", pointer)


class Stream:
    """Work of the GPU in order. All calls must be made inside ``Cuda.current()``."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        pointer = c_void_p()
        with cuda.current() as driver:
            driver.cuStreamCreate(byref(pointer), _NON_BLOCKING)
        self._driver = driver
        self._pointer = pointer
        _free_with(self, cuda, "cuStreamDestroy_v2", pointer)

    @property
    def handle(self) -> int:
        """For TensorRT."""
        return self._pointer.value or 0

    def to_device(self, memory: DeviceMemory, array: NDArray[Any]) -> None:
        """Copy an array, which must stay as it is until the stream is synchronised."""
        assert array.nbytes == memory.size
        assert array.flags.c_contiguous
        source = array.ctypes.data
        self._driver.cuMemcpyHtoDAsync_v2(memory.address, source, memory.size, self._pointer)

    def to_host(self, array: NDArray[Any], memory: DeviceMemory) -> None:
        """Fill an array; it must not be read before the stream is synchronised."""
        assert array.nbytes == memory.size
        assert array.flags.c_contiguous
        target = array.ctypes.data
        self._driver.cuMemcpyDtoHAsync_v2(target, memory.address, memory.size, self._pointer)

    def zero(self, memory: DeviceMemory) -> None:
        """Set memory to zero."""
        self._driver.cuMemsetD8Async(memory.address, 0, max(memory.size, 1), self._pointer)

    def synchronise(self) -> None:
        """Wait until everything is done."""
        self._driver.cuStreamSynchronize(self._pointer)

    @contextmanager
    def capture(self) -> Iterator[list[Graph]]:
        """Record what is enqueued in the block, instead of doing it; the list gets the graph.

        Raises:
            CudaError: something in the block cannot be recorded. The stream is usable again.
        """
        graphs: list[Graph] = []
        self._driver.cuStreamBeginCapture_v2(self._pointer, _CAPTURE_THREAD_LOCAL)
        pointer = c_void_p()
        try:
            yield graphs
        except BaseException:
            with suppress(CudaError):
                self._driver.cuStreamEndCapture(self._pointer, byref(pointer))
            if pointer.value:
                self._driver.cuGraphDestroy(pointer)
            raise
        self._driver.cuStreamEndCapture(self._pointer, byref(pointer))
        graphs.append(Graph(self._cuda, self._driver, pointer))


class Graph:
    """Recorded work with its addresses, started in one call."""

    def __init__(self, cuda: Cuda, driver: _Driver, graph: c_void_p) -> None:
        self._driver = driver
        self._pointer = c_void_p()
        try:
            driver.cuGraphInstantiateWithFlags(byref(self._pointer), graph, 0)
        finally:
            driver.cuGraphDestroy(graph)
        _free_with(self, cuda, "cuGraphExecDestroy", self._pointer)

    def launch(self, stream: Stream) -> None:
        """Start it in a stream."""
        self._driver.cuGraphLaunch(self._pointer, stream.handle)


class _Driver:
    """The library's functions, with their failures as exceptions."""

    def __init__(self, name: str) -> None:
        try:
            library = ctypes.CDLL(name)
            self._functions = {key: getattr(library, key) for key in _FUNCTIONS}
            explain = library.cuGetErrorString
        except (OSError, AttributeError) as error:
            raise CudaError(f"no NVIDIA driver that this needs: {error}") from error
        for key, function in self._functions.items():
            function.argtypes, function.restype = _FUNCTIONS[key], c_int
        explain.argtypes, explain.restype = [c_int, POINTER(c_char_p)], c_int
        self._explain = explain

    def __getattr__(self, name: str) -> Any:
        function = self._functions[name]

        def call(*arguments: Any) -> None:
            code = function(*arguments)
            if code != 0:
                text = c_char_p()
                self._explain(code, byref(text))
                reason = (text.value or b"unknown error").decode(errors="replace")
                raise CudaError(f"{name}: {reason} ({code})")

        self.__dict__[name] = call  # looked up once
        return call


def _free_with(owner: Any, cuda: Cuda, function: str, pointer: Any) -> None:
    """Free something together with the Python object that stands for it; never raises."""
    finalizer = weakref.finalize(owner, _free, cuda, function, pointer)
    finalizer.atexit = False


def _free(cuda: Cuda, function: str, pointer: Any) -> None:
    with suppress(CudaError), cuda.current() as driver:
        getattr(driver, function)(pointer)


def _release(driver: _Driver, device: int) -> None:
    with suppress(CudaError):
        driver.cuDevicePrimaryCtxRelease_v2(device)
