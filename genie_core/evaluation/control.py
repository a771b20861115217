"""Does a world obey? Asked actions found again, opposite ones, the gain by a code, its leaks, and the game's tests."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from genie_core.actions.naming import held_steps
from genie_core.data.dataset import VideoDataset
from genie_core.data.scenes import Clips, spread
from genie_core.evaluation import metrics
from genie_core.evaluation.asked import measure_asked
from genie_core.figures import Samples, missing, shares
from genie_core.games import Game, Subject
from genie_core.pixels import to_frames, to_model
from genie_core.rollout import TOGETHER, rollout
from genie_core.world import World

OPPOSITE = "control.opposite_actions"


def measure_control(
    world: World, dataset: VideoDataset, clips: Clips, game: Game, scenes: int, seed: int = 0, quiet: bool = False
) -> Samples:
    """All figures of `control`, on up to `scenes` scenes each, and the leak test of `latent_action`."""
    samples = Samples()
    subject = subject_of(world, seed)
    bar = tqdm(total=4, desc="control", unit=" tests", disable=quiet)
    free = game.open_scenes(dataset, scenes)
    past = min(world.config.context_frames, int(clips.there.all(0).sum()))
    for test in (
        lambda: measure_asked(subject, clips, past, scenes, quiet),
        lambda: _opposite(subject, game, free),
        lambda: game.control(subject, dataset, clips, free, scenes),
        lambda: _scene_cut(world, clips, scenes),
    ):
        samples.update(test())
        bar.update()
    bar.close()
    return samples


def subject_of(world: World, seed: int) -> Subject:
    """`world` as the tests of a game see it."""

    def batches(count: int) -> list[slice]:  # that fit into memory
        return [slice(first, first + TOGETHER) for first in range(0, count, TOGETHER)]

    def play(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
        played = [rollout(world, prompts[rows], actions[rows], seed + rows.start) for rows in batches(len(prompts))]
        return np.concatenate(played)

    def infer(clips: np.ndarray) -> np.ndarray:
        found = [world.infer_actions(torch.from_numpy(clips[rows])).cpu() for rows in batches(len(clips))]
        return torch.cat(found).numpy()

    return Subject(world.config.actions, play, infer, held_steps(world.config.fps))


def _opposite(subject: Subject, game: Game, free: np.ndarray) -> Samples:
    """Whether two opposite actions, each held from the same scene, move the player opposite ways.

    In `free` scenes only: where scenery stops one of the two, the player goes one way, in the real game too.
    """
    ids = [subject.action_id(name) for name in game.opposite or ()]
    if not ids:
        return missing(f"the game {game.name!r} tells no two actions that are opposites", OPPOSITE)
    if None in ids:
        return missing(f"the world has no actions named {' and '.join(game.opposite or ())}", OPPOSITE)
    if not len(free):
        return missing("the data set has no scene in which the player can go either way", OPPOSITE)
    played = (subject.play(free, np.full((len(free), subject.hold), action)) for action in ids)
    left, right = (np.asarray(game.motion(frames))[..., 0].sum(1) for frames in played)
    return shares({OPPOSITE: (left < 0) & (right > 0)})


@torch.inference_mode()
def _scene_cut(world: World, clips: Clips, scenes: int) -> Samples:
    """The gain by a code for the latent action model's own decoder, in dB of the next frame against a random code.

    Within a clip the gain should be large. Across a cut into another clip it should be near 0: there is no action to
    be found, and a gain is content that leaks through the codes.
    """
    frames = clips.frames[spread(len(clips), scenes), :2]
    cut = np.stack([frames[:, 0], np.roll(frames[:, 1], max(1, len(frames) // 2), axis=0)], axis=1)
    return Samples(
        {
            "latent_action.code_gain_db": _code_gain(world, frames),
            "latent_action.scene_cut_gain_db": _code_gain(world, cut),
        }
    )


def _code_gain(world: World, pairs: np.ndarray) -> np.ndarray:
    """PSNR of the second of uint8 `pairs` (n, 2, H, W, 3) with its code, minus the mean over all codes: (n,)."""
    net = world.latent_action
    pixels = to_model(torch.from_numpy(pairs).to(world.device))
    inferred = net.infer(pixels).indices[:, 0].cpu().numpy()
    codes = torch.arange(len(world.config.actions), device=world.device)
    psnr = []
    for code in codes:
        chosen = net.quantizer.lookup(code.expand(len(pairs), 1))
        predicted = to_frames(net.predict(pixels[:, :, :1], chosen)).cpu().numpy()
        psnr.append(metrics.psnr(pairs[:, 1:], predicted)[:, 0])
    table = np.stack(psnr, axis=1)
    return table[np.arange(len(pairs)), inferred] - table.mean(1)
