"""A playthrough as plain values, checked against its world: all branches, the one shown, and the kept moments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from genie_core.config import SamplingConfig


class SavedLine(NamedTuple):
    """One branch, which has its own frames only: those before frame `start` are of line number `parent`, which comes
    earlier in the list. `tokens` is int32 (t, h, w), `actions` uint8 (t,) led to each frame; 0 stands at a prompt.
    `prompt` is uint8 (H, W, 3). `anchors` are those of `engine.Frame` by index, of its own frames that have one."""

    parent: int | None
    start: int
    tokens: np.ndarray
    actions: np.ndarray
    prompt: np.ndarray
    seed: int
    anchors: Mapping[int, bytes] = MappingProxyType({})

    @property
    def tip(self) -> int:
        """Index of its last frame, counted from the prompt."""
        return self.start + len(self.tokens) - 1


@dataclass(frozen=True, eq=False)
class SavedSession:
    """`line` is the number of the branch shown, `at` its frame, 0..t-1. `kept` has kept moments as line and step. `fps`
    is the pace in frames a second."""

    lines: tuple[SavedLine, ...]
    line: int
    at: int
    fps: float
    sampling: SamplingConfig
    kept: tuple[tuple[int, int], ...] = ()

    @property
    def prompt(self) -> np.ndarray:
        """Of the branch shown, uint8 (H, W, 3); so are the next three."""
        return self.lines[self.line].prompt

    @property
    def seed(self) -> int:
        return self.lines[self.line].seed

    @property
    def tokens(self) -> np.ndarray:
        """int32 (t, h, w), from the prompt on."""
        return np.concatenate([line.tokens[:count] for line, count in self._path()])

    @property
    def actions(self) -> np.ndarray:
        """uint8 (t-1,)."""
        return np.concatenate([line.actions[:count] for line, count in self._path()])[1:]

    @property
    def frames(self) -> int:
        """Of all branches."""
        return sum(len(line.tokens) for line in self.lines)

    def alone(self) -> SavedSession:
        """The branch shown, without the others and without kept moments."""
        shown = self.lines[self.line]
        actions = np.concatenate([np.zeros(1, np.uint8), self.actions])
        parts = [(line.anchors, line.start + count) for line, count in self._path()]
        anchors = {index: anchor for own, end in parts for index, anchor in own.items() if index < end}
        line = SavedLine(None, 0, self.tokens, actions, shown.prompt, shown.seed, anchors)
        return SavedSession((line,), 0, self.at, self.fps, self.sampling)

    def _path(self) -> Iterator[tuple[SavedLine, int]]:
        """The lines that the branch shown consists of, from the prompt on, and how many frames of each."""
        parts, line, end = [], self.lines[self.line], self.lines[self.line].tip + 1
        parts.append((line, len(line.tokens)))
        while line.parent is not None:
            end = min(end, line.start)
            line = self.lines[line.parent]
            parts.append((line, max(0, end - line.start)))
        return reversed(parts)
