"""A question over the window, before something is lost."""

from __future__ import annotations

import pygame

from app.window.drawing import TEXT, TITLE, Canvas

WIDE, HIGH = 560, 170  # at scale 1


class Ask:
    """Open until `handle` returns False; then `sure` says whether the player pressed Escape again."""

    def __init__(self, title: str, *choices: str) -> None:
        self.title, self.choices = title, choices
        self.sure = False

    def handle(self, event: pygame.event.Event) -> bool:
        """Takes an event; whether the question stays open. Any other key than Escape means no."""
        if event.type != pygame.KEYDOWN:
            return True
        self.sure = event.key == pygame.K_ESCAPE
        return False

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        px = canvas.px
        canvas.veil(area, opacity=150)
        box = pygame.Rect(0, 0, min(px(WIDE), area.width), px(HIGH))
        box.center = area.center
        pygame.draw.rect(canvas.surface, canvas.theme.panel, box, border_radius=px(10))
        pygame.draw.rect(canvas.surface, canvas.theme.accent, box, width=max(2, px(2)), border_radius=px(10))
        canvas.text(self.title, (box.centerx, box.top + px(46)), TITLE, align="center", middle=True)
        for line, text in enumerate(self.choices):
            at = box.centerx, box.top + px(90 + 28 * line)
            canvas.text(text, at, TEXT, canvas.theme.faint, "center", middle=True)
