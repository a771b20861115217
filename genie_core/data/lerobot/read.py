"""A LeRobotDataset v3, read episode by episode: frames stream out of its videos, actions out of its tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genie_core.data.lerobot.layout import ACTION, DATA, VIDEO, read_info
from genie_core.data.lerobot.tables import ADVICE, read_batches
from genie_core.errors import DataError, PictureError
from genie_core.limits import Size, told
from genie_core.video import Picture, Source, open_video

EPISODE = "episode_index"
MOST_NUMBERS = 2**24  # of the actions of an episode, with its number: they are held in memory
WITHIN = 0.4  # of a frame, by which a frame's time may be off


class Place(NamedTuple):
    """Where one episode lies: `data` and `video` are (chunk, file), `rows` its rows over all data, `start` the second
    at which it begins in its video."""

    number: int
    rows: tuple[int, int]
    data: tuple[int, int]
    video: tuple[int, int]
    start: float

    @property
    def frames(self) -> int:
        return self.rows[1] - self.rows[0]


class LeRobotEpisode(NamedTuple):
    """One episode: `pictures` gives its frames in order, once; `actions` (frames, numbers), None where there are none.

    Action i takes frame i to i+1; the last leads to no frame.
    """

    number: int
    frames: int
    pictures: Iterator[Picture]
    actions: np.ndarray | None


class LeRobotFolder:
    """An open data set. `video` is the key of the one that is read, by default the first.

    Raises DataError for a folder that is missing, of another version, or damaged, at once or while it is read.
    """

    def __init__(self, folder: str | Path, video: str | None = None) -> None:
        self.folder = Path(folder)
        self.info = read_info(self.folder)
        if video not in (None, *self.info.videos):
            raise DataError(f"{folder} has no video {told(video)}; it has {', '.join(self.info.videos)}")
        self.video = video or self.info.videos[0]
        self.places = self._read_places()

    def size(self) -> Size:
        """The size of its pictures, (H, W)."""
        path = self._video_path(self.places[0].video)
        with _as_data(path), open_video(path, threads=1) as source:
            return source.size

    def episodes(self) -> Iterator[LeRobotEpisode]:
        """All episodes in order. Take an episode's pictures before you ask for the next."""
        with contextlib.closing(_Videos(self)) as videos, contextlib.closing(_Actions(self)) as actions:
            for place in self.places:
                yield LeRobotEpisode(place.number, place.frames, videos.pictures(place), actions.of(place))

    def actions(self) -> Iterator[np.ndarray]:
        """The actions alone, (frames, numbers) for each episode; nothing where there are none."""
        with contextlib.closing(_Actions(self)) as actions:
            for place in self.places if self.info.action else ():
                found = actions.of(place)
                assert found is not None
                yield found

    def _video_path(self, at: tuple[int, int]) -> Path:
        return self.folder / VIDEO.format(key=self.video, chunk=at[0], file=at[1])

    def _read_places(self) -> list[Place]:
        video = f"videos/{self.video}"
        names = [EPISODE, "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index"]
        names += [f"{video}/chunk_index", f"{video}/file_index", f"{video}/from_timestamp"]
        files = sorted((self.folder / "meta/episodes").glob("chunk-*/file-*.parquet"))
        rows = [
            row
            for file in files
            for batch in read_batches(file, dict.fromkeys(names, 1), self.info.episodes)
            for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True)
        ]
        places = [_place(self.folder, row) for row in rows]
        places.sort()
        self._check(places)
        return places

    def _check(self, places: list[Place]) -> None:
        """The episodes lie end to end and cover every frame, as info.json says."""
        starts = [0, *(place.rows[1] for place in places)]
        whole = [place.rows[0] for place in places] == starts[:-1] and all(place.frames > 0 for place in places)
        if not whole or (len(places), starts[-1]) != (self.info.episodes, self.info.frames):
            raise DataError(
                f"{self.folder} describes {len(places)} episodes of {starts[-1]:,} frames, which do not lie end to end "
                f"or are not the {self.info.episodes} of {self.info.frames:,} that its info.json tells; {ADVICE}"
            )


