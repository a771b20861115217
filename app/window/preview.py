"""A picture or a video over the window: choose the frame to start from and how to fit it; see it as the world does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pygame

from app.window.drawing import SMALL, TEXT, TITLE, Canvas
from app.window.film import Film
from genie_core.pictures import FITS

if TYPE_CHECKING:  # it brings torch, and the window opens before torch is there
    from genie_core.familiarity import Familiarity

DRAWN_WIDTH, DRAWN_HEIGHT, SIDE, MARGIN = 700, 484, 128, 90  # at scale 1; scaled to the window
USAGE = "← →  how to fit it      Enter  start from it      Esc  back"
USAGE_FRAMES = "↑ ↓  which frame, with Shift by ten      A  play what the video does"
ROWS = ("your", "picture"), ("what the", "world makes", "of it")


class Chosen(NamedTuple):
    """The player's choice: `picture` uint8 (H, W, 3), fitted by `how`; `imitate` to play the video's actions."""

    picture: np.ndarray
    how: str
    imitate: bool


class Preview:
    """Open until `handle` returns False; then `chosen` is the player's choice, or None."""

    def __init__(
        self,
        film: Film,
        how: str,
        size: tuple[int, int],
        palette: np.ndarray | None,
        judge: Callable[[np.ndarray], Familiarity],
    ) -> None:
        """`film` is a video, or a single picture; `judge` says how familiar the world is with a frame of `size`."""
        self._film, self._size, self._palette, self._judge = film, size, palette, judge
        self.how, self.at = how, 0
        self.chosen: Chosen | None = None
        self._seen: dict[tuple[str, int], tuple[np.ndarray, Familiarity]] = {}
        self.count = len(film)

    def handle(self, event: pygame.event.Event) -> bool:
        """Takes an event; whether the preview stays open."""
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
        """All frames, fitted as chosen, uint8 (t, H, W, 3)."""
        return np.stack([self._film.frame(at, self._size, self.how, self._palette) for at in range(self.count)])

    def look(self, how: str) -> tuple[np.ndarray, Familiarity]:
        """The frame shown, fitted by `how`, and how familiar it is to the world."""
        key = how, self.at
        if key not in self._seen:
            fitted = self._film.frame(self.at, self._size, how, self._palette)
            self._seen[key] = fitted, self._judge(fitted)
        return self._seen[key]

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        canvas.veil(area, opacity=250)
        scale = min(area.width / DRAWN_WIDTH, area.height / DRAWN_HEIGHT)
        canvas = Canvas(canvas.surface, canvas.theme, scale)
        px, faint = canvas.px, canvas.theme.faint
        left, top = area.centerx - px(DRAWN_WIDTH) // 2, area.centery - px(DRAWN_HEIGHT) // 2
        frame = f"frame {self.at + 1} of {self.count}" if self.count > 1 else ""
        canvas.text("What the world makes of it", (left + px(20), top + px(14)), TITLE)
        canvas.text(frame, (left + px(DRAWN_WIDTH - 20), top + px(20)), TEXT, align="right")
        for place, how in enumerate(FITS):
            self._draw_fit(canvas, left + px(MARGIN + 10 + place * (SIDE + 21)), top + px(60), how)
        for row, words in enumerate(ROWS):
            for line, part in enumerate(words):
                at = top + px(60 + row * (SIDE + 14) + 30 + 20 * line)
                canvas.text(part, (left + px(MARGIN - 6), at), SMALL, faint, align="right")
        middle = left + px(DRAWN_WIDTH) // 2
        canvas.text(USAGE, (middle, top + px(418)), TEXT, faint, align="center")
        if self.count > 1:
            canvas.text(USAGE_FRAMES, (middle, top + px(442)), TEXT, faint, align="center")

    def _draw_fit(self, canvas: Canvas, left: int, top: int, how: str) -> None:
        """Draws the fitted frame and, below it, what the world makes of it."""
        px, (fitted, found) = canvas.px, self.look(how)
        side = px(SIDE)
        for row, picture in enumerate((fitted, found.seen)):
            canvas.picture(picture, pygame.Rect(left, top + row * px(SIDE + 14), side, side))
        if how == self.how:
            box = pygame.Rect(left, top, side, 2 * side + px(14)).inflate(px(10), px(10))
            pygame.draw.rect(canvas.surface, canvas.theme.accent, box, width=max(2, px(3)), border_radius=px(4))
        middle, below = left + side // 2, top + px(2 * SIDE + 24)
        colour = canvas.theme.warning if found.unfamiliar else canvas.theme.ink
        canvas.text(how, (middle, below), TEXT, align="center")
        canvas.text(
            f"familiar: {100 * found.score:.0f} of 100", (middle, below + px(22)), SMALL, colour, align="center"
        )
