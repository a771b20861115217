"""The pygame window: shows a session's frames, turns its keys into commands, keeps the pace."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable

import pygame

from app import panel
from app.commands import Command, Hold, Quit, Restart
from app.keys import HeldKeys, build_keymap, resolve
from app.session import PlaySession
from genie_core.errors import DisplayError

NEW_WORLD_SIDE, NEW_WORLD_SHARE = 640, 0.75  # pixels for the world in a new window, and of the desktop at most
FPS_OVER_STEPS = 30
SCREENLESS_DRIVERS = ("dummy", "offscreen")
COMMANDS: dict[int, Command] = {pygame.K_ESCAPE: Quit(), pygame.K_r: Restart()}


def play(start: Callable[[], PlaySession], name: str) -> None:
    """Opens a window for the world called `name`, builds the session while it says so, and plays until Quit.

    Raises DisplayError where no window can be opened, and whatever `start` raises.
    """
    _open(name)
    try:
        _show_loading(name)
        session = start()
        _run(session, name)
    finally:
        pygame.quit()


def _run(session: PlaySession, name: str) -> None:
    keymap, held = build_keymap(session.config.actions), HeldKeys()
    pacer, ticks = Pacer(session.config.fps), deque[float](maxlen=FPS_OVER_STEPS + 1)
    while session.running:
        draw(session, name, measured_fps(ticks))
        pacer.wait()
        for event in pygame.event.get():  # as late as can be before the step
            track(event, held)
            command = to_command(event)
            if command:
                session.handle(command)
        session.handle(Hold(resolve(held.look(), keymap)))
        if session.running:
            session.tick()
            ticks.append(time.perf_counter())


def to_command(event: pygame.event.Event) -> Command | None:
    """What an event asks of the session once; keys that are held to move are `track`ed instead."""
    if event.type == pygame.QUIT:
        return Quit()
    return COMMANDS.get(event.key) if event.type == pygame.KEYDOWN else None


def track(event: pygame.event.Event, held: HeldKeys) -> None:
    """Follows the keys down and up. Whoever looks away lets go: key-ups reach another window then."""
    if event.type == pygame.KEYDOWN:
        held.press(pygame.key.name(event.key))
    elif event.type == pygame.KEYUP:
        held.release(pygame.key.name(event.key))
    elif event.type == pygame.WINDOWFOCUSLOST:
        held.clear()


class Pacer:
    """Waits for evenly spaced moments. They follow each other, not the waking from sleep, so nothing drifts;
    after a step that took too long the spacing starts afresh and no step is rushed to catch up."""

    def __init__(
        self,
        fps: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period = 1 / fps
        self._clock, self._sleep = clock, sleep
        self._due = clock()

    def wait(self) -> None:
        """Sleeps until the next moment; returns at once if it has passed."""
        now = self._clock()
        self._due = max(self._due + self._period, now)
        if self._due > now:
            self._sleep(self._due - now)


def measured_fps(ticks: deque[float]) -> float:
    """Steps a second over the last ticks, given when each was done in seconds; 0 before there are two."""
    return (len(ticks) - 1) / (ticks[-1] - ticks[0]) if len(ticks) > 1 else 0.0


def draw(session: PlaySession, name: str, fps: float) -> None:
    """Shows the session's frame, enlarged a whole number of times, beside the panel if there is room for it."""
    screen = pygame.display.get_surface()
    area = screen.get_rect()
    screen.fill(panel.PAPER)
    height, width = session.frame.shape[:2]
    needed = panel.least_height(len(session.config.actions))
    if area.width >= panel.WIDTH + width and area.height >= needed:
        area.width -= panel.WIDTH
        side = pygame.Rect(area.right, 0, panel.WIDTH, area.height)
        panel.draw_panel(screen, side, name, session, fps)
    times = max(1, min(area.width // width, area.height // height))
    picture = pygame.image.frombuffer(session.frame.tobytes(), (width, height), "RGB")
    picture = pygame.transform.scale(picture, (times * width, times * height))  # nearest: pixels stay crisp
    screen.blit(picture, picture.get_rect(center=area.center))
    pygame.display.flip()


def _open(name: str) -> None:
    headless = sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"} & os.environ.keys()
    try:
        if headless:
            raise pygame.error("neither DISPLAY nor WAYLAND_DISPLAY is set")
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in SCREENLESS_DRIVERS and "SDL_VIDEODRIVER" not in os.environ:
            raise pygame.error(f"only {driver!r} video is to be had")  # SDL falls back to it without a word
        pygame.font.init()
        pygame.display.set_caption(f"{name} - genie")
        side = min(NEW_WORLD_SIDE, int(NEW_WORLD_SHARE * min(pygame.display.get_desktop_sizes()[0])))
        pygame.display.set_mode((side + panel.WIDTH, side), pygame.RESIZABLE)
    except pygame.error as error:
        pygame.quit()
        raise DisplayError(
            f"no window can be opened here ({error}); play in a browser with --web, "
            "or without any screen with --actions SCRIPT --save FILE"
        ) from error


def _show_loading(name: str) -> None:
    pygame.event.pump()  # a window that has not been shown yet keeps no picture
    screen = pygame.display.get_surface()
    screen.fill(panel.PAPER)
    text = pygame.font.Font(None, panel.TITLE_SIZE).render(f"loading {name} ...", True, panel.FAINT)
    screen.blit(text, text.get_rect(center=screen.get_rect().center))
    pygame.display.flip()
