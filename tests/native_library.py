"""``libdae.so`` by way of ctypes, for tests that need no engine: the callback back end."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from native_builds import shared


class Inference(ctypes.Structure):
    """``struct dae_inference``."""

    _fields_ = [
        ("events", ctypes.c_void_p),
        ("state_count", ctypes.c_size_t),
        ("state_in", ctypes.POINTER(ctypes.c_void_p)),
        ("state_out", ctypes.POINTER(ctypes.c_void_p)),
        ("depth", ctypes.POINTER(ctypes.c_float)),
    ]


Infer = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Inference))


class ModelParams(ctypes.Structure):
    """``struct dae_model_params``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("path", ctypes.c_char_p),
        ("backend", ctypes.c_char_p),
        ("library", ctypes.c_char_p),
        ("threads", ctypes.c_uint32),
        ("verify", ctypes.c_int32),
        ("infer", Infer),
        ("infer_data", ctypes.c_void_p),
    ]


class StreamParams(ctypes.Structure):
    """``struct dae_stream_params``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("window_us", ctypes.c_int64),
        ("hop_us", ctypes.c_int64),
        ("window_events", ctypes.c_uint32),
        ("hop_events", ctypes.c_uint32),
        ("origin_us", ctypes.c_int64),
        ("max_gap_us", ctypes.c_int64),
        ("newest_only", ctypes.c_int32),
        ("voxel_events", ctypes.c_uint32),
    ]


COUNTS = (
    *("events", "windows", "inferred", "stale", "dropped_windows", "dropped_events"),
    *("clamped_events", "dropped_kept", "restarts", "not_finite", "engine_errors"),
)


class Health(ctypes.Structure):
    """``struct dae_stream_health``."""

    _fields_ = [
        *[(name, ctypes.c_uint64) for name in COUNTS],
        ("backlog_us", ctypes.c_int64),
        ("encode_us", ctypes.c_double),
        ("infer_us", ctypes.c_double),
    ]


@functools.cache
def library() -> ctypes.CDLL:
    """The library; ``_default_params`` give structures, errors give bytes."""
    found = ctypes.CDLL(str(shared()))
    found.dae_model_default_params.restype = ModelParams
    found.dae_model_error.restype = ctypes.c_char_p
    found.dae_stream_default_params.restype = StreamParams
    assert found.dae_model_default_params().struct_size == ctypes.sizeof(ModelParams)
    assert found.dae_stream_default_params().struct_size == ctypes.sizeof(StreamParams)
    return found


@contextmanager
def loaded(
    path: Path, infer: Callable[[Any], int] = lambda inference: 0
) -> Iterator[tuple[int, ctypes.c_void_p]]:
    """A bundle in the callback back end: its status, and the model or what holds the error."""
    params = library().dae_model_default_params()
    params.path, params.backend = str(path).encode(), b"callback"
    params.infer = Infer(lambda data, inference: infer(inference.contents))
    model = ctypes.c_void_p()
    status = library().dae_model_load(ctypes.byref(params), ctypes.byref(model))
    try:
        yield status, model
    finally:
        library().dae_model_free(model)


@contextmanager
def opened(model: ctypes.c_void_p, **settings: int) -> Iterator[ctypes.c_void_p]:
    """A stream, with fields of ``StreamParams`` set."""
    params = library().dae_stream_default_params()
    for name, value in settings.items():
        setattr(params, name, value)
    stream = ctypes.c_void_p()
    status = library().dae_stream_init(model, ctypes.byref(params), ctypes.byref(stream))
    assert status == 0, status
    try:
        yield stream
    finally:
        library().dae_stream_free(stream)
