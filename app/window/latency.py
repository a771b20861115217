"""Measures how long steps take, how late they come and how long a key takes to the next frame; draws the graph."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
import pygame

from app.window.drawing import SMALL, Canvas

GRAPH_WIDTH, GRAPH_HEIGHT = 320, 96
ABOVE_NOTICE = 58  # pixels from below: messages are above, and what the world waits for is below
TOPS_MS = (100, 200, 500, 1000, 2000, 5000)  # the least that is no lower than every bar is the top of the graph
SPAN = 120  # steps that are looked back on


class Latency:
    """Milliseconds over the last steps. The window tells when a key goes down and when a step begins and ends."""

    def __init__(self) -> None:
        self.step_ms, self.late_ms, self.key_ms = (deque[float](maxlen=SPAN) for _ in range(3))
        self._last_step: float | None = None  # when it ended, in seconds; None after standing still
        self._key_down: float | None = None  # when the first key since the last step went down

    def key_pressed(self) -> None:
        self._key_down = self._key_down or time.perf_counter()

    def stand_still(self) -> None:
        """Forgets the last step: a pause is no late step."""
        self._last_step = self._key_down = None

    def stepped(self, began: float, ended: float, fps: float) -> None:
        """Notes a step, by time.perf_counter, that was due at `fps` steps a second."""
        if self._last_step is not None:
            self.late_ms.append(1000 * max(0.0, ended - self._last_step - 1 / fps))
        if self._key_down is not None:
            self.key_ms.append(1000 * (ended - self._key_down))
        self.step_ms.append(1000 * (ended - began))
        self._last_step, self._key_down = ended, None

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        """Bars for the steps, a line for how late they came, and the percentiles below."""
        box = pygame.Rect(0, 0, canvas.px(GRAPH_WIDTH), canvas.px(GRAPH_HEIGHT + 78))
        box.bottomright = area.right - canvas.px(8), area.bottom - canvas.px(ABOVE_NOTICE)
        canvas.veil(box)
        floor = box.top + canvas.px(GRAPH_HEIGHT)
        bar = max(1, box.width // SPAN)
        for x, y in self._points(canvas, box, self.step_ms):
            pygame.draw.line(canvas.surface, canvas.theme.cap_edge, (x, floor), (x, y), bar)
        line_of_late = self._points(canvas, box, self.late_ms)
        if len(line_of_late) > 1:
            pygame.draw.lines(canvas.surface, canvas.theme.accent, False, line_of_late)
        step, slow_step = (_percentile(self.step_ms, percent) for percent in (50, 95))
        late, key = _percentile(self.late_ms, 95), _percentile(self.key_ms, 50)
        captions = (
            f"bars: a step takes {step:.0f} ms, 1 in 20 over {slow_step:.0f} ms",
            f"line: how late frames are, 1 in 20 by {late:.0f} ms",
            f"from a key to its frame: {key:.0f} ms",
            f"the top of the graph is {self._top_ms} ms",
        )
        for line, caption in enumerate(captions):
            canvas.text(caption, (box.left + canvas.px(8), floor + canvas.px(6 + 17 * line)), SMALL)

    @property
    def _top_ms(self) -> int:
        """Milliseconds at the top of the graph, so that no bar is cut."""
        most = max((*self.step_ms, *self.late_ms), default=0.0)
        return next((top for top in TOPS_MS if most <= top), TOPS_MS[-1])

    def _points(self, canvas: Canvas, box: pygame.Rect, measured: deque[float]) -> list[tuple[int, int]]:
        floor, tall, top = box.top + canvas.px(GRAPH_HEIGHT), canvas.px(GRAPH_HEIGHT - 8), self._top_ms
        return [
            (box.left + round(place * box.width / SPAN), floor - round(min(value / top, 1) * tall))
            for place, value in enumerate(measured)
        ]


def _percentile(measured: deque[float], percent: float) -> float:
    """0 if nothing has been measured yet."""
    return float(np.percentile(measured or [0.0], percent, method="higher"))
