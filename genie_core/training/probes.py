"""A quick look at the world that a run is on its way to: does it play, and does it obey? A few seconds on one core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from genie_core.evaluation import metrics
from genie_core.evaluation.asked import FOUND, found_again
from genie_core.rollout import rollout
from genie_core.world import World

CLIPS = 12
STEPS = 4  # at which ΔPSNR is taken, as in Genie (arXiv:2402.15391), §4
HELD = 8  # steps that an action is held for
FILMED = 8  # actions at most


class Probe(NamedTuple):
    """`figures` by name; `film` uint8 (actions, t, H, W, 3): each action held from one prompt."""

    figures: dict[str, float]
    film: np.ndarray


def probe(world: World, clips: np.ndarray, seed: int = 0) -> Probe:
    """Play `world` from held-out `clips` uint8 (n, t, H, W, 3), t above STEPS.

    `delta_psnr` is PSNR under inferred actions less PSNR under random ones, and `delta_psnr_error` its standard error;
    `found_again` the share of asked actions that the latent action model finds in what was played.
    """
    inferred = world.infer_actions(torch.from_numpy(clips)).cpu().numpy()
    random = np.random.default_rng(seed).integers(world.config.num_actions, size=(len(clips), STEPS))
    told, other = (rollout(world, clips[:, 0], actions, seed) for actions in (inferred[:, :STEPS], random))
    truth = clips[:, STEPS]
    gains = metrics.psnr(truth, told[:, STEPS]) - metrics.psnr(truth, other[:, STEPS])
    past = max(1, clips.shape[1] // 2)
    held = [
        _hold(world, clips[:, :past], inferred[:, : past - 1], code, seed) for code in range(world.config.num_actions)
    ]
    found = [world.infer_actions(torch.from_numpy(frames)).cpu().numpy()[:, past - 1 :] for frames in held]
    again = found_again(np.stack(found, axis=1))
    figures = {
        "delta_psnr": float(gains.mean()),
        "delta_psnr_error": float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else 0.0,
        "found_again": float(np.mean(again.values[f"{FOUND}.value"])),
        "found_again_chance": 1 / world.config.num_actions,
    }
    return Probe(figures, np.stack([frames[0, past - 1 :] for frames in held[:FILMED]]))


def _hold(world: World, prompts: np.ndarray, inside: np.ndarray, code: int, seed: int) -> np.ndarray:
    """What `world` plays from clips `prompts` when the action `code` is held."""
    return rollout(world, prompts, np.concatenate([inside, np.full((len(prompts), HELD), code)], axis=1), seed)
