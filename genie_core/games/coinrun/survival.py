"""CoinRun's own figures of long play: whether the player is still there, and how far an idle player drifts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genie_core.figures import Samples, curve, missing, shares
from genie_core.games.base import LOOKS
from genie_core.games.coinrun.camera import player_motion, reach

LOOK_BACK = 10  # steps: there, if it was found in most of them
CURVE_EVERY = 10
SETTLE_STEPS = 30  # in which an idle player may land
IDLE_STRIDE = 10  # steps over which an idle player's motion is looked at as one, DEAD_ZONE being the error of a look
DEAD_ZONE = 0.25 / 64  # of a frame's width
CHANGED = 24  # grey levels in any colour by which a changed pixel differs at least


def measure_survival(
    policy: str, frames: np.ndarray, found: np.ndarray | None, answers: Mapping[int, np.ndarray]
) -> Samples:
    """Figures of playthroughs, uint8 frames (n, steps+1, H, W, 3), of which `found` says where the player is."""
    samples = _alive(policy, found, answers)
    if policy == "idle":
        samples.update(_idle(frames))
    return samples


def _alive(policy: str, found: np.ndarray | None, answers: Mapping[int, np.ndarray]) -> Samples:
    prefix = "drift" if policy == "random" else f"drift.{policy}"
    if found is None:
        names = (f"{prefix}.{name}_{step}" for name in ("player_alive", "alive_and_answers") for step in LOOKS)
        return missing("the player is looked for in frames of 64x64 pixels alone", *names)
    told = {}
    for step in (look for look in LOOKS if look < found.shape[1]):
        alive = found[:, step - LOOK_BACK + 1 : step + 1].mean(1) > 0.5
        told[f"{prefix}.player_alive_{step}"] = alive
        told[f"{prefix}.alive_and_answers_{step}"] = alive * answers.get(step, np.full(len(alive), np.nan))
    samples = shares(told)
    samples.curves[f"drift.{policy}.player_by_10_steps"] = curve(found[:, CURVE_EVERY::CURVE_EVERY].astype(float))
    return samples


def _idle(frames: np.ndarray) -> Samples:
    """How far an idle player gets, and how much of the picture changes, between landing and step LOOKS[0]."""
    until = min(LOOKS[0], frames.shape[1] - 1)
    landed = min(SETTLE_STEPS, until - 1)
    motion = _strides(frames[:, landed : until + 1]).sum(1)
    changed = np.abs(frames[:, until].astype(np.int16) - frames[:, landed]).max(-1) > CHANGED
    return Samples(
        {"drift.idle_motion_px": np.hypot(*motion.T), "drift.idle_changed_area": changed.mean((1, 2))},
        facts={"drift.idle_from_to": [landed, until]},
    )


def _strides(frames: np.ndarray) -> np.ndarray:
    """The player's motion in pixels over each whole stride of frames (n, t, H, W, 3): (n, strides, 2).

    Seen from end to end, for a creep is less than the error of a look at one step; but step by step where it may be
    farther than can be seen at once.
    """
    height, width = frames.shape[2:4]
    count = (frames.shape[1] - 1) // IDLE_STRIDE
    at_once = player_motion(frames[:, : count * IDLE_STRIDE + 1 : IDLE_STRIDE])
    at_once = np.where(np.abs(at_once) < DEAD_ZONE * width, 0, at_once)
    steps = player_motion(frames[:, : count * IDLE_STRIDE + 1])
    steps = steps.reshape(len(frames), count, IDLE_STRIDE, 2).sum(2)
    too_far = (np.abs(steps) > np.array(reach(height, width)) - 1).any(-1, keepdims=True)
    return np.where(too_far, steps, at_once)
