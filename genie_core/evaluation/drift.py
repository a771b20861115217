"""What becomes of a world in a long playthrough: under random keys, with no key held, and with one key held.

No truth exists for these, so each is judged by itself and by real frames: is the player there, does it still answer, is
the picture as sharp as a real one, does it still move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from genie_core.actions.naming import HOLD
from genie_core.engine import WorldEngine
from genie_core.evaluation import metrics
from genie_core.evaluation.control import action_id
from genie_core.evaluation.fidelity import curve
from genie_core.evaluation.samples import Samples, shares
from genie_core.games.coinrun.camera import REACH_X, REACH_Y, player_motion
from genie_core.games.coinrun.detector import player_found
from genie_core.rollout import TOGETHER, play_on, start
from genie_core.world import World

LONGEST_HOLD = 6  # steps for which a random key is held at most
POLICIES = ("random", "idle", "held")
LOOKS = (200, 500)  # steps at which the player is asked to move
LOOK_BACK = 10  # steps: there, if it was found in most of them
ANSWERS = 0.5  # pixels a step by which right must get further to the right than left
FROZEN_STEPS, FROZEN = 50, 0.5  # steps in which no frame differs from the one before by more grey levels on average
SHARPNESS_RANGE = (1 / 3, 3.0)  # of the prompt's gradient energy; outside, the picture has melted or exploded
SETTLE_STEPS = 30  # in which an idle player may land
IDLE_STRIDE = 10  # steps over which an idle player's motion is looked at as one, DEAD_ZONE being the error of a look
DEAD_ZONE = 0.25  # pixels
CURVE_EVERY = 10


def measure_drift(
    world: World,
    prompts: np.ndarray,
    steps: int,
    seed: int,
    has_player: bool,
    quiet: bool,
    policies: Sequence[str] = POLICIES,
) -> tuple[Samples, np.ndarray]:
    """All figures of `drift` over one rollout for each of uint8 `prompts` (n, H, W, 3) under each of `policies`.

    Also frames to look at, uint8 (policies, shown, H, W, 3), of the first rollout of each.
    """
    samples, strips = Samples(), []
    bar = tqdm(total=len(policies) * len(prompts) * steps, desc="drift", unit=" frames", disable=quiet)
    for policy in policies:
        actions = _actions_of(policy, world, len(prompts), steps, seed)
        if actions is None:
            continue
        frames, answers = _play(world, prompts, actions, seed, bar)
        samples.update(_judge(policy, frames, answers, has_player))
        strips.append(frames[0, np.linspace(0, steps, 11).astype(int)])
    bar.close()
    samples.facts["drift.steps"] = steps
    return samples, np.stack(strips)


def _actions_of(policy: str, world: World, count: int, steps: int, seed: int) -> np.ndarray | None:
    """int (count, steps); None if the world has no action for the policy."""
    rng = np.random.default_rng((seed, 7))
    codes, stay = len(world.config.actions), action_id(world, "stay")
    if policy == "idle":
        return None if stay is None else np.full((count, steps), stay)
    if policy == "held":
        moving = [action.id for action in world.config.actions if action.id != stay]
        return np.repeat(np.resize(moving, count)[:, None], steps, axis=1)
    rows = [
        np.repeat(rng.integers(0, codes, steps), rng.integers(1, LONGEST_HOLD + 1, steps))[:steps] for _ in range(count)
    ]
    return np.stack(rows)


def _play(
    world: World, prompts: np.ndarray, actions: np.ndarray, seed: int, bar: tqdm
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Frames (n, steps+1, H, W, 3), and at 0 and each of LOOKS how much further right than left the player gets."""
    frames, answers = [], []
    for rows in (slice(i, i + TOGETHER) for i in range(0, len(prompts), TOGETHER)):
        engine = WorldEngine(world, players=len(prompts[rows]), seed=seed + rows.start)
        start(engine, prompts[rows, None], actions[rows, :0])
        played = [prompts[rows, None]]
        told = {0: _ask(engine, len(prompts[rows]))}
        for first, last in _stretches(actions.shape[1]):
            played.append(play_on(engine, actions[rows, first:last]))
            bar.update(played[-1].shape[0] * (last - first))
            if last in LOOKS:
                told[last] = _ask(engine, len(prompts[rows]))
        frames.append(np.concatenate(played, axis=1))
        answers.append(told)
    return np.concatenate(frames), {step: np.concatenate([told[step] for told in answers]) for step in answers[0]}


