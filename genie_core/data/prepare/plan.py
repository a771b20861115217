"""What is to be made of which videos. Noted down at the start, so that an interrupted run goes on with the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from genie_core.data.frame_size import usual_size
from genie_core.data.prepare.find import Found, Video
from genie_core.data.prepare.look import Look, look
from genie_core.data.prepare.pool import Mapper
from genie_core.data.prepare.work import Task
from genie_core.data.room import require_room
from genie_core.errors import DataError
from genie_core.files import write_whole
from genie_core.limits import Size
from genie_core.video.source import Part

BEGUN, PARTS_FOLDER = "begun.json", "parts"
USUAL_FPS = 15.0
STRETCH_S = 600.0  # of a long video, which is done by several processes, and lost when one is killed
SPLIT = "prepare them in several parts and give --data all of these, or lower --fps"
UNKNOWN_S = 60.0  # the length of a video that does not say, for the progress bar
CRASHED = "the decoder crashed on it"


class Plan(NamedTuple):
    """`looks` are in the order of `videos`; frames have `size` (H, W) and `fps`."""

    videos: list[Video]
    looks: list[Look]
    size: Size
    fps: float

    @property
    def seconds(self) -> float:
        """Of all videos that can be read, about."""
        return sum(seen.seconds or UNKNOWN_S for seen in self.looks if seen.inside)

    def tasks(self, index: int, work: Path) -> list[Task]:
        """The stretches of a video: one, or several for a long one; none if it cannot be read."""
        video, seen = self.videos[index], self.looks[index]
        if seen.inside is None:
            return []
        count = max(1, round((seen.seconds or 0) / STRETCH_S)) if seen.sought else 1
        edges = [(seen.seconds or 0) * i / count for i in range(count)]
        folders = [str(work / PARTS_FOLDER / f"{index:06d}-{i:03d}") for i in range(count)]
        return [
            Task(video.path, seen.inside, self.size, self.fps, folder, start_s, end_s)
            for folder, start_s, end_s in zip(folders, edges, [*edges[1:], None], strict=True)
        ]


def make_plan(
    work: Path, found: Found, frame_size: Size | None, fps: float | None, mapper: Mapper, quiet: bool
) -> Plan:
    """The plan noted in `work`, or a new one. DataError if other videos or settings were begun with, or none is any
    good."""
    videos = [list(video) for video in found.videos]
    asked = {"videos": videos, "frame_size": frame_size and list(frame_size), "fps": fps}
    try:
        begun = json.loads((work / BEGUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = _begin(found, frame_size, fps, mapper, quiet) | {"asked": asked}
        write_whole(work / BEGUN, json.dumps(begun))
    if begun["asked"] != asked:
        changed = ", ".join(name for name in asked if asked[name] != begun["asked"][name])
        raise DataError(
            f"{work.parent} was begun with other {changed}; give the same command again to go on, or remove the folder"
        )
    looks = [Look(part and Part(*part), *rest) for part, *rest in begun["looks"]]
    return Plan(found.videos, looks, (begun["size"][0], begun["size"][1]), begun["fps"])


def _begin(found: Found, frame_size: Size | None, fps: float | None, mapper: Mapper, quiet: bool) -> dict[str, Any]:
    crashed = Look(None, refused=CRASHED)
    looks = [crashed] * len(found.videos)
    paths = [video.path for video in found.videos]
    with tqdm(desc="looking at videos", unit=" videos", delay=2, disable=quiet, total=len(paths)) as bar:
        for index, seen in mapper.map(look, paths, lambda path: crashed, lambda done_s: None):
            looks[index] = seen
            bar.update()
    usable = [seen for seen in looks if seen.inside is not None]
    if not usable:
        told = [f"{video.name}: {seen.refused}" for video, seen in zip(found.videos, looks, strict=True)]
        told += [f"{name}: {why}" for name, why in found.left_out]
        raise DataError("; ".join(["there is no video to learn from; expected films such as MP4 or WebM", *told[:5]]))
    size, fps = frame_size or _usual_size(usable), fps or _usual_fps(usable)
    seconds = sum(seen.seconds or 0 for seen in usable)
    require_room(f"{seconds / 3600:.0f} hours of video at {fps:g} a second", int(seconds * fps), size, SPLIT)
    return {"looks": looks, "size": size, "fps": fps}


def _usual_size(looks: Sequence[Look]) -> Size:
    """The shape that most of the footage has."""
    seconds: Counter[Size] = Counter()
    for seen in looks:
        assert seen.inside is not None
        seconds[usual_size(seen.inside.height, seen.inside.width)] += round(1000 * (seen.seconds or UNKNOWN_S))
    return seconds.most_common(1)[0][0]


def _usual_fps(looks: Sequence[Look]) -> float:
    """`USUAL_FPS`, or what half of the footage does not exceed if that is less."""
    rates = sorted((seen.fps, seen.seconds or UNKNOWN_S) for seen in looks if seen.fps)
    passed = 0.0
    for rate, seconds in rates:
        passed += seconds
        if passed >= sum(seconds for _, seconds in rates) / 2:
            return min(USUAL_FPS, round(rate, 3))
    return USUAL_FPS
