"""Text, key caps, pictures and colours on a pygame surface, in a dark or a light theme, at the scale of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pygame

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Theme:
    """The colours of everything except the world's frames; by default the dark ones."""

    paper: Colour = (13, 14, 18)
    panel: Colour = (23, 25, 31)
    cap: Colour = (43, 47, 57)
    cap_edge: Colour = (70, 76, 90)
    ink: Colour = (226, 229, 236)
    faint: Colour = (150, 157, 171)
    accent: Colour = (255, 190, 70)
    on_accent: Colour = (38, 26, 4)
    warning: Colour = (255, 122, 92)


DARK = Theme()
LIGHT = Theme(
    paper=(221, 223, 228),
    panel=(246, 247, 249),
    cap=(255, 255, 255),
    cap_edge=(176, 181, 192),
    ink=(28, 31, 38),
    faint=(92, 98, 111),
    accent=(255, 178, 38),
    warning=(176, 42, 20),
)
THEMES = {"dark": DARK, "light": LIGHT}

# DejaVu Sans, cut down to Latin, Greek, Cyrillic and arrows: pygame's own font loses dots and strokes at these sizes.
FONT = Path(__file__).with_name("fonts") / "DejaVuSans.ttf"
TITLE, TEXT, SMALL = 24, 15, 12  # text sizes: pixels of an em, at scale 1
LEAST_TEXT = 10  # pixels, at any scale; smaller letters run together
CAP_SIDE, CAP_GAP, COMBINATION_GAP = 22, 4, 8
# Corners of the arrows on key caps, in a square of side 2 around its middle.
ARROWS = {
    "left": ((-0.8, 0), (0.5, -0.8), (0.5, 0.8)),
    "right": ((0.8, 0), (-0.5, -0.8), (-0.5, 0.8)),
    "up": ((0, -0.8), (-0.8, 0.5), (0.8, 0.5)),
    "down": ((0, 0.8), (-0.8, -0.5), (0.8, -0.5)),
}
SHORT = {"backspace": "Back", "return": "Enter", "escape": "Esc", "page up": "PgUp", "page down": "PgDn"}
SHORT |= {"delete": "Del", "left shift": "Shift", "right shift": "Shift", "left ctrl": "Ctrl", "right ctrl": "Ctrl"}
SHORT |= {"left alt": "Alt", "right alt": "AltGr", "alt gr": "AltGr", "caps lock": "Caps", "insert": "Ins"}


