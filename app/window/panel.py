"""The side panel of the window: which world, how fast, which step, and what each key does."""

from __future__ import annotations

from typing import NamedTuple

import pygame

from app.play.keymap import COMBINE, keys_of
from app.play.session import PlaySession
from app.window.drawing import CAP_GAP, CAP_SIDE, TEXT, TITLE, Pen
from app.window.shortcuts import Settings
from genie_core.config import Action

WIDTH, MARGIN = 300, 20
ROW, COMBINATION_GAP, FACT = 30, 8, 22
LEGEND_TOP = 180
HINTS = ("help", "restart", "quit")
STATUS = {"resting": "act to go on"}


class Reached(NamedTuple):
    """What the panel cannot ask the session: frames a second (0 standing still), whether a video is being recorded."""

    fps: float
    recording: bool = False


def least_height(actions: int) -> int:
    """Pixels, at scale 1, that a panel for so many actions needs from top to bottom."""
    return LEGEND_TOP + ROW * actions + 2 * MARGIN + CAP_SIDE


def draw_panel(
    pen: Pen, area: pygame.Rect, name: str, session: PlaySession, reached: Reached, settings: Settings
) -> None:
    """Draws the panel into `area`."""
    px, theme = pen.px, pen.theme
    pen.surface.fill(theme.panel, area)
    left, right = area.left + px(MARGIN), area.right - px(MARGIN)
    pen.text(name, (left, area.top + px(MARGIN)), TITLE)
    if reached.recording:
        pygame.draw.circle(pen.surface, theme.warning, (right - px(7), area.top + px(MARGIN + 11)), px(7))
    for line, (label, value) in enumerate(_facts(session, reached).items()):
        top = area.top + px(58 + FACT * line)
        pen.text(label, (left, top), TEXT, theme.faint)
        pen.text(value, (right, top), TEXT, align="right")
    rule = area.top + px(LEGEND_TOP - 12)
    pygame.draw.line(pen.surface, theme.cap, (left, rule), (right, rule))
    for row, action in enumerate(session.config.actions):
        top = area.top + px(LEGEND_TOP + ROW * row)
        _draw_row(pen, left, right, top, action, keys_of(action, settings.actions), action == session.last_action)
    end, top = left, area.bottom - px(MARGIN + CAP_SIDE)
    for hint in HINTS:
        end = pen.key(end, top, settings.key(hint), theme.faint)
        end = pen.text(hint, (end + px(2), top + px(CAP_SIDE) // 2), TEXT, theme.faint, middle=True) + px(14)


def _facts(session: PlaySession, reached: Reached) -> dict[str, str]:
    playing, line = session.last_action, session.timeline.line
    behind = "" if session.timeline.at_tip else f" of {line.tip}"
    speed = "" if session.speed == 1 else f"  at {session.speed:g}×"
    return {
        "action": playing.name if playing else "-",
        "step": f"{session.steps}{behind}",
        "fps": (f"{reached.fps:.1f}" if reached.fps else "-") + speed,
        "now": STATUS.get(session.status, session.status),
        "seed": str(session.seed),
    }


def _draw_row(pen: Pen, left: int, right: int, top: int, action: Action, keys: list[str], playing: bool) -> None:
    """An action of the legend: its raw code, its name, and at the right the keys that play it."""
    px, theme = pen.px, pen.theme
    if playing:
        row = (left - px(8), top, right - left + px(16), px(ROW))
        pygame.draw.rect(pen.surface, theme.accent, row, border_radius=px(7))
    key_top = top + px(ROW - CAP_SIDE) // 2
    end = pen.key(left, key_top, str(action.id + 1), theme.faint)
    colour = theme.on_accent if playing else theme.ink
    end = pen.text(action.name, (end + px(6), top + px(ROW) // 2), TEXT, colour, middle=True)
    for combination in reversed(_that_fit(pen, [spelled.split(COMBINE) for spelled in keys], right - end)):
        for key in reversed(combination):
            right = pen.key(right, key_top, key, from_right=True)
        right -= px(COMBINATION_GAP)


def _that_fit(pen: Pen, combinations: list[list[str]], width: int) -> list[list[str]]:
    """The first of an action's key combinations, as many as can be drawn in `width` pixels."""
    fitting = []
    for keys in combinations:
        width -= sum(pen.key_width(key) + pen.px(CAP_GAP) for key in keys) + pen.px(COMBINATION_GAP)
        if width < 0:
            break
        fitting.append(keys)
    return fitting
