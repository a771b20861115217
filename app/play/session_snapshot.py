"""What a session has played, noted and packed as the content of a session file: see `session_file`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import save as serialize

from app.play.session_file import FORMAT, KEY, digest_of
from genie_core.errors import SessionError
from genie_core.limits import SESSION_BRANCHES, SESSION_BYTES, SESSION_KEPT, SESSION_STEPS

if TYPE_CHECKING:
    from app.play.session import PlaySession
    from app.play.timeline import Line
    from genie_core.engine import Frame
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

HEADER_BYTES = 100_000  # at most, about


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Called, also in another thread while play goes on, it makes the content of a session file.

    `lines` are the branches in the file, each with its last frame there, and `kept` how many kept moments are.
    """

    pack: Callable[[], bytes]
    lines: list[tuple[Line, int]]
    kept: int

    def __call__(self) -> bytes:
        return self.pack()

    def mark_saved(self) -> None:
        for line, tip in self.lines:
            line.mark_saved(tip)


class _Noted(NamedTuple):
    """Frames `start` on of a branch; `parent` is its number in the file or -1."""

    parent: int
    start: int
    frames: list[Frame]
    actions: list[int]
    line: Line


def snapshot(session: PlaySession) -> Snapshot:
    """Notes all branches and kept moments, which is quick; if they are too many for a file, the branch shown alone.

    Raises SessionError if that is too long as well.
    """
    shown, lines, kept = session.timeline.line, session.timeline.lines, session.kept
    numbers = {line: number for number, line in enumerate(lines)}
    noted = [_note(line, -1 if line.parent is None else numbers[line.parent], line.start) for line in lines]
    if not _fit(session, noted, len(kept)):
        numbers, kept = {shown: 0}, []
        noted = [_note(shown, -1, 0)]
    if not _fit(session, noted, len(kept)):
        raise SessionError(f"this branch is too long for a session: {shown.tip:,} steps; record a video with V")
    world = session.engine.world
    told = {
        "format": FORMAT,
        "world": world.name,
        "runtime": session.engine.runtime.name,
        "line": numbers[shown],
        "at": session.steps,
        "fps": session.config.fps,
        "sampling": dataclasses.asdict(session.sampling),
    }
    places = [(numbers[moment.line], moment.step) for moment in kept]
    return Snapshot(partial(_pack, world, noted, places, told), [(line, line.tip) for line in numbers], len(kept))


def _fit(session: PlaySession, noted: list[_Noted], kept: int) -> bool:
    """Whether so much fits into a file that is read again."""
    frames = sum(len(each.frames) for each in noted)
    pictures = sum(each.line.prompt.nbytes for each in noted if each.parent < 0)
    anchors = sum(len(anchor) + 4 for anchor in _anchors(noted))
    tokens = frames * (4 * session.config.dynamics.tokens + 1)
    size = HEADER_BYTES + tokens + pictures + anchors + 12 * len(noted) + 8 * kept
    counts = frames <= SESSION_STEPS and len(noted) <= SESSION_BRANCHES and kept <= SESSION_KEPT
    return counts and size <= SESSION_BYTES


def _anchors(noted: list[_Noted]) -> list[bytes]:
    """The pictures kept of frames, in their order."""
    return [frame.anchor for each in noted for frame in each.frames if frame.anchor is not None]


def _note(line: Line, parent: int, start: int) -> _Noted:
    steps = range(start, line.tip + 1)
    frames = [line.moment(step).frames[-1] for step in steps]
    return _Noted(parent, start, frames, [line.action(step) or 0 for step in steps], line)


def _pack(world: World | GraphWorld, noted: list[_Noted], kept: list[tuple[int, int]], told: dict[str, Any]) -> bytes:
    roots = [each.line for each in noted if each.parent < 0]
    tensors = {
        "tokens": np.stack([frame.tokens for each in noted for frame in each.frames]),
        "actions": np.array([action for each in noted for action in each.actions], np.uint8),
        "prompts": np.stack([line.prompt for line in roots]),
        "lines": np.array([(each.parent, each.start, len(each.frames)) for each in noted], np.int32),
        "kept": np.array(kept, np.int32).reshape(-1, 2),
    }
    if anchors := _anchors(noted):
        lengths = np.array([len(anchor) for anchor in anchors], np.int32)
        tensors |= {"anchors": np.frombuffer(b"".join(anchors), np.uint8), "anchor_lengths": lengths}
    told |= {"sha256": world.fingerprint(), "seeds": [line.seed for line in roots], "content": digest_of(tensors)}
    return serialize(tensors, {KEY: json.dumps(told)})