class Canvas:
    """Draws on `surface`. Positions are pixels of the surface; `px` converts a length to the scale of the screen."""

    def __init__(self, surface: pygame.Surface, theme: Theme = DARK, scale: float = 1.0) -> None:
        self.surface, self.theme, self.scale = surface, theme, scale

    def px(self, length: float) -> int:
        return round(length * self.scale)

    def text(
        self,
        text: str,
        position: tuple[int, int],
        size: int = TEXT,
        colour: Colour | None = None,
        align: str = "left",
        middle: bool = False,
    ) -> int:
        """Draws text, its `left`, `right` or `center` at x and its top, or `middle`, at y. Returns its right edge."""
        rendered = self.render(text, size, colour)
        area = rendered.get_rect(top=position[1])
        setattr(area, {"center": "centerx"}.get(align, align), position[0])
        if middle:
            area.centery = position[1]
        self.surface.blit(rendered, area)
        return area.right

    def render(self, text: str, size: int = TEXT, colour: Colour | None = None) -> pygame.Surface:
        return _text(text, self.px(size), colour or self.theme.ink)

    def width(self, text: str, size: int = TEXT) -> int:
        return self.render(text, size).get_width()

    def line_height(self, size: int = TEXT) -> int:
        return self.render("X", size).get_height()

    def cut(self, text: str, width: int, size: int) -> str:
        """`text`, or as much of its beginning as fits in `width` pixels."""
        if self.width(text, size) <= width:
            return text
        return next(
            (text[:end] + "…" for end in range(len(text), 0, -1) if self.width(text[:end] + "…", size) <= width), ""
        )

    def wrapped(self, text: str, width: int, size: int = TEXT) -> list[str]:
        """The words of `text` in lines of at most `width` pixels; a word that is longer is a line."""
        lines: list[str] = []
        for word in text.split():
            if lines and self.width(f"{lines[-1]} {word}", size) <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines

    def key(
        self,
        x: int,
        top: int,
        key: str,
        colour: Colour | None = None,
        from_right: bool = False,
        fill: Colour | None = None,
    ) -> int:
        """Draws a key cap that starts, or ends, at `x`; returns where the next cap goes."""
        width, side, gap = self.key_width(key), self.px(CAP_SIDE), self.px(CAP_GAP)
        cap = pygame.Rect(x - width if from_right else x, top, width, side)
        self.cap(cap, fill)
        if key in ARROWS:
            points = [(cap.centerx + self.px(6) * dx, cap.centery + self.px(6) * dy) for dx, dy in ARROWS[key]]
            pygame.draw.polygon(self.surface, colour or self.theme.ink, points)
        else:
            label = self.render(key_label(key), SMALL, colour)
            self.surface.blit(label, label.get_rect(center=cap.center))
        return cap.left - gap if from_right else cap.right + gap

    def cap(self, cap: pygame.Rect, fill: Colour | None = None) -> None:
        """Draws an empty key cap."""
        pygame.draw.rect(self.surface, fill or self.theme.cap, cap, border_radius=self.px(5))
        pygame.draw.rect(self.surface, self.theme.cap_edge, cap, width=1, border_radius=self.px(5))

    def key_width(self, key: str) -> int:
        side = self.px(CAP_SIDE)
        return side if key in ARROWS else max(side, self.width(key_label(key), SMALL) + self.px(12))

    def keys(self, right: int, top: int, combinations: Sequence[Sequence[str]], width: int) -> int:
        """Draws combinations of keys that end at `right`, the first ones, as many as fit in `width`; returns their left
        edge."""
        for combination in reversed(self._fitting(combinations, width)):
            for place, key in enumerate(reversed(combination)):
                if place:
                    middle = top + self.px(CAP_SIDE) // 2
                    self.text("+", (right, middle), SMALL, self.theme.faint, "right", middle=True)
                    right -= self.width("+", SMALL) + self.px(CAP_GAP)
                right = self.key(right, top, key, from_right=True)
            right -= self.px(COMBINATION_GAP)
        return right

    def _fitting(self, combinations: Sequence[Sequence[str]], width: int) -> list[Sequence[str]]:
        fitting = []
        for keys in combinations:
            width -= sum(self.key_width(key) + self.px(CAP_GAP) for key in keys) + self.px(COMBINATION_GAP)
            width -= (len(keys) - 1) * (self.width("+", SMALL) + self.px(CAP_GAP))
            if width < 0:
                break
            fitting.append(keys)
        return fitting

    def veil(self, area: pygame.Rect, opacity: int = 235) -> None:
        """Dims `area`."""
        sheet = pygame.Surface(area.size, pygame.SRCALPHA)
        sheet.fill((*self.theme.panel, opacity))
        self.surface.blit(sheet, area)

    def picture(self, picture: np.ndarray, area: pygame.Rect, smooth: bool = False, whole: bool = False) -> pygame.Rect:
        """Draws uint8 (H, W, 3) as large as fits in the middle of `area`, in its own shape, and returns where.

        `whole` enlarges only a whole number of times, so that every pixel gets the same size.
        """
        height, width = picture.shape[:2]
        times = min(area.width / width, area.height / height)
        times = max(1, int(times)) if whole else times
        surface = pygame.image.frombuffer(np.ascontiguousarray(picture).tobytes(), (width, height), "RGB")
        size = max(1, round(times * width)), max(1, round(times * height))
        resized = (pygame.transform.smoothscale if smooth else pygame.transform.scale)(surface, size)
        return self.surface.blit(resized, resized.get_rect(center=area.center))


def key_label(key: str) -> str:
    return SHORT.get(key) or (key.capitalize() if len(key) > 1 else key.upper())


def forget_fonts() -> None:
    """Call this when pygame starts anew: fonts do not outlive it."""
    _font.cache_clear()
    _text.cache_clear()


@lru_cache(maxsize=32)
def _font(size: int) -> pygame.font.Font:
    return pygame.font.Font(FONT, max(size, LEAST_TEXT))


@lru_cache(maxsize=1024)
def _text(text: str, size: int, colour: Colour) -> pygame.Surface:
    return _font(size).render(drawable(text), True, colour)


def drawable(text: str) -> str:
    """`text`, which a stranger's world or file may have named, without what no font can draw."""
    return text.encode(errors="replace").decode().replace("\0", "?")
