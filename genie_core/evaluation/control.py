"""Does a world obey? Opposite keys, the same actions in another scene, physics, and what leaks through the codes."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from genie_core.actions.naming import HOLD
from genie_core.data.dataset import VideoDataset
from genie_core.evaluation import metrics
from genie_core.evaluation.buttons import keys_last
from genie_core.evaluation.samples import (
    STANDING,
    Clips,
    Samples,
    free_scenes,
    shares,
    spread,
    standing_scenes,
    wall_scenes,
)
from genie_core.games.coinrun.camera import player_motion
from genie_core.pixels import to_frames, to_model
from genie_core.rollout import TOGETHER, rollout
from genie_core.world import World

JUMP_STEPS, FALL_STEPS = 5, 20
RISEN, LANDED = 3.0, 2.0  # pixels: how far up counts as a jump, and how near the ground it left as having landed
STOPPED = 2.0  # pixels in HOLD steps: less is having been stopped by a wall
MOVED = 2.0  # pixels that a real clip must have moved along an axis for its actions to be tried elsewhere
TRANSFER_STEPS = 10
PRESSED: dict[str, tuple[int, ...]] = {
    "left": (0, 1),
    "right": (6, 7),
}  # Procgen's true actions; looked at to find scenes, never to play


def measure_control(world: World, dataset: VideoDataset, clips: Clips, scenes: int, seed: int, quiet: bool) -> Samples:
    """All figures of `control`, on up to `scenes` scenes each, and the leak test of `latent_action`."""
    samples = Samples()
    bar = tqdm(total=5, desc="control", unit=" tests", disable=quiet)
    standing = standing_scenes(dataset, scenes)
    free = free_scenes(dataset, scenes)
    for test in (
        lambda: _opposite(world, free, seed),
        lambda: _jump(world, standing, seed),
        lambda: _walls(world, *wall_scenes(dataset, scenes, PRESSED), seed),
        lambda: _transfer(world, clips, free, scenes, seed),
        lambda: _scene_cut(world, clips, scenes),
    ):
        samples.update(test())
        bar.update()
    bar.close()
    return samples


def action_id(world: World, name: str) -> int | None:
    """The action called `name`, None if the world has none."""
    return next((action.id for action in world.config.actions if action.name == name), None)


def travelled(world: World, prompts: np.ndarray, actions: np.ndarray, seed: int) -> np.ndarray:
    """The player's motion in pixels, (b, t, 2), when `actions` int (b, t) are played from `prompts` (b, H, W, 3)."""
    chunks = [slice(i, i + TOGETHER) for i in range(0, len(prompts), TOGETHER)]
    motions = [player_motion(rollout(world, prompts[rows], actions[rows], seed + rows.start)) for rows in chunks]
    return np.concatenate(motions) if motions else np.empty((*actions.shape, 2))


def _opposite(world: World, free: np.ndarray, seed: int) -> Samples:
    """Whether `left` and `right`, each held from the same scene, move the player opposite ways.

    In `free` scenes only: at a wall, one of the two moves nobody, in the real game neither.
    """
    left, right = (_held(world, free, name, HOLD, seed) for name in ("left", "right"))
    if left is None or right is None or not len(free):
        return Samples(facts={"control.opposite_actions": None})
    opposite = (left[..., 0].sum(1) < 0) & (right[..., 0].sum(1) > 0)
    return shares({"control.opposite_actions": opposite})


def _held(world: World, prompts: np.ndarray, name: str, steps: int, seed: int) -> np.ndarray | None:
    action = action_id(world, name)
    return None if action is None else travelled(world, prompts, np.full((len(prompts), steps), action), seed)


def _jump(world: World, standing: np.ndarray, seed: int) -> Samples:
    """`jump*5,stay*20` from the ground: whether the player rises, and whether it comes down to where it stood."""
    jump, stay = action_id(world, "jump"), action_id(world, "stay")
    if jump is None or stay is None or not len(standing):
        return Samples(facts={"control.rises": None, "control.lands": None})
    script = np.repeat([jump, stay], [JUMP_STEPS, FALL_STEPS])
    height = -travelled(world, standing, np.tile(script, (len(standing), 1)), seed)[..., 1].cumsum(1)
    rises = height.max(1) >= RISEN
    lands = rises & (np.abs(height[:, -1]) <= LANDED)
    return shares({"control.rises": rises, "control.lands": lands})


def _walls(world: World, scenes: np.ndarray, names: list[str], seed: int) -> Samples:
    """Where a real wall stops the real player: whether the key held against it gets it nowhere in the world either."""
    ids = [action_id(world, name) for name in names]
    if not ids or None in ids:
        return Samples(facts={"control.walls": None})
    across = travelled(world, scenes, np.repeat(np.array(ids)[:, None], HOLD, axis=1), seed)[..., 0].sum(1)
    return shares({"control.walls": np.abs(across) <= STOPPED})


def _transfer(world: World, clips: Clips, free: np.ndarray, scenes: int, seed: int) -> Samples:
    """Actions inferred from one clip, played from elsewhere: whether the player moves the way it did there.

    Along x where the real clip moved along it, from `free` scenes. Along y, where gravity has its say too, between
    clips that start on the ground, half of which rise: whether the player rises where it rose and stays down where it
    stayed.
    """
    full = np.flatnonzero(clips.there[:, : TRANSFER_STEPS + 1].all(1))
    whole = clips.frames[full, : TRANSFER_STEPS + 1]
    motion = player_motion(whole)
    across, height = motion[..., 0].sum(1), -motion[..., 1].cumsum(1)
    walked = np.flatnonzero(np.abs(across) >= MOVED)
    walked = walked[spread(len(walked), scenes if len(free) else 0)]
    grounded = (np.abs(motion[:, :2, 1]) < STANDING).all(1)
    rose, stayed = (np.flatnonzero(grounded & how) for how in (height.max(1) >= RISEN, np.abs(height).max(1) < LANDED))
    each = min(len(rose), len(stayed), scenes // 2)
    jumped = np.concatenate([some[spread(len(some), each)] for some in (rose, stayed)])
    other = np.roll(whole[jumped, 0], len(jumped) // 2, axis=0)
    last = keys_last(world, clips)[full]
    played = _played_from(world, free, whole[walked], last[walked], seed)[..., 0].sum(1)
    height = -_played_from(world, other, whole[jumped], last[jumped], seed)[..., 1].cumsum(1)
    risen = height.max(1, initial=0) >= RISEN
    return shares(
        {
            "control.transfer.along_x": np.sign(played) == np.sign(across[walked]),
            "control.transfer.along_y": risen == (np.arange(2 * each) < each),
        }
    )


def _played_from(world: World, scenes: np.ndarray, clips: np.ndarray, last: torch.Tensor, seed: int) -> np.ndarray:
    """The player's motion, (n, t-1, 2), under the actions of each of uint8 `clips` (n, t, H, W, 3) from one of
    `scenes` (m, H, W, 3), each as often as the others."""
    if not len(clips):
        return np.empty((0, clips.shape[1] - 1, 2))
    actions = world.infer_actions(torch.from_numpy(clips), last).cpu().numpy()
    return travelled(world, scenes[np.arange(len(clips)) % len(scenes)], actions, seed)


@torch.inference_mode()
def _scene_cut(world: World, clips: Clips, scenes: int) -> Samples:
    """What a code is worth to the latent action model's own decoder, in dB of the next frame against a random code.

    Within a clip that should be much. Across a cut into another clip it should be next to nothing: there is no action
    to be found, and what remains would be content that leaks through the codes.
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
