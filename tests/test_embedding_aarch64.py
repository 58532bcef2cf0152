"""The whole C test suite on 64-bit ARM: cross-compiled with Debian's tools, run in qemu."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest
from native_builds import RUNTIME, configure, run, tool

TOOLS = ("aarch64-linux-gnu-gcc", "qemu-aarch64")


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() == "aarch64", reason="this computer is one already")
def test_every_c_test_passes_on_aarch64(tmp_path: Path) -> None:
    for name in TOOLS:
        if shutil.which(name) is None:
            pytest.skip(
                f"{name} is not installed (apt-get install gcc-aarch64-linux-gnu qemu-user)"
            )
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME / 'cmake' / 'aarch64.cmake'}"
    # An emulated input takes ten times as long; the sanitized build on this computer runs them all.
    configure(RUNTIME, tmp_path, toolchain, "-DDAE_WERROR=ON", "-DDAE_FUZZ_INPUTS=1000")
    run(tool("cmake"), "--build", tmp_path)
    described = run("readelf", "--file-header", tmp_path / "test_decoder")
    assert "AArch64" in described
    said = run(tool("ctest"), "--test-dir", tmp_path, "--output-on-failure", "--no-tests=error")
    for name in ("decoder", "encoder", "stream", "bundle", "allocation", "fuzz_bundle"):
        assert f" {name} " in said
    assert "100% tests passed" in said