def _stretches(steps: int) -> Iterator[tuple[int, int]]:
    """From one look to the next, up to `steps`."""
    ends = [*(look for look in LOOKS if look < steps), steps]
    return zip([0, *ends[:-1]], ends, strict=True)


def _ask(engine: WorldEngine, players: int) -> np.ndarray:
    """How much further to the right `right` gets each player than `left`, pixels a step (n,); NaN without the two."""
    left, right = (action_id(engine.world, name) for name in ("left", "right"))
    if left is None or right is None:
        return np.full(players, np.nan)
    moments = [engine.snapshot(player) for player in range(players)]
    reached = []
    for action in (left, right):
        here = np.stack([engine.restore(moment, player) for player, moment in enumerate(moments)])
        held = play_on(engine, np.full((players, HOLD), action))
        reached.append(player_motion(np.concatenate([here[:, None], held], axis=1)).mean(1)[:, 0])
    for player, moment in enumerate(moments):
        engine.restore(moment, player)
    return reached[1] - reached[0]


def _judge(policy: str, frames: np.ndarray, answers: dict[int, np.ndarray], has_player: bool) -> Samples:
    """`frames` (n, steps+1, H, W, 3), the first the real prompts."""
    samples, told = Samples(), {}
    prefix = "drift" if policy == "random" else f"drift.{policy}"
    sharp = metrics.sharpness(frames[:, ::CURVE_EVERY])
    sharp = sharp[:, 1:] / np.maximum(sharp[:, :1], 1e-9)
    samples.curves[f"drift.{policy}.sharpness_by_10_steps"] = curve(sharp)
    low, high = SHARPNESS_RANGE
    told[f"{prefix}.melted"], told[f"{prefix}.exploded"] = sharp[:, -1] < low, sharp[:, -1] > high
    if policy != "idle":
        told[f"{prefix}.frozen"] = _frozen(frames)
    answering = {step: np.where(np.isnan(a), np.nan, a >= ANSWERS) for step, a in answers.items()}
    for step, answered in answering.items():
        told[f"{prefix}.answers_{step}"] = answered
    if has_player:
        found = player_found(frames)
        samples.curves[f"drift.{policy}.player_by_10_steps"] = curve(found[:, CURVE_EVERY::CURVE_EVERY].astype(float))
        for step in (look for look in LOOKS if look < frames.shape[1]):
            alive = found[:, step - LOOK_BACK + 1 : step + 1].mean(1) > 0.5
            told[f"{prefix}.player_alive_{step}"] = alive
            told[f"{prefix}.alive_and_answers_{step}"] = alive * answering[step]
    samples.update(shares(told))
    if policy == "idle":
        samples.update(_idle(frames))
    return samples


def _frozen(frames: np.ndarray) -> np.ndarray:
    last = frames[:, -FROZEN_STEPS - 1 :].astype(np.int16)
    return (np.abs(np.diff(last, axis=1)).mean((2, 3, 4)) < FROZEN).all(1)


def _idle(frames: np.ndarray) -> Samples:
    """How far an idle player gets, and how much of the picture changes, between landing and step LOOKS[0]."""
    until = min(LOOKS[0], frames.shape[1] - 1)
    landed = min(SETTLE_STEPS, until - 1)
    motion = _strides(frames[:, landed : until + 1]).sum(1)
    changed = np.abs(frames[:, until].astype(np.int16) - frames[:, landed]).max(-1) > metrics.CHANGED
    return Samples(
        {"drift.idle_motion_px": np.hypot(*motion.T), "drift.idle_changed_area": changed.mean((1, 2))},
        facts={"drift.idle_from_to": [landed, until]},
    )


def _strides(frames: np.ndarray) -> np.ndarray:
    """The player's motion in pixels over each whole stride of frames (n, t, H, W, 3): (n, strides, 2).

    Seen from end to end, for a creep is less than the error of a look at one step; but step by step where it may be
    farther than can be seen at once.
    """
    count = (frames.shape[1] - 1) // IDLE_STRIDE
    at_once = player_motion(frames[:, : count * IDLE_STRIDE + 1 : IDLE_STRIDE])
    at_once = np.where(np.abs(at_once) < DEAD_ZONE, 0, at_once)
    steps = player_motion(frames[:, : count * IDLE_STRIDE + 1])
    steps = steps.reshape(len(frames), count, IDLE_STRIDE, 2).sum(2)
    reach = np.array([REACH_X, REACH_Y]) * frames.shape[-2] // 64
    return np.where((np.abs(steps) > reach - 1).any(-1, keepdims=True), steps, at_once)
