"""A robot's program finds the C library by find_package, add_subdirectory and pkg-config."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from native_builds import RUNTIME, built, configure, run, tool

import dae_edge as dae

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
CONSUMER = RUNTIME / "test" / "consumer"
SAID = f"{dae.__version__}: absent.dae: no such bundle\n"


def installed(kind: str, prefix: Path) -> Path:
    """The library and its headers under ``prefix``."""
    folder = built(f"-DBUILD_SHARED_LIBS={'ON' if kind == 'shared' else 'OFF'}")
    run(tool("cmake"), "--install", folder, "--prefix", prefix)
    return prefix


def consume(build: Path, *options: str) -> None:
    """Build the consumer, C and C++, and run both."""
    configure(CONSUMER, build, *options)
    run(tool("cmake"), "--build", build)
    assert run(build / "consumer_c") == SAID
    assert run(build / "consumer_cpp") == SAID


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shared", "static"])
def test_find_package_finds_an_installed_library(tmp_path: Path, kind: str) -> None:
    prefix = installed(kind, tmp_path / "prefix")
    moved = prefix.rename(tmp_path / "moved")  # an installation is not tied to its place
    consume(tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}")


def test_find_package_refuses_another_minor_version(tmp_path: Path) -> None:
    prefix = installed("static", tmp_path / "prefix")
    source = tmp_path / "source"
    source.mkdir()
    text = (CONSUMER / "CMakeLists.txt").read_text().replace("dae 0.1 ", "dae 0.0 ")
    for name in ("main.c", "main.cpp"):
        (source / name).symlink_to(CONSUMER / name)
    (source / "CMakeLists.txt").write_text(text)
    with pytest.raises(AssertionError, match="compatible"):
        configure(source, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")


@pytest.mark.slow
def test_add_subdirectory_makes_it_a_part_of_the_program(tmp_path: Path) -> None:
    consume(tmp_path / "build", f"-DDAE_SOURCE={RUNTIME}")


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config_knows_the_flags(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = installed(kind, tmp_path / "prefix")
    [file] = prefix.rglob("dae.pc")
    monkeypatch.setenv("PKG_CONFIG_PATH", str(file.parent))
    flags = run(tool("pkg-config"), "--cflags", "--libs", "dae").split()
    assert run(tool("pkg-config"), "--modversion", "dae").strip() == dae.__version__
    monkeypatch.setenv("LD_LIBRARY_PATH", str(file.parent.parent))
    for source, compiler in (("main.c", "cc"), ("main.cpp", "c++")):
        program = tmp_path / compiler
        standard = [] if source.endswith(".c") else ["-std=c++20"]
        run(tool(compiler), *standard, CONSUMER / source, "-o", program, *flags)
        assert run(program) == SAID


def test_an_installation_is_headers_library_and_how_to_find_it(tmp_path: Path) -> None:
    prefix = installed("shared", tmp_path / "prefix")
    names = sorted(
        str(path.relative_to(prefix)).replace(f"lib{os.sep}x86_64-linux-gnu", "lib")
        for path in prefix.rglob("*")
        if not path.is_dir()
    )
    assert [name for name in names if name.startswith("include")] == [
        "include/dae.h",
        "include/dae.hpp",
        "include/dae_stream.h",
    ]
    assert {Path(name).name for name in names if "lib" in name} == {
        "libdae.so",
        "libdae.so.0.1",
        f"libdae.so.{dae.__version__}",
        "dae.pc",
        "dae-config.cmake",
        "dae-config-version.cmake",
        "dae-targets.cmake",
        "dae-targets-release.cmake",
    }


def test_a_static_library_brings_no_names_that_others_may_have() -> None:
    lines = run(
        "nm", "--extern-only", "--defined-only", built("-DBUILD_SHARED_LIBS=OFF") / "libdae.a"
    )
    names = {line.split()[2] for line in lines.splitlines() if len(line.split()) == 3}
    assert "dae_stream_push" in names
    assert {name for name in names if not name.startswith("dae_")} == set()
