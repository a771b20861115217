"""Long playthroughs: under random keys, with no key held, and with one key held.

There is no true video to compare with. So each playthrough is judged by itself and by real frames: does it still
answer, is the picture as sharp as a real one, does it still move; and by the game's own figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from tqdm import tqdm

from genie_core.engine import WorldEngine
from genie_core.evaluation import metrics
from genie_core.evaluation.control import subject_of
from genie_core.evaluation.memory import measure_return
from genie_core.figures import Samples, curve, missing, shares
from genie_core.games import LOOKS, Game
from genie_core.rollout import TOGETHER, play_on, start
from genie_core.world import World

LONGEST_HOLD = 6  # steps for which a random key is held at most
POLICIES = ("random", "idle", "held")
ANSWERS = 1 / 128  # of a frame's width a step, by which right must get further to the right than left
FROZEN_STEPS, FROZEN = 50, 0.5  # steps in which no frame differs from the one before by more grey levels on average
SHARPNESS_RANGE = (1 / 3, 3.0)  # of the prompt's gradient energy; outside, the picture has melted or exploded
CURVE_EVERY = 10


def measure_drift(
    world: World,
    prompts: np.ndarray,
    game: Game,
    steps: int,
    seed: int = 0,
    quiet: bool = False,
    policies: Sequence[str] = POLICIES,
) -> tuple[Samples, np.ndarray]:
    """All figures of `drift` over one rollout for each of uint8 `prompts` (n, H, W, 3) under each of `policies`, and
    of going there and back.

    Also frames to look at, uint8 (policies, shown, H, W, 3), of the first rollout of each.
    """
    samples, strips = Samples(), []
    bar = tqdm(total=len(policies) * len(prompts) * steps, desc="drift", unit=" frames", disable=quiet)
    for policy in policies:
        actions = _actions_of(policy, world, game, len(prompts), steps, seed)
        if actions is None:
            samples.update(missing("no action of the world is known to do nothing", "drift.idle"))
            continue
        frames, answers = _play(world, prompts, actions, game, seed, bar)
        samples.update(_judge(policy, frames, answers, game))
        strips.append(frames[0, np.linspace(0, steps, 11).astype(int)])
    bar.close()
    samples.update(measure_return(world, prompts, game, seed))
    samples.facts["drift.steps"] = steps
    return samples, np.stack(strips)


def _actions_of(policy: str, world: World, game: Game, count: int, steps: int, seed: int) -> np.ndarray | None:
    """int (count, steps); None if the world has no action for the policy."""
    rng = np.random.default_rng((seed, 7))
    codes, still = len(world.config.actions), subject_of(world, seed).action_id(game.still)
    if policy == "idle":
        return None if still is None else np.full((count, steps), still)
    if policy == "held":
        moving = [action.id for action in world.config.actions if action.id != still]
        return np.repeat(np.resize(moving, count)[:, None], steps, axis=1)
    rows = [
        np.repeat(rng.integers(0, codes, steps), rng.integers(1, LONGEST_HOLD + 1, steps))[:steps] for _ in range(count)
    ]
    return np.stack(rows)


def _play(
    world: World, prompts: np.ndarray, actions: np.ndarray, game: Game, seed: int, bar: tqdm
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Frames (n, steps+1, H, W, 3), and at 0 and each of LOOKS how much further right than left the player gets."""
    frames, answers, steps = [], [], actions.shape[1]
    for rows in (slice(i, i + TOGETHER) for i in range(0, len(prompts), TOGETHER)):
        engine = WorldEngine(world, players=len(prompts[rows]), seed=seed + rows.start, runtime="torch")
        start(engine, prompts[rows, None], actions[rows, :0])
        played = [prompts[rows, None]]
        told = {0: _ask(engine, game, len(prompts[rows]))}
        for first, last in pairwise([0, *(look for look in LOOKS if look < steps), steps]):
            played.append(play_on(engine, actions[rows, first:last]))
            bar.update(played[-1].shape[0] * (last - first))
            if last in LOOKS:
                told[last] = _ask(engine, game, len(prompts[rows]))
        frames.append(np.concatenate(played, axis=1))
        answers.append(told)
    return np.concatenate(frames), {step: np.concatenate([told[step] for told in answers]) for step in answers[0]}


def _ask(engine: WorldEngine, game: Game, players: int) -> np.ndarray:
    """How much further to the right one of two opposite actions gets each player than the other, frame widths a step
    (n,); NaN without the two."""
    subject = subject_of(engine.world.whole, 0)
    ids = [subject.action_id(name) for name in game.opposite or ()]
    if not ids or None in ids:
        return np.full(players, np.nan)
    moments = [engine.snapshot(player) for player in range(players)]
    reached = []
    for action in ids:
        here = np.stack([engine.restore(moment, player) for player, moment in enumerate(moments)])
        held = play_on(engine, np.full((players, subject.hold), action))
        motion = np.asarray(game.motion(np.concatenate([here[:, None], held], axis=1)))
        reached.append(motion.mean(1)[:, 0] / here.shape[-2])
    for player, moment in enumerate(moments):
        engine.restore(moment, player)
    return reached[1] - reached[0]


def _judge(policy: str, frames: np.ndarray, answers: dict[int, np.ndarray], game: Game) -> Samples:
    """`frames` (n, steps+1, H, W, 3), the first the real prompts."""
    prefix = "drift" if policy == "random" else f"drift.{policy}"
    sharp = metrics.sharpness(frames[:, ::CURVE_EVERY])
    sharp = sharp[:, 1:] / np.maximum(sharp[:, :1], 1e-9)
    low, high = SHARPNESS_RANGE
    told = {f"{prefix}.melted": sharp[:, -1] < low, f"{prefix}.exploded": sharp[:, -1] > high}
    if policy != "idle":
        last = frames[:, -FROZEN_STEPS - 1 :].astype(np.int16)
        told[f"{prefix}.frozen"] = (np.abs(np.diff(last, axis=1)).mean((2, 3, 4)) < FROZEN).all(1)
    answering = {step: np.where(np.isnan(far), np.nan, far >= ANSWERS) for step, far in answers.items()}
    told |= {f"{prefix}.answers_{step}": answered for step, answered in answering.items()}
    samples = shares(told)
    samples.curves[f"drift.{policy}.sharpness_by_10_steps"] = curve(sharp)
    if policy == "random":
        every = metrics.sharpness(frames)
        samples.curves["drift.sharpness_by_step"] = curve(every[:, 1:] / np.maximum(every[:, :1], 1e-9))
        samples.curves["drift.palette_by_step"] = curve(metrics.palette_distance(frames[:, 1:], frames[:, :1]))
    samples.update(game.drift(policy, frames, answering))
    return samples
