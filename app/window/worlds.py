"""The worlds at hand over the window, each by its first start picture: choose the one to play next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pygame

from app.play.session import PlaySession
from app.play.start_pictures import Prompts
from app.window.drawing import SMALL, TEXT, TITLE, Canvas
from app.window.screen import Progress

if TYPE_CHECKING:  # they bring torch, and the window opens before torch is there
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

MARGIN, HEAD, FOOT, GAP, BELOW = 24, 56, 40, 20, 48  # at scale 1; BELOW a picture stand its name and a note
LEAST_SIDE, MOST_SIDE = 96, 256  # of a picture, at scale 1
USAGE = "Arrows choose      Enter or a click plays it      Esc  back"
ENTER = ("return", "enter", "[enter]")


class Choice(NamedTuple):
    """A world to play: its name, its first start picture, uint8 (H, W, 3), and whether it is played now.

    `begin` loads it and starts from that picture, the first of `prompts`; it raises GenieError if it cannot.
    """

    name: str
    picture: np.ndarray
    played: bool
    prompts: Prompts
    begin: Callable[[Progress], PlaySession]


AtHand = Callable[["World | GraphWorld"], list[Choice]]
"""The worlds to choose from while one of them is played, which is marked."""


class Worlds:
    """Open until `handle` returns False; then `chosen` is the world to play next, None to play on."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = choices
        self.at = next((place for place, choice in enumerate(choices) if choice.played), 0)
        self.chosen: Choice | None = None
        self.cells: list[tuple[pygame.Rect, int]] = []  # where each picture was drawn last, and its place
        self._columns = 1

    def handle(self, event: pygame.event.Event) -> bool:
        """Takes an event; whether the worlds stay open."""
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            clicked = next((place for cell, place in self.cells if cell.collidepoint(event.pos)), None)
            return clicked is None or self._choose(clicked)
        if event.type != pygame.KEYDOWN:
            return True
        key = pygame.key.name(event.key)
        to = self.at + {"left": -1, "right": 1, "up": -self._columns, "down": self._columns}.get(key, 0)
        if 0 <= to < len(self.choices):
            self.at = to
        return self._choose(self.at) if key in ENTER else key not in ("escape", "f4")

    def _choose(self, place: int) -> bool:
        self.at = place
        if not self.choices[place].played:  # that one just plays on
            self.chosen = self.choices[place]
        return False

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        canvas.veil(area, opacity=250)
        px, chosen = canvas.px, self.choices[self.at]
        room = area.inflate(-2 * px(MARGIN), 0)
        end = canvas.text("Another world", (room.left, room.top + px(14)), TITLE)
        told = canvas.cut(f"{chosen.name}   {self.at + 1} of {len(self.choices)}", room.right - end - px(GAP), TEXT)
        canvas.text(told, (room.right, room.top + px(20)), TEXT, align="right")  # whole, where its picture cuts it
        usage = canvas.cut(USAGE, room.width, TEXT)
        canvas.text(usage, (room.centerx, room.bottom - px(FOOT) // 2), TEXT, canvas.theme.faint, "center", middle=True)
        room.top, room.height = room.top + px(HEAD), room.height - px(HEAD + FOOT)
        self._draw_pictures(canvas, room)

    def _draw_pictures(self, canvas: Canvas, room: pygame.Rect) -> None:
        """Draws the page of pictures that has the chosen one, as large as lets all of them be seen at once."""
        gap, below = canvas.px(GAP), canvas.px(BELOW)
        self._columns, side = _columns_and_side(canvas, room, len(self.choices))
        page = self._columns * max(1, room.height // (side + below))
        first = self.at // page * page
        places = range(first, min(first + page, len(self.choices)))
        width = min(self._columns, len(places)) * (side + gap) - gap
        height = -(-len(places) // self._columns) * (side + below)
        left, top = room.centerx - width // 2, max(room.top, room.centery - height // 2)
        self.cells = []
        for place in places:
            row, column = divmod(place - first, self._columns)
            cell = pygame.Rect(left + column * (side + gap), top + row * (side + below), side, side)
            self._draw_choice(canvas, cell, place)
            self.cells.append((cell, place))

    def _draw_choice(self, canvas: Canvas, cell: pygame.Rect, place: int) -> None:
        """Draws a picture, framed if it is chosen, and below it the world's name and whether it is played now."""
        px, choice = canvas.px, self.choices[place]
        drawn = canvas.picture(choice.picture, cell)
        if place == self.at:
            frame = drawn.inflate(px(8), px(8))
            pygame.draw.rect(canvas.surface, canvas.theme.accent, frame, width=max(2, px(3)), border_radius=px(4))
        at, name = (cell.centerx, cell.bottom + px(6)), canvas.cut(choice.name, cell.width + px(GAP - 6), TEXT)
        canvas.text(name, at, TEXT, align="center")
        if choice.played:
            note = cell.centerx, at[1] + canvas.line_height(TEXT)
            canvas.text("played now", note, SMALL, canvas.theme.faint, align="center")


def _columns_and_side(canvas: Canvas, room: pygame.Rect, count: int) -> tuple[int, int]:
    """In how many columns `count` pictures are largest, and their side; if they would be too small, as many as fit."""
    gap, below, least, most = (canvas.px(length) for length in (GAP, BELOW, LEAST_SIDE, MOST_SIDE))
    sides = {
        columns: min((room.width + gap) // columns - gap, room.height // -(-count // columns) - below, most)
        for columns in range(1, count + 1)
    }
    columns = max(sides, key=lambda columns: sides[columns])
    if sides[columns] >= least:
        return columns, sides[columns]
    return max(1, (room.width + gap) // (least + gap)), least
