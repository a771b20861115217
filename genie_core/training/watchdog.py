"""Is the loss sane? A loss that is no number, or explodes, ends in a return to the last good state, not in a ruin."""

from __future__ import annotations

import math

FAST, SLOW = 0.1, 0.01  # shares of the newest loss in the two running means: ten steps, a hundred
SETTLED = 50  # steps before a loss is judged
FACTOR, SPREADS = 2.0, 10.0
"""Exploded: the mean of ten steps is above FACTOR times the lowest mean of a hundred, by SPREADS of the usual distance
of a loss from the mean of ten. Guessed contexts come late in a stage, raise the loss by a fifth, and must not count."""


class ExplodedError(Exception):
    """The loss exploded; the message says how. The training loop goes back by it, so no user sees it."""


class Watchdog:
    """Watches the losses of a stage, one a step."""

    def __init__(self) -> None:
        self.steps = 0
        self.fast = self.slow = self.lowest = self.spread = 0.0

    def see(self, loss: float, gradient_norm: float) -> None:
        """Take in a step's loss, before its gradient is used; ExplodedError if it must not be."""
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            what = "the loss" if not math.isfinite(loss) else "a gradient"
            raise ExplodedError(f"{what} is not a number any more")
        self.steps += 1
        if self.steps == 1:
            self.fast = self.slow = self.lowest = loss
            self.spread = abs(loss)
            return
        share = max(SLOW, 1 / self.steps)
        distance = min(abs(loss - self.fast), 3 * self.spread)  # an explosion must not pass for the usual
        self.spread += share * (distance - self.spread)
        self.slow += share * (loss - self.slow)
        self.fast += max(FAST, 1 / self.steps) * (loss - self.fast)
        if self.steps > SETTLED:
            if self.fast > self._bound(FACTOR, SPREADS):
                raise ExplodedError(f"the loss rose to {self.fast:.3g}, from {self.lowest:.3g}")
            self.lowest = min(self.lowest, self.slow)
        else:
            self.lowest = self.slow

    @property
    def calm(self) -> bool:
        """Whether the state is good enough to come back to."""
        return self.steps <= SETTLED or self.fast <= self._bound((1 + FACTOR) / 2, SPREADS / 2)

    def _bound(self, factor: float, spreads: float) -> float:
        return max(self.lowest, factor * self.lowest) + spreads * self.spread
