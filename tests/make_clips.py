"""Makes tests/data/coinrun-easy-test: short CoinRun clips from levels that training never sees.

    python -m tests.make_clips

A third holds RIGHT throughout, a third LEFT, a third is the explore policy as it comes, each clip from
an episode of its own within its kind. Same Procgen, same bytes.
"""

import tempfile
from pathlib import Path

import numpy as np

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.games.coinrun.record import ACTIONS, record_coinrun

CLIPS = Path(__file__).parent / "data" / "coinrun-easy-test"
LENGTH = 12
CLIPS_PER_KIND = 20
LEVELS = (20_000, 21_000)
FRAMES_TO_PICK_FROM = 60_000


def held(dataset: VideoDataset, move: str, rng: np.random.Generator) -> list[int]:
    """Starts of clips in which `move` is held throughout, in the middle of levels: after a while of mostly RIGHT."""
    starts = [int(start) for start in dataset.clip_starts(2 * LENGTH)]
    wanted = []
    for start in starts:
        actions = dataset.true_actions(start, 2 * LENGTH)
        rights = np.isin(actions[:LENGTH], (ACTIONS["right"], ACTIONS["right_up"])).sum()
        if rights > LENGTH // 2 and (actions[LENGTH:] == ACTIONS[move]).all():
            wanted.append(start + LENGTH)
    return one_per_episode(dataset, rng.permutation(wanted))


def mixed(dataset: VideoDataset, rng: np.random.Generator) -> list[int]:
    """Starts of clips with at least three different actions."""
    starts = dataset.clip_starts(LENGTH)
    wanted = [s for s in starts if len(set(dataset.true_actions(int(s), LENGTH))) >= 3]
    return one_per_episode(dataset, rng.permutation(wanted))


def one_per_episode(dataset: VideoDataset, starts: np.ndarray) -> list[int]:
    episodes = np.searchsorted(dataset.episodes[:, 0], starts, side="right") - 1
    first_of_each = np.sort(np.unique(episodes, return_index=True)[1])[:CLIPS_PER_KIND]
    return [int(start) for start in starts[first_of_each]]


def main() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        record_coinrun(Path(folder) / "all", FRAMES_TO_PICK_FROM, LEVELS, "easy", "explore", seed=5)
        dataset = VideoDataset(Path(folder) / "all")
        info = dataset.info
        with DatasetWriter(CLIPS, source=info.source, frame_size=info.frame_size) as writer:
            for start in held(dataset, "right", rng) + held(dataset, "left", rng) + mixed(dataset, rng):
                episode = np.searchsorted(dataset.episodes[:, 0], start, side="right") - 1
                actions = dataset.true_actions(start, LENGTH)
                writer.add_episode(dataset.clip(start, LENGTH), actions, int(dataset.episodes[episode, 2]))


if __name__ == "__main__":
    main()
