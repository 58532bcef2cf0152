"""What the README shows is what happens: its Python runs, its commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dae_edge import recipes
from dae_edge.sources.evt3_writer import write_evt3

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_python_of_the_readme_runs_and_gives_depth(small_bundle: Path, tmp_path: Path) -> None:
    import numpy as np

    import dae_edge as dae

    (tmp_path / "student.dae").symlink_to(small_bundle)
    t = np.arange(0, 220_000, 20)
    events = dae.events_from(t, t % 112, t % 84, t % 2)
    write_evt3(tmp_path / "drive.raw", events, width=112, height=84)
    code = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5  # four windows and the health
    assert lines[0].startswith("50000 ")
    assert lines[0].endswith("untrained weights")


def test_the_commands_of_the_readme_parse(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [shlex.split(c) for c in re.findall(r"`(dae-[a-z]+ [^`]+)`", README)]
    assert {command[0] for command in commands} >= {"dae-run", "dae-export", "dae-info"}
    for name, *arguments in commands:
        done = subprocess.run(
            [sys.executable, "-m", f"dae_edge.cli.{name[4:]}", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        for option in (argument for argument in arguments if argument.startswith("--")):
            assert option in done.stdout, f"{name} has no {option}"


def test_the_targets_and_sensors_of_the_readme_exist() -> None:
    for target in re.findall(r"--target ([\w-]+)", README):
        assert target in recipes.target_names()
    for sensor in re.findall(r"--sensor ([a-z]\w+)", README):
        assert sensor in recipes.sensor_names()


def test_every_extra_of_the_readme_exists_and_every_folder_is_there() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.findall(r"dae-edge\[([a-z0-9,]+)\]", README):
        for name in extra.split(","):
            assert re.search(rf"^{name} = \[", pyproject, re.MULTILINE), name
    for folder in re.findall(r"^\| `([a-z_]+)/` \|", README, re.MULTILINE):
        assert (ROOT / folder).is_dir()


def test_relative_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("[a-z]*/README.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page}: {link}"
