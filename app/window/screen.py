"""Opens the window, switches it to full screen and back, and shows a splash while a world loads."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import pygame

from app.window import panel
from app.window.drawing import TEXT, TITLE, Canvas, forget_fonts
from genie_core.errors import DisplayError

NEW_WORLD_SIDE, NEW_WORLD_SHARE = 640, 0.84  # pixels for the world in a new window; at most this part of the desktop
NEW_WINDOW_SHARE = 0.95  # of the desktop's width, at most
USUAL_HEIGHT = 1080  # pixels of a desktop; on one twice as high, everything is drawn twice as large
SPLASH_FPS = 30
SCREENLESS_DRIVERS = ("dummy", "offscreen")
Built = TypeVar("Built")


def open_window(name: str, pictures: int = 1) -> float:
    """Opens a window for the world called `name`, with room for so many `pictures` side by side, and returns the scale
    to draw at.

    Raises DisplayError if no window can be opened.
    """
    headless = sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"} & os.environ.keys()
    os.environ.setdefault("SDL_RENDER_VSYNC", "1")  # no torn frames, if the driver can
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")  # real pixels, not a blurred enlargement
    try:
        if headless:
            raise pygame.error("neither DISPLAY nor WAYLAND_DISPLAY is set")
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in SCREENLESS_DRIVERS and "SDL_VIDEODRIVER" not in os.environ:
            raise pygame.error(f"only {driver!r} video is available")  # SDL falls back to it in silence
        pygame.font.init()
        forget_fonts()
        name_window(name)
        width, height = pygame.display.get_desktop_sizes()[0]
        scale = float(max(1, height // USUAL_HEIGHT))
        side = min(int(NEW_WORLD_SIDE * scale), int(NEW_WORLD_SHARE * min(width, height)))
        beside = int(panel.WIDTH * scale)
        if pictures > 1:
            side = min(side, (int(NEW_WINDOW_SHARE * width) - beside) // pictures)
        pygame.display.set_mode((pictures * side + beside, side), pygame.RESIZABLE)
        return scale
    except pygame.error as error:
        pygame.quit()
        raise DisplayError(
            f"no window can be opened here ({error}); play in a browser with --web, "
            "or without any screen with --actions SCRIPT --save FILE"
        ) from error


def name_window(name: str) -> None:
    """Writes the name of a world into the title bar."""
    pygame.display.set_caption(f"{name} - genie")


class Progress:
    """How far loading is: `text` says what is being loaded, `done` is the share that is done, 0 to 1."""

    text, done = "", 0.0

    def __call__(self, text: str, done: float) -> None:
        self.text, self.done = text, done


class Screen:
    """Switches between the window and the full screen."""

    def __init__(self) -> None:
        self._window: tuple[int, int] | None = None  # the window's size, during full screen

    def toggle(self) -> None:
        if self._window is None:
            self._window = pygame.display.get_window_size()
            pygame.display.set_mode(pygame.display.get_desktop_sizes()[0], pygame.FULLSCREEN)
        else:
            pygame.display.set_mode(self._window, pygame.RESIZABLE)
            self._window = None


def _in_thread(build: Callable[[], Built]) -> Future[Built]:
    """Runs `build` in a daemon thread: the window stays responsive, and quitting does not wait for the result."""
    future: Future[Built] = Future()

    def run() -> None:
        try:
            future.set_result(build())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="loading", daemon=True).start()
    return future


def splash(name: str, build: Callable[[Progress], Built], scale: float) -> Built | None:
    """Runs `build` behind a progress bar. Returns its result, or None if the player stopped it.

    Escape stops it, and so does closing the window; that event stays in the queue, for it ends more than the loading.
    """
    pygame.event.pump()  # before its first events, a window keeps no picture
    clock, progress = pygame.time.Clock(), Progress()
    _draw_splash(name, progress, scale)
    loading = _in_thread(lambda: build(progress))
    while not loading.done():
        closing = pygame.event.get([pygame.QUIT, pygame.KEYDOWN])  # later events wait for the loop
        for event in closing:
            if event.type == pygame.QUIT:
                pygame.event.post(event)
            if event.type == pygame.QUIT or event.key == pygame.K_ESCAPE:
                return None
        _draw_splash(name, progress, scale)
        clock.tick(SPLASH_FPS)
    return loading.result()


def _draw_splash(name: str, progress: Progress, scale: float) -> None:
    screen = pygame.display.get_surface()
    canvas = Canvas(screen, scale=scale)
    screen.fill(canvas.theme.paper)
    x, y = screen.get_rect().center
    canvas.text(f"loading {name} ...", (x, y - canvas.px(30)), TITLE, align="center", middle=True)
    bar = pygame.Rect(0, 0, canvas.px(280), canvas.px(8))
    bar.center = x, y + canvas.px(6)
    pygame.draw.rect(screen, canvas.theme.cap, bar, border_radius=canvas.px(4))
    bar.width = max(canvas.px(8), round(bar.width * progress.done))
    pygame.draw.rect(screen, canvas.theme.accent, bar, border_radius=canvas.px(4))
    canvas.text(progress.text, (x, y + canvas.px(24)), TEXT, canvas.theme.faint, align="center")
    pygame.display.flip()
