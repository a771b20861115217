"""Thumbnails of branches and kept moments, in the panel: they never cover the world."""

from __future__ import annotations

from typing import NamedTuple

import pygame

from app.play.session import PlaySession
from app.play.timeline import Line
from app.window.drawing import SMALL, TEXT, Canvas

THUMBNAIL, GAP = 48, 16  # pixels, at scale 1
CELL = THUMBNAIL + 24  # with its label
HEADING, TITLE = 18, "branch: its last step"


class Thumbnail(NamedTuple):
    """A picture in the strip, or the count of those left out: where it is drawn, and the line and step it leads to."""

    area: pygame.Rect
    line: Line
    step: int


class Run(NamedTuple):
    """The pictures shown, from `start` up to `end`; those before and after are counted in a place of their own."""

    start: int
    end: int


def draw_strip(canvas: Canvas, area: pygame.Rect, session: PlaySession) -> list[Thumbnail]:
    """Draws the branches, newest last, then the kept moments, in rows at the bottom of `area`, below a heading. Without
    room for all, the first or last place says how many are not shown. A single branch draws nothing."""
    if not session.branched:
        return []
    side, gap, high, heading = (canvas.px(length) for length in (THUMBNAIL, GAP, CELL, HEADING))
    items = [(line, line.tip, False) for line in session.branches]
    items += [(kept.line, kept.step, True) for kept in session.kept]
    across = max(1, (area.width + gap) // (side + gap))
    room = across * max(0, (area.height - heading) // high)
    if not room:
        return []
    here = next((place for place, (line, _, _) in enumerate(items) if line is session.timeline.line), len(items))
    run = shown_run(len(items), room, here)
    cells = list(range(max(run.start - 1, 0), min(run.end + 1, len(items))))
    top = area.bottom - -(-len(cells) // across) * high
    canvas.text(TITLE, (area.left, top - heading), SMALL, canvas.theme.faint)
    thumbnails = []
    for place, number in enumerate(cells):
        line, step, kept = items[number]
        cell = pygame.Rect(area.left + place % across * (side + gap), top + place // across * high, side, side)
        if number < run.start:
            _draw_count(canvas, cell, run.start, "earlier")
        elif number >= run.end:
            _draw_count(canvas, cell, len(items) - run.end, "later")
        else:
            _draw_picture(canvas, cell, session, line, step, kept)
        thumbnails.append(Thumbnail(cell, line, step))
    return thumbnails


def shown_run(count: int, room: int, here: int) -> Run:
    """Which of `count` pictures `room` places show: the last ones, or those from picture `here` on, if that is earlier.
    A picture that is left out on one side takes a place of those shown."""
    if count <= room:
        return Run(0, count)
    last = Run(count - room + 1, count)
    if here >= last.start or room < 3:
        return last
    return Run(here, here + room - 1 - (here > 0))


def _draw_count(canvas: Canvas, cell: pygame.Rect, more: int, word: str) -> None:
    canvas.cap(cell)
    canvas.text(f"+{more}", cell.center, TEXT, align="center", middle=True)
    canvas.text(word, (cell.centerx, cell.bottom + canvas.px(3)), SMALL, canvas.theme.faint, align="center")


def _draw_picture(canvas: Canvas, cell: pygame.Rect, session: PlaySession, line: Line, step: int, kept: bool) -> None:
    drawn = canvas.picture(session.timeline.thumbnail(line, step if kept else None), cell)
    if line is session.timeline.line and not kept:
        pygame.draw.rect(canvas.surface, canvas.theme.accent, drawn.inflate(4, 4), width=max(2, canvas.px(2)))
    label = f"kept {step}" if kept else f"{line.number + 1}: {step}"
    canvas.text(label, (cell.centerx, cell.bottom + canvas.px(3)), SMALL, canvas.theme.faint, align="center")
