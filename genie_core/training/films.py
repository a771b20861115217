"""Films to learn from step by step: each is walked through in windows that overlap by a frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from genie_core.data.dataset import VideoDataset
from genie_core.training.batches import Sample
from genie_core.training.order import Rows
from genie_core.training.recolour import recoloured
from genie_core.training.stage import Batch

FILM_FRAMES = 64  # at most; a shorter episode is a shorter film


class Walk(NamedTuple):
    """The windows of a pass, end to end: the first frame of each, whether it begins a film, and the film's number."""

    starts: np.ndarray
    begins: np.ndarray
    films: np.ndarray


class Films(Sample):
    """Gives {"frames": uint8 (rows, length, H, W, 3), "begins": bool (rows,)}: windows, and which begin a film.

    A row's next window begins with the last frame of the one before it, until its film ends. In a pass the films of
    all episodes lie end to end, shuffled, and are cut into as many lanes as a batch has rows: a row walks along its
    lane. A pass sees each frame about once, and the next one begins each film a frame later. `starts` are those of all
    windows of `length` frames, 2 or more, that may be learnt from. The share `recoloured` of films, anew in each pass,
    has other colours.
    """

    def __init__(
        self, dataset: VideoDataset, starts: np.ndarray, length: int, batch_size: int, recoloured: float = 0.0
    ) -> None:
        self.dataset, self.length, self.batch_size, self.recoloured = dataset, length, batch_size, recoloured
        ends = np.flatnonzero(np.diff(starts, append=starts[-1] + 2) > 1)  # of stretches that nothing interrupts
        self.firsts, self.lasts = starts[np.append(0, ends[:-1] + 1)], starts[ends]
        passes = [int(self._windows(phase).sum()) for phase in range(length - 1)]
        self.pass_steps = [-(-windows // batch_size) for windows in passes]
        self._walk: tuple[tuple[int, int], Walk] | None = None

    def __call__(self, rows: Rows) -> Batch:
        number, step = self._place(rows.step)
        walk, steps = self._walk_of(rows.seed, number), self.pass_steps[number % len(self.pass_steps)]
        windows = (np.arange(rows.first, rows.stop) * steps + step) % len(walk.starts)
        frames = np.stack([self._window(walk, int(window), (rows.seed, number)) for window in windows])
        begins = walk.begins[windows] | (step == 0) | (windows == 0)
        return {"frames": torch.from_numpy(frames), "begins": torch.from_numpy(begins)}

    def _window(self, walk: Walk, window: int, key: tuple[int, int]) -> np.ndarray:
        """The frames of a window, in the colours of its film in the pass `key`."""
        frames, film = self.dataset.clip(int(walk.starts[window]), self.length), (*key, int(walk.films[window]))
        return recoloured(frames, film) if np.random.default_rng((*film, 1)).random() < self.recoloured else frames

    def _place(self, step: int) -> tuple[int, int]:
        """The number of the pass that a step is in, and how far into it."""
        rounds, rest = divmod(step, sum(self.pass_steps))
        ends = np.cumsum(self.pass_steps)
        phase = int(np.searchsorted(ends, rest, side="right"))
        return rounds * len(self.pass_steps) + phase, rest - int(ends[phase]) + self.pass_steps[phase]

    def _windows(self, phase: int) -> np.ndarray:
        """How many windows each stretch has, from its frame `phase` on."""
        return np.maximum(0, (self.lasts - self.firsts - phase) // (self.length - 1) + 1)

    def _walk_of(self, seed: int, number: int) -> Walk:
        """The windows of the pass `number`. The last one made is kept."""
        if self._walk is None or self._walk[0] != (seed, number):
            self._walk = (seed, number), self._make_walk(seed, number)
        return self._walk[1]

    def _make_walk(self, seed: int, number: int) -> Walk:
        phase, stride = number % len(self.pass_steps), self.length - 1
        windows, most = self._windows(phase), max(1, (FILM_FRAMES - 1) // stride)
        films = -(-windows // most)  # of each stretch
        first_films = self.firsts + phase - most * stride * (np.cumsum(films) - films)
        firsts = np.repeat(first_films, films) + most * stride * np.arange(films.sum())
        ends = np.repeat(self.firsts + phase + stride * windows, films)
        counts = np.minimum(most, (ends - firsts) // stride)
        order = self._shuffled(seed, number, firsts)
        firsts, counts = firsts[order], counts[order]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return Walk(np.repeat(firsts, counts) + stride * within, within == 0, np.repeat(np.arange(len(counts)), counts))

    def _shuffled(self, seed: int, number: int, firsts: np.ndarray) -> np.ndarray:
        """An order of films; those of one shard stay together where shards are fetched from afar."""
        own = Rows(seed, number, 0, len(firsts)).random()
        if not self.dataset.remote:
            return np.argsort(own, kind="stable")
        ends = self.dataset.shard_ends
        shards = Rows(seed, number, 0, len(ends)).random(1)
        return np.lexsort((own, shards[np.searchsorted(ends, firsts, side="right")]))
