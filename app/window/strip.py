"""Thumbnails of branches and kept moments, in the panel: they never cover the world."""

from __future__ import annotations

from typing import NamedTuple

import pygame

from app.play.session import PlaySession
from app.play.timeline import Line
from app.window.drawing import SMALL, TEXT, Canvas

THUMBNAIL, GAP = 48, 16  # pixels, at scale 1
CELL = THUMBNAIL + 24  # with its label


class Thumbnail(NamedTuple):
    """A picture in the strip: where it is drawn, and the line and the step it leads to."""

    area: pygame.Rect
    line: Line
    step: int


def draw_strip(canvas: Canvas, area: pygame.Rect, session: PlaySession) -> list[Thumbnail]:
    """Draws the branches, newest last, then the kept moments, in rows at the bottom of `area`. If there is no room for
    all, the first place says how many are not shown. A single branch draws nothing."""
    if not session.branched:
        return []
    timeline, side, gap, high = session.timeline, canvas.px(THUMBNAIL), canvas.px(GAP), canvas.px(CELL)
    shown = [(line, line.tip, False) for line in timeline.lines]
    shown += [(kept.line, kept.step, True) for kept in session.kept]
    across = max(1, (area.width + gap) // (side + gap))
    room = across * max(0, area.height // high)
    more = len(shown) - room + 1 if 0 < room < len(shown) else 0
    shown = shown[more:] if room else []
    top = area.bottom - -(-(len(shown) + (more > 0)) // across) * high
    if more:
        canvas.text(f"+{more}", (area.left + side // 2, top + side // 2), TEXT, align="center", middle=True)
        canvas.text(
            "earlier", (area.left + side // 2, top + side + canvas.px(3)), SMALL, canvas.theme.faint, align="center"
        )
    thumbnails = []
    for place, (line, step, kept) in enumerate(shown, more > 0):
        cell = pygame.Rect(area.left + place % across * (side + gap), top + place // across * high, side, side)
        drawn = canvas.picture(timeline.thumbnail(line, step if kept else None), cell)
        if line is timeline.line and not kept:
            pygame.draw.rect(canvas.surface, canvas.theme.accent, drawn.inflate(4, 4), width=max(2, canvas.px(2)))
        label = f"kept {step}" if kept else f"{line.number + 1}: {step}"
        canvas.text(label, (cell.centerx, cell.bottom + canvas.px(3)), SMALL, canvas.theme.faint, align="center")
        thumbnails.append(Thumbnail(cell, line, step))
    return thumbnails
