"""A LeRobotDataset becomes data sets to train on: frames fitted and thinned out, actions as ids where they are few."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from genie_core.data.dataset import PARTS
from genie_core.data.frame_size import usual_size
from genie_core.data.lerobot.read import LeRobotEpisode, LeRobotFolder
from genie_core.data.room import require_room
from genie_core.data.writer import DatasetWriter
from genie_core.errors import DataError
from genie_core.limits import Size
from genie_core.video import fitted

USUAL_FPS = 15.0
TEST_EVERY = 10  # episodes, of which one is for the test
MOST_ACTIONS = 127  # a data set has one signed byte for an id
BATCH_BYTES = 2**26  # of frames held in memory


class ActionIds(NamedTuple):
    """`rows` (ids, numbers) float64 are the distinct actions of a data set, in order."""

    rows: np.ndarray

    def of(self, actions: np.ndarray) -> np.ndarray:
        """The ids of actions (t, numbers): int8 (t,)."""
        ids = np.zeros(len(actions), np.int8)
        for number, row in enumerate(self.rows):  # one at a time: all of them at once would be a large table
            ids[(actions == row).all(1)] = number
        return ids


def prepare_lerobot(
    folder: str | Path,
    out: str | Path,
    frame_size: Size | None = None,
    fps: float | None = None,
    video: str | None = None,
    quiet: bool = False,
) -> str:
    """Make the data sets `out`/train and `out`/test of a LeRobotDataset; returns a summary, in lines.

    Every tenth episode is for the test. Frames of `frame_size` (H, W) are cut from the middle of the pictures of
    `video`; by default they keep their shape. Frames are left out to come near `fps`, by default 15. The action of a
    step is the one at its beginning; actions are kept as ids if the data set has at most 127 different ones.
    Interrupted at any moment, the same call goes on. Raises DataError for a data set that is damaged, or if `out` holds
    something else.
    """
    source, out = LeRobotFolder(folder, video), Path(out)
    _check_free(out)
    step = max(1, round(source.info.fps / (fps or USUAL_FPS)))
    size = frame_size or usual_size(*source.size())
    frames = sum(-(-place.frames // step) for place in source.places)
    require_room(str(folder), frames, size, "give a larger step: lower --fps")
    ids = distinct_actions(source)
    told: dict[str, Any] = {"lerobot": source.folder.resolve().name, "video": source.video, "steps_a_frame": step}
    if ids is not None:
        told["actions"] = [row[0] if len(row) == 1 else row for row in ids.rows.tolist()]
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=source.info.frames, unit=" frames", desc="preparing", disable=quiet))
        writers = {
            name: stack.enter_context(
                DatasetWriter(
                    out / name, source=told, frame_size=size, fps=round(source.info.fps / step, 3), resume=True
                )
            )
            for name in (PARTS if len(source.places) >= TEST_EVERY else PARTS[:1])
        }
        left = {name: len(writer.episodes) for name, writer in writers.items()}  # that were written before
        try:
            for place, episode in enumerate(source.episodes()):
                name = PARTS[place % TEST_EVERY == TEST_EVERY - 1 and len(writers) > 1]
                left[name] -= 1
                if left[name] >= 0:
                    bar.update(episode.frames)
                else:
                    _write(writers[name], episode, step, ids, bar)
        except DataError:  # what came of a damaged data set does not stay
            for writer in writers.values():
                writer.resume = False
            raise
        kept = ", ".join(f"{writer.frames:,} frames for {name}" for name, writer in writers.items())
    return _summary(source, size, step, ids, kept)


def _check_free(out: Path) -> None:
    """DataError unless `out` is nothing, empty, or begun."""
    begun = {f".{name}.partial" for name in PARTS}
    if (out / f".{PARTS[0]}.partial").is_dir():
        shutil.rmtree(out / PARTS[1], ignore_errors=True)  # of a call that was killed between the two
    if out.exists() and (not out.is_dir() or not {path.name for path in out.iterdir()} <= begun):
        raise DataError(f"{out} already exists and is not empty; choose another --out, or remove it first")


def distinct_actions(source: LeRobotFolder) -> ActionIds | None:
    """The actions of a data set by id; None if it has none, or more than ids."""
    if not source.info.action:
        return None
    known = np.empty((0, source.info.action))
    for actions in source.actions():
        known = np.unique(np.concatenate([known, actions]), axis=0)
        if len(known) > MOST_ACTIONS or np.isnan(known).any():
            return None
    return ActionIds(known)


def _write(writer: DatasetWriter, episode: LeRobotEpisode, step: int, ids: ActionIds | None, bar: tqdm) -> None:
    for frames in _batches(writer, episode, step, bar):
        writer.add_frames(frames)
    actions = None
    if ids is not None and episode.actions is not None:
        kept = -(-episode.frames // step)
        actions = ids.of(episode.actions[::step])[: kept - 1]
    writer.end_episode(actions, provenance={"episode": episode.number})


def _batches(writer: DatasetWriter, episode: LeRobotEpisode, step: int, bar: tqdm) -> Iterator[np.ndarray]:
    height, width = writer.frame_size
    most = max(1, BATCH_BYTES // (3 * height * width))
    batch: list[np.ndarray] = []
    for number, picture in enumerate(episode.pictures):
        bar.update()
        if number % step == 0:
            batch.append(fitted(picture, writer.frame_size))
        if len(batch) == most:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def _summary(source: LeRobotFolder, size: Size, step: int, ids: ActionIds | None, kept: str) -> str:
    lines = [
        f"read {source.info.episodes:,} episodes of video {source.video} in {source.folder}: {kept}, "
        f"{size[0]}x{size[1]} at {source.info.fps / step:g} a second"
    ]
    others = [key for key in source.info.videos if key != source.video]
    if others:
        lines.append(f"left out the videos {', '.join(others)}; choose one with --camera")
    if ids is None and source.info.action:
        lines.append(f"its actions were not kept: they are no list of at most {MOST_ACTIONS}")
    return "\n".join(lines)
