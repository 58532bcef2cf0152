"""What this machine's processor is, for reports: numbers mean nothing without it."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """The processor's own name for itself, and the vector units that matter here."""
    name, flags = platform.processor() or platform.machine(), set[str]()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                name = value.strip()
            if key.strip() in ("flags", "Features"):
                flags = set(value.split())
    except OSError:
        pass  # not Linux
    wanted = (
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx_vnni",
        "avx512_bf16",
        "amx_int8",
        "asimd",
        "asimddp",
    )
    return " ".join([name, *(flag for flag in wanted if flag in flags)])
