"""How different the effects of a world's actions are, told from pictures alone."""

from __future__ import annotations

import numpy as np

from genie_core.actions.motion import picture_motion
from genie_core.figures import Samples, missing

EFFECTS = "control.effects"
LEAST_PROMPTS = 4  # two to find out how two actions differ, and two to measure it on
CLEAR = 1.0  # spreads between the effects of two actions
MOST = 99.0  # as far apart as is told: effects that never vary are infinitely clear


def effect_of(frames: np.ndarray) -> np.ndarray:
    """What happens in uint8 frames (n, t, H, W, 3), a step on average: (n, 8).

    How far the scenery moves along x and y, how far things in it do, the share of the picture that changes, and the
    change of each colour's mean. A camera that follows, a fixed one, a shot, a door: each shows in one of these.
    """
    motion = picture_motion(frames)
    parts = (motion.scenery.mean(1), motion.things.mean(1), motion.changed.mean(1)[:, None])
    colour = np.diff(frames[:, [0, -1]].mean((2, 3)), axis=1)[:, 0] / (frames.shape[1] - 1)
    return np.concatenate([*parts, colour], axis=1)


def measure_effects(effects: np.ndarray) -> Samples:
    """How far apart the actions' effects (prompts, actions, d) from the same prompts are, in spreads, pair by pair.

    An effect is told against the average over all actions from the same prompt, and its spread is over the prompts.
    """
    prompts, count = effects.shape[:2]
    if prompts < LEAST_PROMPTS or count < 2:
        return missing(f"{prompts} clips and {count} actions; {LEAST_PROMPTS} and 2 are needed", EFFECTS)
    own = effects - effects.mean(1, keepdims=True)  # what goes on anyway, from the same prompt, drops out
    table = np.zeros((count, count))
    pairs = [(one, other) for one in range(count) for other in range(one)]
    for one, other in pairs:
        table[one, other] = table[other, one] = separation(own[:, one], own[:, other])
    apart = np.array([table[pair] for pair in pairs])
    least = pairs[int(apart.argmin())]
    return Samples(
        facts={
            f"{EFFECTS}.clear_pairs": {"value": float((apart > CLEAR).mean()), "n": len(pairs)},
            f"{EFFECTS}.least_clear": {"actions": sorted(least), "separation": round(float(table[least]), 3)},
            f"{EFFECTS}.separation": table.round(3).tolist(),
        }
    )


def separation(one: np.ndarray, other: np.ndarray) -> float:
    """The distance between two actions' effects (prompts, d) over the larger of their spreads, 0 to MOST.

    Taken along the direction in which the two differ most, as Fisher's discriminant does with d variances. Half of the
    prompts choose the direction, the others measure: on the same prompts, chance would look like a difference.
    """
    halves = np.arange(len(one)) % 2 == 0
    return float(np.clip(np.mean([_apart(one, other, chosen) for chosen in (halves, ~halves)]), 0, MOST))


def _apart(one: np.ndarray, other: np.ndarray, chosen: np.ndarray) -> float:
    gap = one[chosen].mean(0) - other[chosen].mean(0)
    variance = (one[chosen].var(0) + other[chosen].var(0)) / 2
    direction = gap / np.maximum(variance, 1e-6)  # less is rounding
    length = np.linalg.norm(direction)
    if not length:
        return 0.0
    mine, others = (values[~chosen] @ direction / length for values in (one, other))
    return float((mine.mean() - others.mean()) / max(mine.std(ddof=1), others.std(ddof=1), 1e-9))
