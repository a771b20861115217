"""The side panel of the window: the world's name, the pace, the step, and the keys of every action."""

from __future__ import annotations

import pygame

from app.play.keymap import COMBINE, Keymap, keys_of
from app.play.pilot import Pilot
from app.play.session import PlaySession
from app.window.drawing import CAP_GAP, CAP_SIDE, TEXT, TITLE, Canvas
from app.window.settings import Settings
from app.window.shortcuts import shortcut_key
from genie_core.config import Action

WIDTH, MARGIN = 300, 20
ROW, LEAST_ROW, COMBINATION_GAP, FACT = 30, CAP_SIDE, 8, 22
LEGEND_TOP, BELOW_LEGEND = 180, 2 * MARGIN + CAP_SIDE
MOST_NEEDED = 10  # rows of the legend without which there is no panel; it scrolls no further actions
HINTS = ("help", "restart", "quit")
STATUS = {"resting": "act to go on"}


def least_height(actions: int) -> int:
    """Pixels, at scale 1, that the panel of a world with so many actions needs."""
    return LEGEND_TOP + LEAST_ROW * min(actions, MOST_NEEDED) + BELOW_LEGEND


def number_keys(keymap: Keymap) -> dict[int, str]:
    """The number key of each action that has one, by id."""
    return {binding.action: key for binding in keymap if binding.raw for key in binding.keys if len(key) == 1}


def draw_panel(
    canvas: Canvas, area: pygame.Rect, name: str, pilot: Pilot, settings: Settings, recording: bool = False
) -> None:
    """Draws the panel into `area`; a red dot says that a video is being recorded."""
    px, theme = canvas.px, canvas.theme
    canvas.surface.fill(theme.panel, area)
    left, right = area.left + px(MARGIN), area.right - px(MARGIN)
    canvas.text(name, (left, area.top + px(MARGIN)), TITLE)
    if recording:
        pygame.draw.circle(canvas.surface, theme.warning, (right - px(7), area.top + px(MARGIN + 11)), px(7))
    for line, (label, value) in enumerate(facts(pilot.session, pilot.fps).items()):
        top = area.top + px(58 + FACT * line)
        canvas.text(label, (left, top), TEXT, theme.faint)
        canvas.text(value, (right, top), TEXT, align="right")
    rule = area.top + px(LEGEND_TOP - 12)
    pygame.draw.line(canvas.surface, theme.cap, (left, rule), (right, rule))
    _draw_legend(canvas, area, pilot, settings)
    end, top = left, area.bottom - px(MARGIN + CAP_SIDE)
    for hint in HINTS:
        end = canvas.key(end, top, shortcut_key(hint, settings), theme.faint)
        end = canvas.text(hint, (end + px(2), top + px(CAP_SIDE) // 2), TEXT, theme.faint, middle=True) + px(14)


def facts(session: PlaySession, fps: float) -> dict[str, str]:
    """What the panel says of the session, by label; `fps` 0 stands for no pace."""
    playing, line = session.last_action, session.timeline.line
    behind = "" if session.timeline.at_tip else f" of {line.tip}"
    speed = "" if session.speed == 1 else f"  at {session.speed:g}×"
    return {
        "action": playing.name if playing else "-",
        "step": f"{session.steps}{behind}",
        "fps": (f"{fps:.1f}" if fps else "-") + speed,
        "now": STATUS.get(session.mode, session.mode),
        "seed": str(session.seed),
    }


def _draw_legend(canvas: Canvas, area: pygame.Rect, pilot: Pilot, settings: Settings) -> None:
    """Draws a row for each action. Many actions get closer rows; the last ones are left out if there is no room."""
    actions, numbers = pilot.session.config.actions, number_keys(pilot.keymap)
    room = int(area.height / canvas.scale) - LEGEND_TOP - BELOW_LEGEND
    height = min(ROW, max(LEAST_ROW, room // len(actions)))
    for place, action in enumerate(actions[: max(1, room // height)]):
        top = area.top + canvas.px(LEGEND_TOP + height * place)
        row = pygame.Rect(area.left + canvas.px(MARGIN), top, area.width - canvas.px(2 * MARGIN), canvas.px(height))
        keys = [keys.split(COMBINE) for keys in keys_of(action, settings.actions)]
        _draw_row(canvas, row, action, numbers.get(action.id), keys, action == pilot.session.last_action)


def _draw_row(
    canvas: Canvas, row: pygame.Rect, action: Action, number: str | None, keys: list[list[str]], playing: bool
) -> None:
    """Draws an action: its number key, its name, and at the right the keys that play it."""
    px, theme = canvas.px, canvas.theme
    if playing:
        pygame.draw.rect(canvas.surface, theme.accent, row.inflate(px(16), 0), border_radius=px(7))
    key_top = row.top + (row.height - px(CAP_SIDE)) // 2
    end = canvas.key(row.left, key_top, number, theme.faint) if number else row.left
    colour = theme.on_accent if playing else theme.ink
    end = canvas.text(action.name, (end + px(6), row.top + row.height // 2), TEXT, colour, middle=True)
    right = row.right
    for combination in reversed(_fitting(canvas, keys, right - end)):
        for key in reversed(combination):
            right = canvas.key(right, key_top, key, from_right=True)
        right -= px(COMBINATION_GAP)


def _fitting(canvas: Canvas, combinations: list[list[str]], width: int) -> list[list[str]]:
    """The first key combinations, as many as fit in `width` pixels."""
    fitting = []
    for keys in combinations:
        width -= sum(canvas.key_width(key) + canvas.px(CAP_GAP) for key in keys) + canvas.px(COMBINATION_GAP)
        if width < 0:
            break
        fitting.append(keys)
    return fitting
