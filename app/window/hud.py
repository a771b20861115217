"""Drawn over the world during play: messages, and a strip of thumbnails for branches and kept moments."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

import numpy as np
import pygame

from app.play.session import PlaySession
from app.play.timeline import Line
from app.window.drawing import SMALL, TEXT, Canvas

SHOWN_SECONDS, MOST_MESSAGES = 5.0, 3
THUMBNAIL, STRIP = 48, 74  # pixels, at scale 1


class Messages:
    """The last messages, each shown long enough to read it."""

    def __init__(self) -> None:
        self.shown: deque[tuple[float, str, bool]] = deque(maxlen=MOST_MESSAGES)  # until when, the text, if a warning

    def add(self, text: str, warning: bool = False) -> None:
        self.shown.append((time.monotonic() + SHOWN_SECONDS, text, warning))

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        now, top = time.monotonic(), area.top + canvas.px(8)
        for until, text, warning in self.shown:
            if until < now:
                continue
            for line in _wrapped(canvas, text, area.width - canvas.px(32)):
                box = pygame.Rect(area.left + canvas.px(8), top, canvas.width(line) + canvas.px(16), canvas.px(26))
                canvas.veil(box, opacity=215)
                colour = canvas.theme.warning if warning else canvas.theme.ink
                canvas.text(line, (box.left + canvas.px(8), box.centery), TEXT, colour, middle=True)
                top = box.bottom
            top += canvas.px(4)


class Thumbnail(NamedTuple):
    """A picture in the strip: where it is drawn, and the line and the step it leads to."""

    area: pygame.Rect
    line: Line
    step: int


def draw_strip(canvas: Canvas, area: pygame.Rect, session: PlaySession) -> list[Thumbnail]:
    """Draws the lines, newest last, then the kept moments, along the bottom of `area`. A single line draws nothing."""
    timeline = session.timeline
    if len(timeline.lines) < 2 and not session.kept:
        return []
    band = pygame.Rect(area.left, area.bottom - canvas.px(STRIP), area.width, canvas.px(STRIP))
    canvas.veil(band, opacity=200)
    shown: list[tuple[Line, int, np.ndarray | None]] = [(line, line.tip, None) for line in timeline.lines]
    shown += [(kept.line, kept.step, kept.thumbnail) for kept in session.kept]
    side, gap = canvas.px(THUMBNAIL), canvas.px(8)
    most = max(1, (band.width - gap) // (side + gap))
    thumbnails = []
    for place, (line, step, kept) in enumerate(shown[-most:]):
        cell = pygame.Rect(band.left + gap + place * (side + gap), band.top + canvas.px(5), side, side)
        drawn = canvas.picture(timeline.thumbnail(line) if kept is None else kept, cell)
        if line is timeline.line and kept is None:
            pygame.draw.rect(canvas.surface, canvas.theme.accent, drawn.inflate(4, 4), width=max(2, canvas.px(2)))
        label = f"kept {step}" if kept is not None else f"{line.number + 1}: {step}"
        canvas.text(label, (cell.centerx, cell.bottom + canvas.px(4)), SMALL, align="center")
        thumbnails.append(Thumbnail(cell, line, step))
    return thumbnails


def _wrapped(canvas: Canvas, text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and canvas.width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
