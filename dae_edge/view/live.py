"""A window that shows frames as they come, with pygame-ce; its only command is to close it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.closing import Closing
from dae_edge.extras import require

SCREEN_PART = 0.9  # the most of the screen's width and height that the window takes at first


class LiveWindow(Closing):
    """One window. It opens with the first frame and can be resized; the picture keeps its shape.

    Without X11 or Wayland, ``SDL_VIDEODRIVER=kmsdrm`` in the environment may draw on the console.
    """

    def __init__(self, title: str) -> None:
        """Connect to the display.

        Raises:
            MissingExtraError: pygame-ce is not installed.
            OSError: there is no display.
        """
        _check_display(sys.platform, os.environ)
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # no greeting on stdout
        self._pygame = require("pygame", extra="view", purpose="the live window")
        self._title = title
        self._window: Any = None
        self._closed = False
        try:
            self._pygame.display.init()
            self._screen = self._pygame.display.get_desktop_sizes()[0]
        except self._pygame.error as error:
            raise OSError(f"the live window cannot open: {error}; {_ADVICE}") from error

    def show(self, frame: NDArray[Any]) -> bool:
        """Show uint8 [H, W, 3] RGB; False once the user closed the window or pressed q or Esc.

        Raises:
            ValueError: another shape or type.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            got = f"{frame.dtype} {list(frame.shape)}"
            raise ValueError(f"a frame is uint8 [H, W, 3], got {got}")
        if self._closed:
            return False
        size = frame.shape[1], frame.shape[0]
        if self._window is None:
            room = tuple(SCREEN_PART * side for side in self._screen)
            self._window = self._pygame.display.set_mode(
                _fitted(size, room, largest=1.0), self._pygame.RESIZABLE
            )
            self._pygame.display.set_caption(self._title)
        picture = self._pygame.image.frombuffer(np.ascontiguousarray(frame), size, "RGB")
        self._draw(picture)
        if self._user_closes():
            self.close()
        return not self._closed

    def _draw(self, picture: Any) -> None:
        room = self._window.get_size()
        size = _fitted(picture.get_size(), room)
        if size != picture.get_size():
            picture = self._pygame.transform.smoothscale(picture, size)
        self._window.fill((0, 0, 0))
        corner = (room[0] - size[0]) // 2, (room[1] - size[1]) // 2
        self._window.blit(picture, corner)
        self._pygame.display.flip()

    def _user_closes(self) -> bool:
        pygame = self._pygame
        keys = (pygame.K_q, pygame.K_ESCAPE)
        return any(
            event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key in keys)
            for event in pygame.event.get()
        )

    def close(self) -> None:
        """Close the window. Harmless when called twice."""
        if not self._closed:
            self._closed = True
            self._pygame.display.quit()


_ADVICE = "write a video file instead"


def _check_display(platform: str, environment: Mapping[str, str]) -> None:
    """SDL would fall back to a driver that shows nothing, or end in an unclear error."""
    wanted = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if platform.startswith("linux") and not any(environment.get(name) for name in wanted):
        raise OSError(
            "the live window needs a display, but neither DISPLAY nor WAYLAND_DISPLAY is set; "
            + _ADVICE
        )


def _fitted(
    size: tuple[int, int], room: tuple[float, ...], *, largest: float = float("inf")
) -> tuple[int, int]:
    """The largest width and height of the same shape within ``room``.

    >>> _fitted((1388, 618), (900.0, 700.0), largest=1.0), _fitted((10, 10), (50.0, 90.0))
    ((900, 401), (50, 50))
    """
    scale = min(room[0] / size[0], room[1] / size[1], largest)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
