"""What pip installs, and what importing it costs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import dae_edge

ROOT = Path(__file__).resolve().parent.parent
HEAVY = "torch onnx onnxruntime onnxscript openvino PIL av h5py tqdm pygame aedat rosbags tomli"


def test_import_brings_numpy_and_nothing_heavier() -> None:
    code = "import dae_edge, sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "numpy" in loaded
    assert loaded & set(HEAVY.split()) == set()


def test_the_version_is_that_of_the_c_header() -> None:
    header = (ROOT / "runtime" / "include" / "dae.h").read_text()
    match = re.search(r'#define DAE_VERSION "([^"]+)"', header)
    assert match is not None
    assert dae_edge.__version__ == match[1]


def test_everything_public_is_there_and_documented() -> None:
    assert sorted(dae_edge.__all__) == sorted(set(dae_edge.__all__))
    for name in dae_edge.__all__:
        assert getattr(dae_edge, name) is not None
        if name not in ("EVENT", "__version__"):
            assert getattr(dae_edge, name).__doc__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout, with the build tools that are installed."""
    pytest.importorskip("scikit_build_core")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-q"]
    command += [f"--config-settings=build-dir={folder / 'build'}", "-w", str(folder), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_carries_the_package_its_data_and_the_recipes(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "dae_edge"
    wanted = {f"dae_edge/{path.relative_to(package)}" for path in package.rglob("*.py")}
    wanted |= {
        f"dae_edge/{path.relative_to(package)}"
        for path in (package / "data").rglob("*")
        if path.is_file()
    }
    wanted |= {"dae_edge/data/sample.raw", "dae_edge/py.typed", "dae_edge/_native.pyi"}
    for folder in ("export", "calibrate"):
        recipes = (ROOT / folder).glob("*.toml")
        wanted |= {f"dae_edge/recipes/{folder}/{path.name}" for path in recipes}
    assert wanted - names == set()
    assert any(re.fullmatch(r"dae_edge/_native\..*(so|pyd)", name) for name in names)


@pytest.mark.slow
def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} <= {"dae_edge", "dae_edge.libs"}
    assert not [name for name in names if re.search(r"tests?/|training|__pycache__|\.[ch]$", name)]


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 gets a wheel of its own")
def test_one_wheel_serves_every_later_python(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert "dae_edge/_native.abi3.so" in names or sys.platform != "linux"


@pytest.mark.slow
def test_what_the_wheel_says_of_itself(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = archive.read(name).decode()
    assert f"Version: {dae_edge.__version__}\n" in metadata
    required = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    always = [line for line in required if "extra ==" not in line]
    assert [line for line in always if "python_version <" not in line] == ["numpy>=1.24"]
    (scripts,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
    for script in re.findall(
        r"^dae-\w+ = (.+):main$", archive.read(scripts).decode(), re.MULTILINE
    ):
        assert f"{script.replace('.', '/')}.py" in archive.namelist()
