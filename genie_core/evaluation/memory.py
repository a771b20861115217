"""Does a world remember? One way for some steps and back, against the frame left."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from genie_core.config import Action
from genie_core.engine import WorldEngine
from genie_core.evaluation import metrics
from genie_core.evaluation.control import subject_of
from genie_core.figures import Samples, missing
from genie_core.games import Game
from genie_core.rollout import TOGETHER, play_on, start
from genie_core.world import World

RETURN = "drift.return_psnr"
WAYS = (5, 10, 20, 40)  # steps one way
LEAST_MOTION = 0.25  # pixels a step, for an action to lead anywhere
OPPOSED = -0.8  # the cosine between two motions below which one leads back


def measure_return(world: World, prompts: np.ndarray, game: Game, seed: int = 0) -> Samples:
    """PSNR, after `WAYS` steps of an action and as many of its opposite, against each of uint8 `prompts` (n, H, W, 3).

    Each of the two leads away once, so a figure has 2n values.
    """
    pair = opposites(world, game, seed)
    if pair is None:
        return missing("no two actions of the world are known to lead opposite ways", RETURN)
    found: dict[int, list[np.ndarray]] = {way: [] for way in WAYS}
    for away, back in (pair, pair[::-1]):
        for rows in (slice(i, i + TOGETHER) for i in range(0, len(prompts), TOGETHER)):
            for way, seen in _there_and_back(world, prompts[rows], away, back, seed).items():
                found[way].append(seen)
    return Samples({f"{RETURN}.{way}": np.concatenate(values) for way, values in found.items()})


def _there_and_back(world: World, prompts: np.ndarray, away: int, back: int, seed: int) -> dict[int, np.ndarray]:
    engine, held = WorldEngine(world, players=len(prompts), seed=seed, runtime="torch"), np.ones((len(prompts), 1), int)
    first, found = start(engine, prompts[:, None], 0 * held[:, :0]), {}
    for before, way in pairwise((0, *WAYS)):
        play_on(engine, np.repeat(away * held, way - before, 1))
        turn = [engine.snapshot(player) for player in range(len(prompts))]
        last = play_on(engine, np.repeat(back * held, way, 1))[:, -1]
        found[way] = metrics.psnr(first, last)
        for player, moment in enumerate(turn):
            engine.restore(moment, player)
    return found


def opposites(world: World, game: Game, seed: int) -> tuple[int, int] | None:
    """Two actions that lead opposite ways: those that the game names, or by what the world's own are known to move."""
    ids = [subject_of(world, seed).action_id(name) for name in game.opposite or ()]
    if len(ids) == 2 and ids[0] is not None and ids[1] is not None:
        return ids[0], ids[1]
    return _by_motion(world.config.actions)


def _by_motion(actions: tuple[Action, ...]) -> tuple[int, int] | None:
    motions = np.array([action.motion_px for action in actions], float)
    lengths = np.linalg.norm(motions, axis=1)
    directions = motions / np.maximum(lengths, 1e-9)[:, None]
    cosines = np.where(np.minimum.outer(lengths, lengths) >= LEAST_MOTION, directions @ directions.T, 1.0)
    first, second = np.unravel_index(int(cosines.argmin()), cosines.shape)
    return (int(first), int(second)) if cosines[first, second] <= OPPOSED else None
