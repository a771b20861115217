"""A session driven into a file, without a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app.media.write import save_frames
from app.play.beside import Beside, side_by_side
from app.play.session import PlaySession


def record(path: str | Path, session: PlaySession, actions: Sequence[int], quiet: bool = False) -> str:
    """Plays `actions` and saves them to `path`, with a bar unless `quiet`; returns a line that says so. A real game
    beside the session is on the right of each frame.

    Raises RecordingError as `save_frames` does; `check_target` finds most of it before a session is begun.
    """
    steps = tqdm(actions, desc="playing", unit=" steps", delay=2, disable=quiet)
    beside = session.beside
    if beside is None:
        return _save(path, session, session.play(steps), actions, quiet)
    line = _save(path, session, _with_real(session, steps, beside), actions, quiet)
    return f"{line}, beside {beside.name}: {beside.told()}"


def _with_real(session: PlaySession, actions: Iterable[int], beside: Beside) -> Iterator[np.ndarray]:
    for frame in session.play(actions):
        beside.follow(session.timeline)
        yield side_by_side(frame, beside.frame)


def record_replay(path: str | Path, session: PlaySession, quiet: bool = False) -> str:
    """Saves to `path` all that was played on the line of `session`, decoded from its tokens; as `record` else."""
    timeline = session.timeline
    actions = list(timeline.path())
    steps = tqdm(range(len(actions) + 1), desc="decoding", unit=" frames", delay=2, disable=quiet)
    shown = (timeline.picture_of(timeline.line, step) for step in steps)
    return _save(path, session, shown, actions, quiet)


def _save(
    path: str | Path, session: PlaySession, shown: Iterable[np.ndarray], actions: Sequence[int], quiet: bool
) -> str:
    pictures = iter(shown)
    first = next(pictures)
    frames = np.empty((len(actions) + 1, *first.shape), np.uint8)
    frames[0] = first
    for step, frame in enumerate(pictures, 1):
        frames[step] = frame
    names = [action.name for action in session.config.actions]
    save_frames(path, frames, np.array(actions, np.int64), session.config.fps, names, bar=not quiet)
    return f"saved {path}, {len(frames)} frames played"
