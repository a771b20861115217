"""The side panel of the window: which world, how fast, which step, and what each key does."""

from __future__ import annotations

from functools import lru_cache

import pygame

from app.keys import COMBINE
from app.session import PlaySession
from genie_core.config import Action

PAPER, PANEL, CAP, CAP_EDGE = (13, 14, 18), (23, 25, 31), (43, 47, 57), (70, 76, 90)
INK, FAINT, ACCENT, ON_ACCENT = (226, 229, 236), (150, 157, 171), (255, 190, 70), (38, 26, 4)
WIDTH, MARGIN = 300, 20
ROW, CAP_SIDE, CAP_GAP, COMBINATION_GAP = 30, 22, 4, 8
TITLE_SIZE, TEXT_SIZE, CAP_SIZE = 34, 22, 17
LEGEND_TOP = 156
# Corners of the arrows in a square of side 2 around the middle; the default font has none.
ARROWS = {
    "left": ((-0.8, 0), (0.5, -0.8), (0.5, 0.8)),
    "right": ((0.8, 0), (-0.5, -0.8), (-0.5, 0.8)),
    "up": ((0, -0.8), (-0.8, 0.5), (0.8, 0.5)),
    "down": ((0, 0.8), (-0.8, -0.5), (0.8, -0.5)),
}

Colour = tuple[int, int, int]


def least_height(actions: int) -> int:
    """Pixels that a panel for so many actions needs from top to bottom."""
    return LEGEND_TOP + ROW * actions + 2 * MARGIN + CAP_SIDE


def draw_panel(screen: pygame.Surface, area: pygame.Rect, name: str, session: PlaySession, fps: float) -> None:
    """Draws the panel into `area` of the screen; `fps` is the pace measured, in steps a second."""
    screen.fill(PANEL, area)
    left, right = area.left + MARGIN, area.right - MARGIN
    _write(screen, name, (left, area.top + MARGIN), TITLE_SIZE, INK)
    playing = session.last_action
    facts = {"action": playing.name if playing else "-", "step": str(session.steps), "fps": f"{fps:.1f}"}
    for line, (label, value) in enumerate(facts.items()):
        top = area.top + 60 + 24 * line
        _write(screen, label, (left, top), TEXT_SIZE, FAINT)
        _write(screen, value, (right, top), TEXT_SIZE, INK, from_right=True)
    pygame.draw.line(screen, CAP, (left, area.top + LEGEND_TOP - 12), (right, area.top + LEGEND_TOP - 12))
    for row, action in enumerate(session.config.actions):
        _draw_row(screen, left, right, area.top + LEGEND_TOP + ROW * row, action, action == playing)
    end = _draw_key(screen, left, area.bottom - MARGIN - CAP_SIDE, "r", FAINT)
    end = _write_beside(screen, "restart", end, area.bottom - MARGIN - CAP_SIDE) + 22
    end = _draw_key(screen, end, area.bottom - MARGIN - CAP_SIDE, "esc", FAINT)
    _write_beside(screen, "quit", end, area.bottom - MARGIN - CAP_SIDE)


def _draw_row(screen: pygame.Surface, left: int, right: int, top: int, action: Action, playing: bool) -> None:
    """An action of the legend: its raw code, its name, and at the right the keys that play it."""
    if playing:
        pygame.draw.rect(screen, ACCENT, (left - 8, top, right - left + 16, ROW), border_radius=7)
    key_top = top + (ROW - CAP_SIDE) // 2
    end = _draw_key(screen, left, key_top, str(action.id + 1), FAINT)
    end = _write(screen, action.name, (end + 6, top + ROW // 2), TEXT_SIZE, ON_ACCENT if playing else INK, middle=True)
    for keys in reversed(_that_fit([spelled.split(COMBINE) for spelled in action.keys], right - end)):
        for key in reversed(keys):
            right = _draw_key(screen, right, key_top, key, INK, from_right=True)
        right -= COMBINATION_GAP


def _that_fit(combinations: list[list[str]], width: int) -> list[list[str]]:
    """The first of an action's key combinations, as many as can be drawn in `width` pixels."""
    fitting = []
    for keys in combinations:
        width -= sum(_key_width(key) + CAP_GAP for key in keys) + COMBINATION_GAP
        if width < 0:
            break
        fitting.append(keys)
    return fitting


def _draw_key(screen: pygame.Surface, x: int, top: int, key: str, colour: Colour, from_right: bool = False) -> int:
    """A key cap that starts, or ends, at `x`; returns where the next one goes."""
    text, width = _text(_key_label(key), CAP_SIZE, colour), _key_width(key)
    cap = pygame.Rect(x - width if from_right else x, top, width, CAP_SIDE)
    pygame.draw.rect(screen, CAP, cap, border_radius=5)
    pygame.draw.rect(screen, CAP_EDGE, cap, width=1, border_radius=5)
    if key in ARROWS:
        points = [(cap.centerx + 6 * dx, cap.centery + 6 * dy) for dx, dy in ARROWS[key]]
        pygame.draw.polygon(screen, colour, points)
    else:
        screen.blit(text, text.get_rect(center=cap.center))
    return cap.left - CAP_GAP if from_right else cap.right + CAP_GAP


def _key_label(key: str) -> str:
    return key.capitalize() if len(key) > 1 else key.upper()


def _key_width(key: str) -> int:
    return CAP_SIDE if key in ARROWS else max(CAP_SIDE, _text(_key_label(key), CAP_SIZE, INK).get_width() + 12)


def _write_beside(screen: pygame.Surface, text: str, x: int, key_top: int) -> int:
    """Words after a key cap; returns where they end."""
    return _write(screen, text, (x + 2, key_top + CAP_SIDE // 2), TEXT_SIZE, FAINT, middle=True)


def _write(
    screen: pygame.Surface,
    text: str,
    position: tuple[int, int],
    size: int,
    colour: Colour,
    from_right: bool = False,
    middle: bool = False,
) -> int:
    """Text at `position`: its left or right edge there, its top or middle; returns its right edge."""
    picture = _text(text, size, colour)
    x, y = position
    area = picture.get_rect(left=x - from_right * picture.get_width(), top=y)
    if middle:
        area.centery = y
    screen.blit(picture, area)
    return area.right


@lru_cache(maxsize=256)
def _text(text: str, size: int, colour: Colour) -> pygame.Surface:
    return pygame.font.Font(None, size).render(text, True, colour)
