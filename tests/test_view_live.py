"""The live window, on SDL's driver that draws nowhere."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from dae_edge.view.live import LiveWindow, _check_display

pygame = pytest.importorskip("pygame")
FRAME = np.full((60, 80, 3), (200, 100, 50), np.uint8)


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with LiveWindow("depth") as window:
        yield window


def test_a_frame_is_shown_in_its_colours(window):
    assert window.show(FRAME)
    surface = pygame.display.get_surface()
    assert surface.get_size() == (80, 60)
    assert surface.get_at((40, 30))[:3] == (200, 100, 50)
    assert pygame.display.get_caption()[0] == "depth"


def test_a_frame_larger_than_the_screen_is_made_smaller_and_keeps_its_shape(window):
    assert window.show(np.zeros((1000, 4000, 3), np.uint8))
    width, height = pygame.display.get_surface().get_size()
    assert width <= pygame.display.get_desktop_sizes()[0][0]
    assert width / height == pytest.approx(4, rel=0.02)


def test_the_window_keeps_its_size_when_frames_change_theirs(window):
    window.show(FRAME)
    assert window.show(np.zeros((90, 31, 3), np.uint8))
    assert pygame.display.get_surface().get_size() == (80, 60)


@pytest.mark.parametrize(
    "event",
    [
        pygame.event.Event(pygame.QUIT),
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q),
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE),
    ],
    ids=["close", "q", "escape"],
)
def test_the_user_closes_it(window, event):
    assert window.show(FRAME)
    pygame.event.post(event)
    assert not window.show(FRAME)
    assert not window.show(FRAME)


def test_other_keys_do_nothing(window):
    window.show(FRAME)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_a))
    assert window.show(FRAME)


def test_closing_twice_is_harmless(window):
    window.close()
    window.close()
    assert not window.show(FRAME)


def test_what_is_not_a_frame_is_refused(window):
    with pytest.raises(ValueError, match=r"a frame is uint8 \[H, W, 3\], got float64 \[2, 2\]"):
        window.show(np.zeros((2, 2)))


def test_without_a_display_one_line_says_so():
    with pytest.raises(OSError, match="neither DISPLAY nor WAYLAND_DISPLAY is set; write a video"):
        _check_display("linux", {"DISPLAY": ""})
    _check_display("linux", {"WAYLAND_DISPLAY": "wayland-0"})
    _check_display("darwin", {})


def test_a_display_that_does_not_answer_is_one_line_too(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    with pytest.raises(OSError, match=r"the live window cannot open: .*; write a video"):
        LiveWindow("depth")


def test_pygame_does_not_greet():
    code = "from dae_edge.view.live import LiveWindow; LiveWindow('depth').close()"
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy"}
    environment.pop("PYGAME_HIDE_SUPPORT_PROMPT", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == done.stderr == ""
