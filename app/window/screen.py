"""The window itself, by pygame's own means: opening it, filling the screen, the splash, the world's picture in it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import pygame

from app.play.loading import Progress
from app.window import panel
from app.window.drawing import TEXT, TITLE, Pen
from app.window.hud import to_surface
from genie_core.errors import DisplayError

NEW_WORLD_SIDE, NEW_WORLD_SHARE = 640, 0.75  # pixels for the world in a new window, and of the desktop at most
USUAL_HEIGHT = 1080  # of a desktop, in pixels; on one twice as high everything is drawn twice as large
SPLASH_FPS = 30
SCREENLESS_DRIVERS = ("dummy", "offscreen")
Built = TypeVar("Built")


def open_window(name: str) -> float:
    """Opens a window for the world called `name`; returns the scale at which to draw on this screen.

    Raises DisplayError where none can be opened.
    """
    headless = sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"} & os.environ.keys()
    os.environ.setdefault("SDL_RENDER_VSYNC", "1")  # no torn frames, where the driver can
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")  # real pixels, not a blurred enlargement
    try:
        if headless:
            raise pygame.error("neither DISPLAY nor WAYLAND_DISPLAY is set")
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in SCREENLESS_DRIVERS and "SDL_VIDEODRIVER" not in os.environ:
            raise pygame.error(f"only {driver!r} video is to be had")  # SDL falls back to it without a word
        pygame.font.init()
        pygame.display.set_caption(f"{name} - genie")
        width, height = pygame.display.get_desktop_sizes()[0]
        scale = float(max(1, height // USUAL_HEIGHT))
        side = min(int(NEW_WORLD_SIDE * scale), int(NEW_WORLD_SHARE * min(width, height)))
        pygame.display.set_mode((side + int(panel.WIDTH * scale), side), pygame.RESIZABLE)
        return scale
    except pygame.error as error:
        pygame.quit()
        raise DisplayError(
            f"no window can be opened here ({error}); play in a browser with --web, "
            "or without any screen with --actions SCRIPT --save FILE"
        ) from error


class Screen:
    """Switches between the window and the full screen."""

    def __init__(self) -> None:
        self._window: tuple[int, int] | None = None  # its size, while the screen is full

    def toggle(self) -> None:
        if self._window is None:
            self._window = pygame.display.get_window_size()
            pygame.display.set_mode(pygame.display.get_desktop_sizes()[0], pygame.FULLSCREEN)
        else:
            pygame.display.set_mode(self._window, pygame.RESIZABLE)
            self._window = None


class Loading(Generic[Built]):
    """`build` in a thread of its own, so that the window answers meanwhile."""

    def __init__(self, build: Callable[[], Built]) -> None:
        self._build = build
        self._result: list[Built] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="loading", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result.append(self._build())
        except BaseException as error:
            self._error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Built:
        """What was built; raises what building raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result[0]


def splash(name: str, build: Callable[[], Built], progress: Progress, scale: float) -> Built | None:
    """Shows how far `build` is while it goes on; returns what it built, or None if the window was closed meanwhile."""
    pygame.event.pump()  # a window that has not been shown yet keeps no picture
    clock = pygame.time.Clock()
    _draw_splash(name, progress, scale)
    loading = Loading(build)
    while not loading.done:
        closing = pygame.event.get([pygame.QUIT, pygame.KEYDOWN])  # what else came in is for the game
        if any(event.type == pygame.QUIT or event.key == pygame.K_ESCAPE for event in closing):
            return None
        _draw_splash(name, progress, scale)
        clock.tick(SPLASH_FPS)
    return loading.result()


def _draw_splash(name: str, progress: Progress, scale: float) -> None:
    screen = pygame.display.get_surface()
    pen = Pen(screen, scale=scale)
    screen.fill(pen.theme.paper)
    middle = screen.get_rect()
    pen.text(f"loading {name} ...", (middle.centerx, middle.centery - pen.px(30)), TITLE, align="center", middle=True)
    bar = pygame.Rect(0, 0, pen.px(280), pen.px(8))
    bar.center = middle.centerx, middle.centery + pen.px(6)
    pygame.draw.rect(screen, pen.theme.cap, bar, border_radius=pen.px(4))
    bar.width = max(pen.px(8), round(bar.width * progress.done))
    pygame.draw.rect(screen, pen.theme.accent, bar, border_radius=pen.px(4))
    pen.text(progress.text, (middle.centerx, middle.centery + pen.px(24)), TEXT, pen.theme.faint, align="center")
    pygame.display.flip()


def draw_frame(screen: pygame.Surface, area: pygame.Rect, frame: np.ndarray, smooth: bool) -> None:
    """The world's picture in the middle of `area`: enlarged a whole number of times, or if `smooth` to fill it."""
    height, width = frame.shape[:2]
    fills = min(area.width / width, area.height / height)
    times = fills if smooth else max(1, int(fills))
    picture = to_surface(frame, (max(1, round(times * width)), max(1, round(times * height))), smooth)
    screen.blit(picture, picture.get_rect(center=area.center))
