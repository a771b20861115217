"""Evenly spaced ticks, and the pace they reach. Knows no window."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class Pacer:
    """Waits for evenly spaced moments. Each is counted from the one before, not from waking up, so nothing drifts.
    After a step that took too long the spacing starts afresh, and no step is rushed to catch up."""

    def __init__(
        self, fps: float, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.fps = fps  # may be changed at any time
        self._clock, self._sleep = clock, sleep
        self._due = clock()

    def wait(self) -> None:
        """Sleeps until the next moment; returns at once if it has passed."""
        now = self._clock()
        self._due = max(self._due + 1 / self.fps, now)
        if self._due > now:
            self._sleep(self._due - now)

    @property
    def left(self) -> float:
        """Seconds until the next moment; negative when it has passed."""
        return self._due + 1 / self.fps - self._clock()


def measured_fps(ticks: deque[float]) -> float:
    """Steps a second over the last ticks, given when each was done in seconds; 0 before there are two.

    And 0 where a coarse clock, such as one of Windows, gives all of them the same time.
    """
    return (len(ticks) - 1) / (ticks[-1] - ticks[0]) if len(ticks) > 1 and ticks[-1] > ticks[0] else 0.0
