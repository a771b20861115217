"""The loop of the window: events to commands, ticks at an even pace, frames to the screen."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from pathlib import Path

import pygame

from app.media.recorder import Background
from app.play import commands as c
from app.play.keymap import HeldKeys, bound_keys, build_keymap, resolve
from app.play.pace import Measured, Pacer, measured_fps
from app.play.session import PlaySession
from app.play.start_pictures import Prompts
from app.window import panel
from app.window.drawing import THEMES, Pen
from app.window.files import Files
from app.window.gamepad import Gamepads
from app.window.help import Help
from app.window.hud import Messages, Thumbnail, draw_latency, draw_strip
from app.window.preview import Preview
from app.window.run_shortcut import steer
from app.window.screen import Screen, draw_frame
from app.window.shortcuts import Settings, command_of, load_settings, save_settings
from genie_core.errors import ConfigError, GenieError

FPS_OVER_STEPS = 30
UNDRAWN_SECONDS = 0.05  # that the screen may lag behind the world, when there is no time for both
WARNINGS = (c.REFUSED, c.UNFAMILIAR, c.CANNOT_KEEP_UP)


class Game:
    """A session in a window: what is held, what is shown over the world, and what the player's settings are."""

    def __init__(self, session: PlaySession, name: str, prompts: Prompts | None, settings: Path, scale: float) -> None:
        self.session, self.name, self.prompts, self.scale = session, name, prompts, scale
        self.quiet = False
        self.messages, self.screen, self.gamepads = Messages(), Screen(), Gamepads()
        self.held = HeldKeys()
        self.overlay: Help | Preview | None = None
        self.show_latency = False
        self.thumbnails: list[Thumbnail] = []
        self.step_ms, self.late_ms, self.key_ms = Measured(), Measured(), Measured()
        self._settings_file = settings
        self._pacer = Pacer(session.fps)
        self._ticks = deque[float](maxlen=FPS_OVER_STEPS + 1)
        self._drawn = 0.0
        self._key_down: float | None = None  # when the first key since the last step went down
        self.settings = self._load_settings()
        self.keymap = build_keymap(session.config.actions, self.settings.actions)
        self.files = Files(self, Background())

    def run(self) -> None:
        """Plays until Quit; whatever is being written then is written to its end."""
        try:
            while self.session.running:
                self._draw_if_there_is_time()
                self._pacer.wait()
                for event in pygame.event.get():  # as late as can be before the step
                    self.handle(event)
                self.tick()
        finally:
            self.gamepads.close()
            self.files.close()

    def handle(self, event: pygame.event.Event) -> None:
        """Turns an event of pygame into what it means here."""
        if event.type == pygame.QUIT:
            self.session.handle(c.Quit())
        elif event.type == pygame.WINDOWFOCUSLOST:  # key-ups reach another window then
            self.let_go()
        elif event.type == pygame.DROPFILE:
            self.attempt(lambda: self.files.open(Path(event.file)))
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._click(event.pos)
        elif self.overlay is not None:
            if not self.overlay.handle(event):
                self.close_overlay()
        elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
            mod, down = getattr(event, "mod", 0), event.type == pygame.KEYDOWN
            if not (down and mod & pygame.KMOD_LALT):  # Alt+Tab is the desktop's
                ctrl, shift = bool(mod & (pygame.KMOD_CTRL | pygame.KMOD_META)), bool(mod & pygame.KMOD_SHIFT)
                self._key(pygame.key.name(event.key), down, ctrl, shift)
        else:
            for name, down in self.gamepads.changes(event):
                self._key(name, down)

    def tick(self) -> None:
        """One tick of the session, unless something lies over the world."""
        keys = self.held.look()
        if self.overlay is None and self.session.running:
            self.session.handle(c.Hold(resolve(keys, self.keymap)))
            shown = self.session.frame
            began = time.perf_counter()
            self.session.tick()
            ended = time.perf_counter()
            if self.session.frame is not shown:
                self.files.shown()
                self._measure(began, ended)
            else:
                self._ticks.clear()  # standing still is no slow step
            self._key_down = None
        self._tell()

    def attempt(self, act: object) -> None:
        """Calls `act`; what the player can mend is told, and play goes on."""
        try:
            act()  # type: ignore[operator]
        except GenieError as error:
            self.session.tell(c.REFUSED, str(error))

    def change(self, settings: Settings) -> None:
        """Takes new settings, and keeps them."""
        self.settings = settings
        self.keymap = build_keymap(self.session.config.actions, settings.actions)
        self.attempt(lambda: save_settings(settings, self._settings_file))

    def set(self, **changes: object) -> None:
        self.change(dataclasses.replace(self.settings, **changes))  # type: ignore[arg-type]

    def let_go(self) -> None:
        """Releases every key, also those that travel through time."""
        self.held.clear()
        self.session.handle(c.Rewind(False))
        self.session.handle(c.Forward(False))

    def open_overlay(self, overlay: Help | Preview) -> None:
        self.let_go()
        self.overlay = overlay

    def close_overlay(self) -> None:
        overlay, self.overlay = self.overlay, None
        if isinstance(overlay, Preview) and overlay.chosen is not None:
            self.attempt(lambda: self.files.start_from(overlay))
        self._ticks.clear()

    def set_pace(self) -> None:
        """Follows the speed the session asks for."""
        self._pacer.fps = self.session.fps
        self._ticks.clear()

    def _key(self, key: str, down: bool, ctrl: bool = False, shift: bool = False) -> None:
        command = command_of(key, ctrl, bound_keys(self.keymap), self.settings)
        if ctrl and key == "v":
            if down:
                self.attempt(self.files.paste)
        elif command in ("rewind", "forward"):
            self.session.handle(c.Rewind(down) if command == "rewind" else c.Forward(down))
        elif command is not None:
            if down:
                self.attempt(lambda: steer(self, command, shift))
        elif down:
            self.held.press(key)
            self._key_down = self._key_down or time.perf_counter()
        else:
            self.held.release(key)

    def _click(self, position: tuple[int, int]) -> None:
        for thumbnail in self.thumbnails:
            if thumbnail.area.collidepoint(position):
                self.session.handle(c.Jump(thumbnail.line.number, thumbnail.step))

    def _measure(self, began: float, ended: float) -> None:
        if self._ticks:
            self.late_ms.add(1000 * max(0.0, ended - self._ticks[-1] - 1 / self._pacer.fps))
        self._ticks.append(ended)
        self.step_ms.add(1000 * (ended - began))
        if self._key_down is not None:
            self.key_ms.add(1000 * (ended - self._key_down))
        if len(self._ticks) == self._ticks.maxlen:
            self.session.pace(measured_fps(self._ticks))

    def _tell(self) -> None:
        self.files.tell()
        for event in self.session.events():
            self.messages.add(event.text, event.kind in WARNINGS)

    def _draw_if_there_is_time(self) -> None:
        now = time.perf_counter()
        if self._pacer.left > 0 or now - self._drawn > UNDRAWN_SECONDS:
            self._drawn = now
            self.draw()
            self.files.drawn()
            pygame.display.flip()

    def draw(self) -> None:
        """The world, enlarged, beside the panel if there is room for it, and what lies over it."""
        screen = pygame.display.get_surface()
        area = screen.get_rect()
        pen = Pen(screen, THEMES[self.settings.theme], self.scale)
        screen.fill(pen.theme.paper)
        width, height = pen.px(panel.WIDTH), pen.px(panel.least_height(len(self.session.config.actions)))
        if self.settings.hud and area.width >= width + self.session.frame.shape[1] and area.height >= height:
            area.width -= width
            side = pygame.Rect(area.right, 0, width, area.height)
            reached = panel.Reached(measured_fps(self._ticks), self.files.recording)
            panel.draw_panel(pen, side, self.name, self.session, reached, self.settings)
        draw_frame(screen, area, self.session.frame, self.settings.smooth)
        self.thumbnails = draw_strip(pen, area, self.session) if self.settings.hud else []
        if self.show_latency:
            draw_latency(pen, area, self.step_ms, self.late_ms, self.key_ms)
        self.messages.draw(pen, area)
        if self.overlay is not None:
            self.overlay.draw(pen, screen.get_rect())

    def _load_settings(self) -> Settings:
        try:
            return load_settings(self._settings_file)
        except ConfigError as error:
            self.session.tell(c.REFUSED, str(error))
            return Settings()
