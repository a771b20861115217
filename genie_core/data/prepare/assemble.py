"""From the parts of all videos to two data sets, train and test, of different videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genie_core.data.prepare.duplicates import Scenes, copies
from genie_core.data.prepare.sift import SHORTEST_FRAMES, Scene
from genie_core.data.prepare.work import Prepared, part_frames, part_hashes
from genie_core.data.room import Room, shard_frames
from genie_core.data.writer import DatasetWriter
from genie_core.limits import Size

TEST_SHARE = 0.1
MOST_TEST_SHARE = 0.25  # that whole videos may make up; else the end of the longest is the test
ALIKE = 0.25  # of the shorter of two videos that are copied: both go to train or both to test
CHUNK_FRAMES = 256


class Piece(NamedTuple):
    """A scene of a video: `first` is its place in the frames of the video's part."""

    name: str
    folder: Path
    first: int
    scene: Scene
    part_frames: int


def pieces_of(name: str, parts: Iterable[tuple[Path, Prepared]]) -> list[Piece]:
    """The scenes of a video, from its parts in order."""
    pieces = []
    for folder, prepared in parts:
        first = 0
        for scene in prepared.scenes:
            pieces.append(Piece(name, folder, first, scene, prepared.frames))
            first += scene.length
    return pieces


class Distinct(NamedTuple):
    """`videos` are pieces without what an earlier one shows, a list for each video, or for all that show much the same.
    `copied` frames are left out as copies, `short` ones because too few are left around a copy."""

    videos: list[list[Piece]]
    copied: int
    short: int


def without_copies(pieces: Sequence[Piece], size: Size, fps: float) -> Distinct:
    """What `pieces`, of all videos in order, show once."""
    hashed = [part_hashes(piece.folder)[piece.first : piece.first + piece.scene.length] for piece in pieces]
    lengths = np.array([len(each) for each in hashed])

    def read(scene: int, first: int, count: int) -> np.ndarray:
        piece = pieces[scene]
        return part_frames(piece.folder, size, piece.part_frames)[piece.first + first : piece.first + first + count]

    found = copies(Scenes(lengths, np.concatenate(hashed), read), fps)
    each = np.split(found, np.cumsum(lengths)[:-1])
    kept, short = [], 0
    for piece, source in zip(pieces, each, strict=True):
        edges = np.flatnonzero(np.diff(np.r_[True, source >= 0, True]))
        for start, end in edges.reshape(-1, 2):
            if end - start >= SHORTEST_FRAMES:
                kept.append(_within(piece, int(start), int(end)))
            else:
                short += int(end - start)
    first = _firsts(pieces, each)
    videos: dict[str, list[Piece]] = {}
    for piece in kept:
        videos.setdefault(first[piece.name], []).append(piece)
    return Distinct(list(videos.values()), int((found >= 0).sum()), short)


def _firsts(pieces: Sequence[Piece], sources: Sequence[np.ndarray]) -> dict[str, str]:
    """The first video that each shows much of, or itself. `sources` are the scenes that frames of pieces are copied
    from. What is left of such a video is likely the same in an encoding too different to be found."""
    frames: Counter[str] = Counter()
    shared: Counter[tuple[str, str]] = Counter()
    for piece, source in zip(pieces, sources, strict=True):
        frames[piece.name] += len(source)
        shared.update((piece.name, pieces[scene].name) for scene in source[source >= 0])
    first = {name: name for name in frames}
    for (name, other), count in shared.items():
        if count >= ALIKE * min(frames[name], frames[other]):
            one, two = first[name], first[other]
            first = {each: two if to == one else to for each, to in first.items()}
    return first


def _within(piece: Piece, start: int, end: int) -> Piece:
    """Frames `start` to `end` of a piece."""
    length, start_s, end_s = piece.scene
    edges = [round(start_s + (end_s - start_s) * at / length, 3) for at in (start, end)]
    return piece._replace(first=piece.first + start, scene=Scene(end - start, edges[0], edges[1]))


def split(videos: Sequence[list[Piece]]) -> tuple[list[Piece], list[Piece]]:
    """Train and test, from the pieces of each video or of several that are alike.

    Whole ones make up about a tenth of the frames, every tenth of those ordered by length. Where none is so short, the
    end of the longest one is the test.
    """
    lengths = np.array([sum(piece.scene.length for piece in video) for video in videos])
    wanted, taken = TEST_SHARE * lengths.sum(), 0
    test: set[int] = set()
    for index in np.argsort(lengths, kind="stable")[::-1]:  # the longest that still fits, down to the shortest
        if taken + lengths[index] <= wanted:
            test.add(int(index))
            taken += int(lengths[index])
    if taken >= wanted / 2 or (len(videos) > 1 and lengths.min() <= MOST_TEST_SHARE * lengths.sum()):
        test = test or {int(lengths.argmin())}
        return _flat(videos[i] for i in range(len(videos)) if i not in test), _flat(videos[i] for i in sorted(test))
    longest = int(lengths.argmax())
    head, tail = _cut(videos[longest], int(lengths[longest] - wanted))
    return _flat([*videos[:longest], head, *videos[longest + 1 :]]), tail


def _flat(videos: Iterable[list[Piece]]) -> list[Piece]:
    return [piece for video in videos for piece in video]


def _cut(video: list[Piece], at: int) -> tuple[list[Piece], list[Piece]]:
    """The pieces of a video before and after its frame `at`; one that is cut gives two, if both are long enough."""
    head: list[Piece] = []
    tail: list[Piece] = []
    passed = 0
    for piece in video:
        length = piece.scene.length
        before = min(max(at - passed, 0), length)
        before = 0 if before < SHORTEST_FRAMES else length if length - before < SHORTEST_FRAMES else before
        head += [_within(piece, 0, before)] if before else []
        tail += [_within(piece, before, length)] if before < length else []
        passed += length
    return head, tail


def fitting(pieces: Sequence[Piece], size: Size) -> tuple[list[Piece], int]:
    """The first of `pieces` that a data set has room for, and how many frames the others have."""
    room, kept = Room({}, size, shard_frames(size)), 0
    for kept, piece in enumerate(pieces, 1):
        if room.lacks(piece.scene.length, _origin(piece)):
            kept -= 1
            break
        room.take(piece.scene.length, _origin(piece))
    return list(pieces[:kept]), sum(piece.scene.length for piece in pieces[kept:])


def _origin(piece: Piece) -> dict[str, Any]:
    return {"video": piece.name, "start_s": piece.scene.start_s, "end_s": piece.scene.end_s}


def write(
    out: Path, pieces: Sequence[Piece], size: Size, fps: float, source: dict[str, Any], tell: Callable[[int], None]
) -> None:
    """Writes a data set of `pieces`, each an episode; `tell` hears of frames written."""
    with DatasetWriter(out, source=source, frame_size=size, fps=fps) as writer:
        for piece in pieces:
            frames = part_frames(piece.folder, size, piece.part_frames)
            end = piece.first + piece.scene.length
            for start in range(piece.first, end, CHUNK_FRAMES):
                writer.add_frames(frames[start : min(start + CHUNK_FRAMES, end)])
                tell(min(start + CHUNK_FRAMES, end) - start)
            writer.end_episode(provenance=_origin(piece))
