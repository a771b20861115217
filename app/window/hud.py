"""Drawn over the world during play: messages, what the world waits for, and that it guesses."""

from __future__ import annotations

import re
import time
from collections import deque

import pygame

from app.play.session import Mode, PlaySession
from app.window.drawing import SMALL, TEXT, Canvas

SHOWN_SECONDS, MOST_MESSAGES = 5.0, 3
NUMBERS = re.compile(r"[\d.]+")
LINE = 26  # pixels, at scale 1
EDGE, EDGE_OPACITY = 4, 150


class Messages:
    """The last messages, each shown long enough to read it."""

    def __init__(self) -> None:
        self.shown: deque[tuple[float, str, bool, str]] = deque(maxlen=MOST_MESSAGES)  # until when, text, warning, kind

    def add(self, text: str, warning: bool = False, kind: str = "") -> None:
        """Shows `text` last, once only, whatever its numbers; of a `kind` that is named, the latest alone stays."""
        again = [shown for shown in self.shown if NUMBERS.sub("", shown[1]) == NUMBERS.sub("", text)]
        again += [shown for shown in self.shown if kind and shown[3] == kind and shown not in again]
        for shown in again:
            self.shown.remove(shown)
        self.shown.append((time.monotonic() + SHOWN_SECONDS, text, warning, kind))

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        now, top = time.monotonic(), area.top + canvas.px(8)
        for until, text, warning, _ in self.shown:
            if until < now:
                continue
            for line in canvas.wrapped(text, area.width - canvas.px(32)):
                box = pygame.Rect(area.left + canvas.px(8), top, canvas.width(line) + canvas.px(16), canvas.px(LINE))
                canvas.veil(box, opacity=225)
                colour = canvas.theme.warning if warning else canvas.theme.ink
                canvas.text(line, (box.left + canvas.px(8), box.centery), TEXT, colour, middle=True)
                top = box.bottom
            top += canvas.px(4)


def notice(session: PlaySession, reading: str, pause_key: str) -> str:
    """What stands in the picture itself: what is being read, or what the world waits for; empty while it plays."""
    if reading:
        return f"{reading} …  Esc ends that"
    if session.mode is Mode.PAUSED:
        return f"paused: {pause_key} plays on"
    if session.mode is Mode.RESTING:
        return "press a key to play" if not session.timeline.line.tip else "press a key to play on"
    return ""


def draw_notice(canvas: Canvas, area: pygame.Rect, text: str, paused: bool) -> None:
    """Draws `text` at the bottom of `area`, with two bars before it for a pause."""
    if not text:
        return
    px, bars = canvas.px, canvas.px(24) if paused else 0
    box = pygame.Rect(0, 0, canvas.width(text) + bars + px(32), px(34))
    box.midbottom = area.centerx, area.bottom - px(16)
    canvas.veil(box, opacity=235)
    pygame.draw.rect(canvas.surface, canvas.theme.accent, box, width=max(1, px(1)), border_radius=px(4))
    if paused:
        for left in (0, 8):
            bar = pygame.Rect(box.left + px(16 + left), box.centery - px(8), px(4), px(16))
            pygame.draw.rect(canvas.surface, canvas.theme.accent, bar)
    canvas.text(text, (box.left + px(16) + bars, box.centery), TEXT, middle=True)


def draw_caption(canvas: Canvas, area: pygame.Rect, text: str) -> None:
    """Writes `text` at the top of `area`."""
    box = pygame.Rect(area.left, area.top, area.width, canvas.px(LINE))
    canvas.veil(box, opacity=225)
    line = canvas.cut(text, box.width - canvas.px(16), SMALL)
    canvas.text(line, (box.centerx, box.centery), SMALL, align="center", middle=True)


def draw_guessing(canvas: Canvas, picture: pygame.Rect) -> None:
    """Draws a quiet border on the world's picture: the world guesses what comes."""
    sheet = pygame.Surface(picture.size, pygame.SRCALPHA)
    pygame.draw.rect(sheet, (*canvas.theme.accent, EDGE_OPACITY), sheet.get_rect(), width=canvas.px(EDGE))
    canvas.surface.blit(sheet, picture)
