"""Text, key caps and colours on a pygame surface, in the dark or the light, at the scale of the screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pygame

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Theme:
    """The colours of everything but the world."""

    paper: Colour
    panel: Colour
    cap: Colour
    cap_edge: Colour
    ink: Colour
    faint: Colour
    accent: Colour
    on_accent: Colour
    warning: Colour


DARK = Theme(
    paper=(13, 14, 18),
    panel=(23, 25, 31),
    cap=(43, 47, 57),
    cap_edge=(70, 76, 90),
    ink=(226, 229, 236),
    faint=(150, 157, 171),
    accent=(255, 190, 70),
    on_accent=(38, 26, 4),
    warning=(255, 122, 92),
)
LIGHT = Theme(
    paper=(221, 223, 228),
    panel=(246, 247, 249),
    cap=(255, 255, 255),
    cap_edge=(176, 181, 192),
    ink=(28, 31, 38),
    faint=(92, 98, 111),
    accent=(255, 178, 38),
    on_accent=(38, 26, 4),
    warning=(176, 42, 20),
)
THEMES = {"dark": DARK, "light": LIGHT}

TITLE, TEXT, CAPS, SMALL = 34, 22, 17, 15  # sizes of text
CAP_SIDE, CAP_GAP = 22, 4
# Corners of the arrows in a square of side 2 around the middle; the default font has none.
ARROWS = {
    "left": ((-0.8, 0), (0.5, -0.8), (0.5, 0.8)),
    "right": ((0.8, 0), (-0.5, -0.8), (-0.5, 0.8)),
    "up": ((0, -0.8), (-0.8, 0.5), (0.8, 0.5)),
    "down": ((0, 0.8), (-0.8, -0.5), (0.8, -0.5)),
}
SHORT = {"backspace": "Back", "return": "Enter", "escape": "Esc", "page up": "PgUp", "page down": "PgDn"}


class Pen:
    """Draws on `surface`. Positions are pixels of the surface; `px` gives so many pixels at the scale of the screen."""

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
        """Text whose `left`, `right` or `center` is at x, its top, or `middle`, at y; returns its right edge."""
        picture = self.render(text, size, colour)
        area = picture.get_rect(top=position[1])
        setattr(area, {"center": "centerx"}.get(align, align), position[0])
        if middle:
            area.centery = position[1]
        self.surface.blit(picture, area)
        return area.right

    def render(self, text: str, size: int = TEXT, colour: Colour | None = None) -> pygame.Surface:
        return _text(text, self.px(size), colour or self.theme.ink)

    def width(self, text: str, size: int = TEXT) -> int:
        return self.render(text, size).get_width()

    def key(self, x: int, top: int, key: str, colour: Colour | None = None, from_right: bool = False) -> int:
        """A key cap that starts, or ends, at `x`; returns where the next one goes."""
        width, side, gap = self.key_width(key), self.px(CAP_SIDE), self.px(CAP_GAP)
        cap = pygame.Rect(x - width if from_right else x, top, width, side)
        self.cap(cap, key, colour)
        return cap.left - gap if from_right else cap.right + gap

    def cap(self, cap: pygame.Rect, key: str, colour: Colour | None = None, fill: Colour | None = None) -> None:
        """A key cap that fills `cap`."""
        colour = colour or self.theme.ink
        pygame.draw.rect(self.surface, fill or self.theme.cap, cap, border_radius=self.px(5))
        pygame.draw.rect(self.surface, self.theme.cap_edge, cap, width=1, border_radius=self.px(5))
        if key in ARROWS:
            points = [(cap.centerx + self.px(6) * dx, cap.centery + self.px(6) * dy) for dx, dy in ARROWS[key]]
            pygame.draw.polygon(self.surface, colour, points)
        else:
            text = self.render(key_label(key), CAPS, colour)
            self.surface.blit(text, text.get_rect(center=cap.center))

    def key_width(self, key: str) -> int:
        side = self.px(CAP_SIDE)
        return side if key in ARROWS else max(side, self.width(key_label(key), CAPS) + self.px(12))

    def veil(self, area: pygame.Rect, colour: Colour | None = None, opacity: int = 235) -> None:
        """Dims what is in `area`."""
        sheet = pygame.Surface(area.size, pygame.SRCALPHA)
        sheet.fill((*(colour or self.theme.panel), opacity))
        self.surface.blit(sheet, area)


def key_label(key: str) -> str:
    return SHORT.get(key) or (key.capitalize() if len(key) > 1 else key.upper())


@lru_cache(maxsize=1024)
def _text(text: str, size: int, colour: Colour) -> pygame.Surface:
    return pygame.font.Font(None, size).render(text, True, colour)
