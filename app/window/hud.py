"""What lies over the world while one plays: messages, the branches as a strip of thumbnails, the latency graph."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

import numpy as np
import pygame

from app.play.pace import Measured
from app.play.session import PlaySession
from app.play.timeline import Line
from app.window.drawing import SMALL, TEXT, Pen

SHOWN_SECONDS, MOST_MESSAGES = 5.0, 3
THUMBNAIL, STRIP = 48, 74  # pixels, at scale 1
GRAPH_WIDTH, GRAPH_HEIGHT, GRAPH_MS = 260, 96, 100.0
CAPTION = 18  # size of text


class Messages:
    """The last things told, for as long as it takes to read them."""

    def __init__(self) -> None:
        self._shown: deque[tuple[float, str, bool]] = deque(maxlen=MOST_MESSAGES)

    def add(self, text: str, warning: bool = False) -> None:
        self._shown.append((time.monotonic() + SHOWN_SECONDS, text, warning))

    def draw(self, pen: Pen, area: pygame.Rect) -> None:
        now, top = time.monotonic(), area.top + pen.px(8)
        for until, text, warning in self._shown:
            if until < now:
                continue
            for line in _wrapped(pen, text, area.width - pen.px(32)):
                box = pygame.Rect(area.left + pen.px(8), top, pen.width(line) + pen.px(16), pen.px(26))
                pen.veil(box, opacity=215)
                colour = pen.theme.warning if warning else pen.theme.ink
                pen.text(line, (box.left + pen.px(8), box.centery), TEXT, colour, middle=True)
                top = box.bottom
            top += pen.px(4)


class Thumbnail(NamedTuple):
    """One in the strip: where it is drawn, and where it leads, on which line and to which of its frames."""

    area: pygame.Rect
    line: Line
    step: int


def draw_strip(pen: Pen, area: pygame.Rect, session: PlaySession) -> list[Thumbnail]:
    """The lines, newest last, and the kept moments behind them, along the bottom of `area`; nothing if there is one."""
    timeline = session.timeline
    if len(timeline.lines) < 2 and not session.kept:
        return []
    band = pygame.Rect(area.left, area.bottom - pen.px(STRIP), area.width, pen.px(STRIP))
    pen.veil(band, opacity=200)
    shown: list[tuple[Line, int, np.ndarray | None]] = [(line, line.tip, None) for line in timeline.lines]
    shown += [(kept.line, kept.step, kept.thumbnail) for kept in session.kept]
    side, gap = pen.px(THUMBNAIL), pen.px(8)
    most = max(1, (band.width - gap) // (side + gap))
    thumbnails = []
    for place, (line, step, kept) in enumerate(shown[-most:]):
        where = pygame.Rect(band.left + gap + place * (side + gap), band.top + pen.px(5), side, side)
        picture = timeline.thumbnail(line) if kept is None else kept
        pen.surface.blit(to_surface(picture, where.size), where)
        if line is timeline.line and kept is None:
            pygame.draw.rect(pen.surface, pen.theme.accent, where.inflate(4, 4), width=max(2, pen.px(2)))
        label = f"kept {step}" if kept is not None else f"{line.number + 1}: {step}"
        pen.text(label, (where.centerx, where.bottom + pen.px(4)), SMALL, align="center")
        thumbnails.append(Thumbnail(where, line, step))
    return thumbnails


def draw_latency(pen: Pen, area: pygame.Rect, step_ms: Measured, late_ms: Measured, key_ms: Measured) -> None:
    """The last steps' milliseconds as bars, how late ticks came as a line, and what the last keys took."""
    box = pygame.Rect(0, 0, pen.px(GRAPH_WIDTH), pen.px(GRAPH_HEIGHT + 44))
    box.topright = area.right - pen.px(8), area.top + pen.px(8)
    pen.veil(box)
    floor, tall = box.top + pen.px(GRAPH_HEIGHT), pen.px(GRAPH_HEIGHT - 8)
    places = max(step_ms.values.maxlen or 1, 1)
    for colour, measured, filled in ((pen.theme.cap_edge, step_ms, True), (pen.theme.accent, late_ms, False)):
        points = []
        for place, value in enumerate(measured.values):
            x = box.left + round(place * box.width / places)
            y = floor - round(min(value / GRAPH_MS, 1) * tall)
            points.append((x, y))
            if filled:
                pygame.draw.line(pen.surface, colour, (x, floor), (x, y), max(1, box.width // places))
        if not filled and len(points) > 1:
            pygame.draw.lines(pen.surface, colour, False, points)
    told = (
        f"step {step_ms.percentile(50):.0f} ms, p95 {step_ms.percentile(95):.0f}",
        f"late p95 {late_ms.percentile(95):.1f} ms   key {key_ms.percentile(50):.0f} ms",
    )
    for line, text in enumerate(told):
        pen.text(text, (box.left + pen.px(8), floor + pen.px(6 + 17 * line)), CAPTION, pen.theme.ink)


def to_surface(picture: np.ndarray, size: tuple[int, int], smooth: bool = False) -> pygame.Surface:
    """uint8 (H, W, 3) as a surface of `size`, its pixels crisp unless `smooth`."""
    height, width = picture.shape[:2]
    surface = pygame.image.frombuffer(np.ascontiguousarray(picture).tobytes(), (width, height), "RGB")
    return (pygame.transform.smoothscale if smooth else pygame.transform.scale)(surface, size)


def _wrapped(pen: Pen, text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and pen.width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
