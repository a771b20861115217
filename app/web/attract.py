"""What moves on the page before anybody plays, and while players wait: a film of the world, made once at the start."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from io import BytesIO

import numpy as np
from PIL import Image

from app.play.session import PlaySession
from app.web.game_starts import GameStarts
from genie_core.config import Action
from genie_core.engine import WorldEngine

STILL, STEPS = 30, 60  # frames: two seconds of the start picture, then four of play, at 15 frames a second
SHORTEST_HOLD, LONGEST_HOLD = 4, 9  # steps


class Attract:
    """The first start picture for a while, and from it a playthrough by chance."""

    def __init__(self, starts: GameStarts) -> None:
        self._starts = starts
        self._lock = threading.Lock()

    def film(self) -> bytes:
        """An animated WebP. Slow the first time."""
        with self._lock:
            return self._film

    @cached_property
    def _film(self) -> bytes:
        worlds = self._starts.worlds
        game = self._starts.from_shipped("", worlds.title)
        assert game.start.picture is not None
        engine = WorldEngine(worlds.first.world)
        session = PlaySession(engine, game.start.picture)
        config = engine.world.config
        first, *frames = session.play(by_chance(config.actions, STEPS))
        return animation([*[first] * STILL, *frames], 1000 / config.fps)


def by_chance(actions: Sequence[Action], steps: int, seed: int = 0) -> list[int]:
    """Actions that have keys, or any if none has, each held for a while; those that go sideways more often."""
    rng, played = np.random.default_rng(seed), list[int]()
    choice = [action for action in actions if action.keys] or list(actions)
    weights = np.array([1 + 2 * abs(action.motion_px[0]) if action.motion_px else 1 for action in choice])
    while len(played) < steps:
        action = choice[rng.choice(len(choice), p=weights / weights.sum())]
        played += [action.id] * int(rng.integers(SHORTEST_HOLD, LONGEST_HOLD + 1))
    return played[:steps]


def animation(film: Iterable[np.ndarray], frame_ms: float) -> bytes:
    """uint8 (H, W, 3) each, as a lossless animated WebP that repeats."""
    first, *rest = (Image.fromarray(frame) for frame in film)
    file = BytesIO()
    options = {"save_all": True, "append_images": rest, "loop": 0, "lossless": True, "quality": 0, "method": 0}
    first.save(file, "WEBP", duration=round(frame_ms), **options)
    return file.getvalue()