def _place(folder: Path, row: tuple[Any, ...]) -> Place:
    try:
        index, first, last, *files = (int(value) for value in row[:-1])
        start = float(row[-1])
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder} has an episode without its place: {told(row)}; {ADVICE}") from error
    if min(index, first, *files) < 0 or not 0 <= start < 1e9:
        raise DataError(f"{folder} has an episode at a place that cannot be: {told(row)}; {ADVICE}")
    return Place(index, (first, last), (files[0], files[1]), (files[2], files[3]), start)


@contextlib.contextmanager
def _as_data(path: Path) -> Iterator[None]:
    try:
        yield
    except PictureError as error:
        raise DataError(f"{path} is missing, damaged or no video ({error}); {ADVICE}") from error


class _Videos:
    """The open video, on which episodes follow one another."""

    def __init__(self, of: LeRobotFolder) -> None:
        self._of = of
        self._stack = contextlib.ExitStack()
        self._at: tuple[int, int] | None = None
        self._passed = 0.0  # seconds of the open video that were read
        self._frames: Iterator[tuple[float, Picture]] = iter(())

    def close(self) -> None:
        self._stack.close()

    def pictures(self, place: Place) -> Iterator[Picture]:
        """The frames of an episode; DataError if one of them is not in the video."""
        path, length = self._of._video_path(place.video), 1 / self._of.info.fps
        with _as_data(path):
            if place.video != self._at or place.start < self._passed - length / 2:
                self._open(place.video, path)
            found = 0
            for stamp, picture in self._frames:
                self._passed = stamp + length
                at = (stamp - place.start) / length
                if at < -WITHIN:
                    continue
                if abs(at - found) > WITHIN:
                    break
                found += 1
                yield picture
                if found == place.frames:
                    return
        raise DataError(
            f"{path} lacks frame {found} of episode {place.number}, expected {place.frames} frames from "
            f"{place.start:.2f} s on at {self._of.info.fps:g} a second; {ADVICE}"
        )

    def _open(self, at: tuple[int, int], path: Path) -> None:
        self._stack.close()
        source: Source = self._stack.enter_context(open_video(path))  # decoded by all cores
        self._at, self._passed = at, 0.0
        self._frames = ((timed.stamp or 0.0, timed.picture) for timed in source.frames())


class _Actions:
    """The open table of actions, on which episodes follow one another."""

    def __init__(self, of: LeRobotFolder) -> None:
        self._of = of
        self._at: tuple[int, int] | None = None
        self._rows: Iterator[np.ndarray] = iter(())
        self._kept = np.empty((0, 1 + of.info.action))

    def close(self) -> None:
        self._rows = iter(())

    def of(self, place: Place) -> np.ndarray | None:
        """The actions of an episode, float64 (frames, numbers)."""
        if not self._of.info.action:
            return None
        if place.data != self._at:
            self._at, self._rows = place.data, self._read(place.data)
            self._kept = self._kept[:0]
        if (count := place.frames * self._kept.shape[1]) > MOST_NUMBERS:
            raise DataError(
                f"episode {place.number} of {self._of.folder} has {count:,} numbers of actions, at most "
                f"{MOST_NUMBERS:,} are read; cut it into shorter ones"
            )
        batches = [self._kept]
        while sum(map(len, batches)) < place.frames:
            batch = next(self._rows, None)
            if batch is None:
                raise DataError(f"{self._of.folder} lacks actions of episode {place.number}; {ADVICE}")
            batches.append(batch)
        self._kept = np.concatenate(batches)
        taken, self._kept = self._kept[: place.frames], self._kept[place.frames :]
        if (taken[:, 0] != place.number).any():
            raise DataError(
                f"{self._of.folder} has actions of episode {taken[0, 0]:.0f} where those of episode {place.number} are "
                f"expected; {ADVICE}"
            )
        return taken[:, 1:]

    def _read(self, at: tuple[int, int]) -> Iterator[np.ndarray]:
        """The rows of a table: the number of the episode, then the numbers of the action."""
        file, numbers = self._of.folder / DATA.format(chunk=at[0], file=at[1]), self._of.info.action
        for batch in read_batches(file, {EPISODE: 1, ACTION: numbers}, self._of.info.frames):
            try:
                actions = np.array(batch.column(ACTION).to_pylist(), np.float64).reshape(batch.num_rows, numbers)
                yield np.column_stack([np.array(batch.column(EPISODE).to_pylist(), np.float64), actions])
            except (TypeError, ValueError) as error:
                raise DataError(f"{file} has actions that are not {numbers} numbers each; {ADVICE}") from error
