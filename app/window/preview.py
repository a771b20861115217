"""A picture or a video over the window: which frame to start from, how to fit it, and what the world sees of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pygame

from app.window.drawing import TEXT, TITLE, Pen
from app.window.hud import to_surface
from genie_core.familiarity import Familiarity
from genie_core.pictures import FITS, fit

DRAWN_WIDTH, DRAWN_HEIGHT, SIDE = 640, 470, 128  # at scale 1; it is scaled to the window
USAGE = "left right: how to fit it    Enter: start from it    Esc: back"
USAGE_FRAMES = "up down: which frame, Shift by ten    A: play what it does"


class Chosen(NamedTuple):
    """What the player decided: start from `picture`, uint8 (S, S, 3), fitted by `how`; or play the video's actions."""

    picture: np.ndarray
    how: str
    imitate: bool


class Preview:
    """Open until `handle` says otherwise; `chosen` is what was decided, None for nothing."""

    def __init__(
        self,
        frames: Callable[[str], np.ndarray],
        how: str,
        size: int,
        palette: np.ndarray | None,
        judge: Callable[[np.ndarray], Familiarity],
    ) -> None:
        """`frames` gives, for a way to fit, uint8 (t, H, W, 3): one frame of any size, or those of a video, fitted."""
        self._frames, self._size, self._palette, self._judge = frames, size, palette, judge
        self.how, self.at = how, 0
        self.chosen: Chosen | None = None
        self._by_fit: dict[str, np.ndarray] = {}
        self._seen: dict[tuple[str, int], tuple[np.ndarray, Familiarity]] = {}
        self.count = len(self._of(how))

    def handle(self, event: pygame.event.Event) -> bool:
        """Whether the preview stays open after `event`."""
        if event.type != pygame.KEYDOWN:
            return True
        key, many = pygame.key.name(event.key), 10 if pygame.key.get_mods() & pygame.KMOD_SHIFT else 1
        if key in ("left", "right"):
            self.how = FITS[(FITS.index(self.how) + (1 if key == "right" else -1)) % len(FITS)]
        elif key in ("up", "down"):
            self.at = min(max(self.at + (many if key == "down" else -many), 0), self.count - 1)
        elif key in ("return", "[enter]") or (key == "a" and self.count > 1):
            self.chosen = Chosen(self.look(self.how)[0], self.how, key == "a")
            return False
        return key not in ("escape", "i")

    def frames(self) -> np.ndarray:
        """All frames, fitted as chosen, uint8 (t, S, S, 3)."""
        return np.stack([fit(frame, self._size, self.how, self._palette) for frame in self._of(self.how)])

    def look(self, how: str) -> tuple[np.ndarray, Familiarity]:
        """The frame at hand, fitted, and what the world makes of it."""
        key = how, self.at
        if key not in self._seen:
            frames = self._of(how)
            fitted = fit(frames[min(self.at, len(frames) - 1)], self._size, how, self._palette)
            self._seen[key] = fitted, self._judge(fitted)
        return self._seen[key]

    def _of(self, how: str) -> np.ndarray:
        if how not in self._by_fit:
            self._by_fit[how] = self._frames(how)
        return self._by_fit[how]

    def draw(self, pen: Pen, area: pygame.Rect) -> None:
        pen.veil(area, opacity=250)
        pen = Pen(pen.surface, pen.theme, min(area.width / DRAWN_WIDTH, area.height / DRAWN_HEIGHT))
        left, top = area.centerx - pen.px(DRAWN_WIDTH) // 2, area.centery - pen.px(DRAWN_HEIGHT) // 2
        frame = f"frame {self.at + 1} of {self.count}" if self.count > 1 else ""
        pen.text("What the world sees", (left + pen.px(20), top + pen.px(14)), TITLE)
        pen.text(frame, (left + pen.px(DRAWN_WIDTH - 20), top + pen.px(20)), TEXT, align="right")
        for place, how in enumerate(FITS):
            self._draw_fit(pen, left + pen.px(32 + place * (SIDE + 21)), top + pen.px(60), how)
        middle = left + pen.px(DRAWN_WIDTH) // 2
        pen.text(USAGE, (middle, top + pen.px(418)), TEXT, pen.theme.faint, align="center")
        if self.count > 1:
            pen.text(USAGE_FRAMES, (middle, top + pen.px(442)), TEXT, pen.theme.faint, align="center")

    def _draw_fit(self, pen: Pen, left: int, top: int, how: str) -> None:
        fitted, found = self.look(how)
        side = pen.px(SIDE)
        for row, picture in enumerate((fitted, found.seen)):
            pen.surface.blit(to_surface(picture, (side, side)), (left, top + row * pen.px(SIDE + 14)))
        if how == self.how:
            box = pygame.Rect(left, top, side, 2 * side + pen.px(14)).inflate(pen.px(10), pen.px(10))
            pygame.draw.rect(pen.surface, pen.theme.accent, box, width=max(2, pen.px(3)), border_radius=pen.px(4))
        below = top + pen.px(2 * SIDE + 24)
        colour = pen.theme.warning if found.unfamiliar else pen.theme.ink
        pen.text(how, (left + side // 2, below), TEXT, align="center")
        pen.text(
            f"{100 * found.score:.0f} of 100", (left + side // 2, below + pen.px(22)), TEXT, colour, align="center"
        )
