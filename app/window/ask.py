"""A question over the window, before something is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pygame

from app.window.drawing import TEXT, TITLE, Canvas
from app.window.keys import Keyboard

WIDE, HIGH = 560, 200  # at scale 1


class Ask:
    """Open until `handle` returns False; then `chosen` is the key of the player's choice, empty if Escape closed it."""

    def __init__(self, title: str, choices: Mapping[str, str], keyboard: Keyboard, leave: Callable[[], object]) -> None:
        """`choices` are sentences to show, by the name that a key commands by. `leave` does what is asked about."""
        self.title, self.choices, self.leave, self._keyboard = title, choices, leave, keyboard
        self.chosen = ""

    def handle(self, event: pygame.event.Event) -> bool:
        """Takes an event; whether the question stays open. A key that is no choice does nothing."""
        if event.type != pygame.KEYDOWN:
            return True
        key = self._keyboard.key(event)
        command = self._keyboard.command(key)
        if command in self.choices and key.place != "escape":
            self.chosen = command
        return key.place != "escape" and not self.chosen

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        px = canvas.px
        canvas.veil(area, opacity=150)
        box = pygame.Rect(0, 0, min(px(WIDE), area.width), px(HIGH))
        box.center = area.center
        pygame.draw.rect(canvas.surface, canvas.theme.panel, box, border_radius=px(10))
        pygame.draw.rect(canvas.surface, canvas.theme.accent, box, width=max(2, px(2)), border_radius=px(10))
        canvas.text(self.title, (box.centerx, box.top + px(46)), TITLE, align="center", middle=True)
        for line, text in enumerate(self.choices.values()):
            at = box.centerx, box.top + px(90 + 28 * line)
            canvas.text(text, at, TEXT, canvas.theme.faint, "center", middle=True)
