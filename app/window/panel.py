"""The side panel of the window: the world's name, the pace, the step, the keys of every action, and the branches."""

from __future__ import annotations

from typing import NamedTuple

import pygame

from app.play.keymap import COMBINE, Keymap, doubles, keys_shown
from app.play.pilot import Pilot
from app.play.session import Mode, PlaySession
from app.window.drawing import CAP_SIDE, SMALL, TEXT, TITLE, Canvas
from app.window.keys import Keyboard
from app.window.settings import Settings
from app.window.shortcuts import keys_to
from app.window.strip import CELL, HEADING, Thumbnail, draw_strip
from genie_core.config import Action

WIDTH, MARGIN = 300, 20
ROW, LEAST_ROW, FACT = 30, CAP_SIDE, 22
LEGEND_TOP, BELOW_LEGEND = 180, 2 * MARGIN + CAP_SIDE
MOST_NEEDED = 10  # rows of the legend without which there is no panel; it scrolls no further actions
HINTS = ("help", "restart", "quit")
MOVING = (Mode.PLAYING, Mode.AUTOPLAY, Mode.REPLAY)
NOW = {"resting": "waits for a key", "forward": "going forward"}


def least_height(actions: int) -> int:
    """Pixels, at scale 1, that the panel of a world with so many actions needs."""
    return LEGEND_TOP + LEAST_ROW * min(actions, MOST_NEEDED) + BELOW_LEGEND


def number_keys(keymap: Keymap) -> dict[int, str]:
    """The number key of each action that has one, by id."""
    return {binding.action: key for binding in keymap if binding.raw for key in binding.keys if len(key) == 1}


class Buttons(NamedTuple):
    """What the mouse can press: areas of shortcuts, by name, and of actions, by the number key that plays them."""

    shortcuts: list[tuple[pygame.Rect, str]]
    actions: list[tuple[pygame.Rect, str]]

    def shortcut_at(self, position: tuple[int, int]) -> str | None:
        return next((name for area, name in self.shortcuts if area.collidepoint(position)), None)

    def key_at(self, position: tuple[int, int]) -> str | None:
        return next((key for area, key in self.actions if area.collidepoint(position)), None)


class Panel:
    """Draws into one area of a canvas what is known of one player."""

    def __init__(self, canvas: Canvas, area: pygame.Rect, pilot: Pilot, settings: Settings, keyboard: Keyboard) -> None:
        self.canvas, self.area, self.pilot, self.settings, self.keyboard = canvas, area, pilot, settings, keyboard
        self.buttons = Buttons([], [])
        self.left, self.right = area.left + canvas.px(MARGIN), area.right - canvas.px(MARGIN)

    def draw(self, name: str, recording: bool = False) -> list[Thumbnail]:
        """Draws it all, with a red dot while a video is recorded; returns the pictures that can be clicked."""
        canvas, area, px = self.canvas, self.area, self.canvas.px
        canvas.surface.fill(canvas.theme.panel, area)
        canvas.text(name, (self.left, area.top + px(MARGIN - 4)), TITLE)
        if recording:
            pygame.draw.circle(canvas.surface, canvas.theme.warning, (self.right - px(7), area.top + px(31)), px(7))
        for line, (label, value) in enumerate(facts(self.pilot.session, self.pilot.fps).items()):
            top = area.top + px(56 + FACT * line)
            canvas.text(label, (self.left, top), TEXT, canvas.theme.faint)
            canvas.text(value, (self.right, top), TEXT, align="right")
        rule = area.top + px(LEGEND_TOP - 10)
        pygame.draw.line(canvas.surface, canvas.theme.cap, (self.left, rule), (self.right, rule))
        below = self._draw_legend()
        self._draw_hints()
        room = pygame.Rect(self.left, below, self.right - self.left, area.bottom - px(BELOW_LEGEND) - below)
        return draw_strip(canvas, room, self.pilot.session)

    def _draw_legend(self) -> int:
        """A row for each action that differs from the others; many get closer rows, and those without room are left
        out. Returns where the next thing may be drawn."""
        session, canvas, area = self.pilot.session, self.canvas, self.area
        twins, numbers = doubles(session.config.actions), number_keys(self.pilot.keymap)
        rows = [action for action in session.config.actions if action.id not in twins]
        strip = HEADING + CELL if session.branched else 0
        room = max(int(area.height / canvas.scale) - LEGEND_TOP - BELOW_LEGEND - strip, LEAST_ROW)
        height = min(ROW, max(LEAST_ROW, room // len(rows)))
        shown = rows[: max(1, room // height)]
        now = session.action
        for place, action in enumerate(shown):
            top = area.top + canvas.px(LEGEND_TOP + height * place)
            row = pygame.Rect(self.left, top, self.right - self.left, canvas.px(height))
            self.buttons.actions.append((row, str(action.id + 1)))
            same = [action.id, *(twin for twin, of in twins.items() if of == action.id)]
            self._draw_row(row, action, {numbers[id]: id == now for id in sorted(same) if id in numbers}, now in same)
        return area.top + canvas.px(LEGEND_TOP + height * len(shown) + 8)

    def _draw_row(self, row: pygame.Rect, action: Action, numbers: dict[str, bool], playing: bool) -> None:
        """An action: the number keys that play it, its name, and at the right its own keys."""
        canvas, px, theme = self.canvas, self.canvas.px, self.canvas.theme
        if playing:
            pygame.draw.rect(canvas.surface, theme.accent, row.inflate(px(16), 0), border_radius=px(7))
        key_top, end = row.top + (row.height - px(CAP_SIDE)) // 2, row.left
        for number, now in numbers.items():
            end = canvas.key(end, key_top, number, theme.ink if now else theme.faint)
        colour = theme.on_accent if playing else theme.ink
        end = canvas.text(action.name, (end + px(6), row.top + row.height // 2), TEXT, colour, middle=True)
        keys = [[self.keyboard.label(key) for key in keys.split(COMBINE)] for keys in self._keys(action)]
        canvas.keys(row.right, key_top, keys, row.right - end)

    def _keys(self, action: Action) -> list[str]:
        return keys_shown(action, self.pilot.session.config.actions, self.settings.actions)

    def _draw_hints(self) -> None:
        canvas, px, faint = self.canvas, self.canvas.px, self.canvas.theme.faint
        end, top = self.left, self.area.bottom - px(MARGIN + CAP_SIDE)
        for hint in HINTS:
            start = end
            for key in keys_to(hint, self.settings, set(), self.keyboard):
                end = canvas.key(end, top, key, faint)
            end = canvas.text(hint, (end + px(2), top + px(CAP_SIDE) // 2), SMALL, faint, middle=True)
            self.buttons.shortcuts.append((pygame.Rect(start, top, end - start, px(CAP_SIDE)), hint))
            end += px(14)


def facts(session: PlaySession, fps: float) -> dict[str, str]:
    """What the panel says of the session, by label; `fps` 0 stands for no pace."""
    names, line = {action.id: action.name for action in session.config.actions}, session.timeline.line
    action, twins = session.action, doubles(session.config.actions)
    behind = "" if session.timeline.at_tip else f" of {line.tip}"
    speed = "" if session.speed == 1 else f" at {session.speed:g}×"
    told = {
        "action": "–" if action is None else names[twins.get(action, action)],
        "step": f"{session.steps}{behind}",
        "frames a second": (f"{fps:.1f}" if fps else "–") + speed,
        "now": "guesses" if session.guesses and session.mode in MOVING else NOW.get(session.mode, session.mode),
    }
    return told | ({"seed": str(session.seed)} if session.sampling.temperature else {})
