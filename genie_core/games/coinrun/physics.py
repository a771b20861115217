"""CoinRun's own tests of control: a jump lands, a wall stops, and actions of one clip do the same in another scene."""

from __future__ import annotations

import numpy as np

from genie_core.data.dataset import VideoDataset
from genie_core.data.scenes import Clips, spread
from genie_core.figures import Samples, missing, shares
from genie_core.games.base import Subject
from genie_core.games.coinrun.camera import player_motion
from genie_core.games.coinrun.scenes import PRESSED, STANDING, standing_scenes, wall_scenes

JUMP_STEPS, FALL_STEPS = 5, 20
PUSH_STEPS = 8
TRANSFER_STEPS = 10
# In shares of a frame's width.
RISEN, LANDED = 3 / 64, 2 / 64  # how far up counts as a jump, and how near the ground it left as having landed
STOPPED = 2 / 64  # in PUSH_STEPS: less is having been stopped by a wall
MOVED = 2 / 64  # that a real clip must have moved along an axis for its actions to be tried elsewhere
UNNAMED = "the world has no actions of the names that this needs"


def measure_physics(subject: Subject, dataset: VideoDataset, clips: Clips, free: np.ndarray, count: int) -> Samples:
    """Shares of up to `count` scenes each; `free` are scenes without a wall near."""
    samples = _jump(subject, standing_scenes(dataset, count))
    samples.update(_walls(subject, *wall_scenes(dataset, count, PRESSED)))
    samples.update(_transfer(subject, clips, free, count))
    return samples


def _travelled(subject: Subject, prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The player's motion in frame widths, (b, t, 2), when `actions` int (b, t) are played from `prompts`."""
    if not len(prompts):
        return np.empty((*actions.shape, 2))
    return player_motion(subject.play(prompts, actions)) / prompts.shape[-2]


def _jump(subject: Subject, standing: np.ndarray) -> Samples:
    """`jump*5,stay*20` from the ground: whether the player rises, and whether it comes down to where it stood."""
    jump, stay = subject.action_id("jump"), subject.action_id("stay")
    if jump is None or stay is None:
        return missing(UNNAMED, "control.rises", "control.lands")
    script = np.repeat([jump, stay], [JUMP_STEPS, FALL_STEPS])
    height = -_travelled(subject, standing, np.tile(script, (len(standing), 1)))[..., 1].cumsum(1)
    rises = height.max(1) >= RISEN
    return shares({"control.rises": rises, "control.lands": rises & (np.abs(height[:, -1]) <= LANDED)})


def _walls(subject: Subject, scenes: np.ndarray, names: list[str]) -> Samples:
    """Where a real wall stops the real player: whether the key held against it gets it nowhere in the world either."""
    ids = [subject.action_id(name) for name in names]
    if None in ids:
        return missing(UNNAMED, "control.walls")
    if not ids:
        return missing("the data set shows no key held against a wall", "control.walls")
    across = _travelled(subject, scenes, np.repeat(np.array(ids)[:, None], PUSH_STEPS, axis=1))[..., 0].sum(1)
    return shares({"control.walls": np.abs(across) <= STOPPED})


def _transfer(subject: Subject, clips: Clips, free: np.ndarray, count: int) -> Samples:
    """Actions inferred from one clip, played from elsewhere: whether the player moves the way it did there.

    Along x where the real clip moved along it, from `free` scenes. Along y, where gravity has its say too, between
    clips that start on the ground, half of which rise: whether the player rises where it rose and stays down where it
    stayed.
    """
    whole = clips.frames[clips.there[:, : TRANSFER_STEPS + 1].all(1), : TRANSFER_STEPS + 1]
    motion = player_motion(whole) / whole.shape[-2]
    across, height = motion[..., 0].sum(1), -motion[..., 1].cumsum(1)
    walked = np.flatnonzero(np.abs(across) >= MOVED)
    walked = walked[spread(len(walked), count if len(free) else 0)]
    grounded = (np.abs(motion[:, :2, 1]) < STANDING).all(1)
    rose, stayed = (np.flatnonzero(grounded & how) for how in (height.max(1) >= RISEN, np.abs(height).max(1) < LANDED))
    each = min(len(rose), len(stayed), count // 2)
    jumped = np.concatenate([some[spread(len(some), each)] for some in (rose, stayed)])
    other = np.roll(whole[jumped, 0], len(jumped) // 2, axis=0)
    played = _played_from(subject, free, whole[walked])[..., 0].sum(1)
    height = -_played_from(subject, other, whole[jumped])[..., 1].cumsum(1)
    risen = height.max(1, initial=0) >= RISEN
    return shares(
        {
            "control.transfer.along_x": np.sign(played) == np.sign(across[walked]),
            "control.transfer.along_y": risen == (np.arange(2 * each) < each),
        }
    )


def _played_from(subject: Subject, scenes: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """The player's motion, (n, t-1, 2), under the actions of each of uint8 `clips` (n, t, H, W, 3) from one of
    `scenes` (m, H, W, 3), each as often as the others."""
    if not len(clips):
        return np.empty((0, clips.shape[1] - 1, 2))
    return _travelled(subject, scenes[np.arange(len(clips)) % len(scenes)], subject.infer(clips))
