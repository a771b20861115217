"""`--prepare` from end to end, resumable: what was begun is kept in DIR/.preparing until the data sets are whole."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from genie_core.data.dataset import VideoDataset
from genie_core.data.frame_size import usual_size
from genie_core.data.prepare import assemble
from genie_core.data.prepare.find import Found, Video, find_videos
from genie_core.data.prepare.look import Look, look
from genie_core.data.prepare.pool import Mapper, Processes, tell
from genie_core.data.prepare.report import REPORT, Report
from genie_core.data.prepare.sheet import SHEET, write_sheet
from genie_core.data.prepare.work import Prepared, Task, prepare_video
from genie_core.errors import DataError
from genie_core.files import disk_refusals, write_whole
from genie_core.limits import Size
from genie_core.video.source import Part

BEGUN, LOCK, PARTS = "begun.json", ".lock", "parts"
USUAL_FPS = 15.0
ASSEMBLING = 0.15  # of the time of reading, about, as the bar counts it
CRASHED = "the decoder crashed on it"


class Plan(NamedTuple):
    """What is made of which videos: `looks` in the order of `videos`."""

    videos: list[Video]
    looks: list[Look]
    size: Size
    fps: float


def prepare(
    places: Sequence[str | Path],
    out: str | Path,
    frame_size: Size | None = None,
    fps: float | None = None,
    quiet: bool = False,
) -> str:
    """Make the data sets `out`/train and `out`/test of the videos at `places`; returns a summary, in lines.

    Frames have `frame_size` (H, W): by default the shape of most of the videos, 64 pixels on the shorter side, so that
    nothing is cut off that most of them show. `fps` is by default 15, or that of most of the videos if they have less.
    Interrupted at any moment, the same call goes on. Raises DataError if there is no video, or `out` holds anything
    else or is in use; WriteError if the disk refuses.
    """
    out = Path(out)
    with _alone(out) as work, Processes() as mapper:
        found = find_videos(places)
        with tqdm(desc="looking at videos", unit=" videos", delay=2, disable=quiet, total=len(found.videos)) as bar:
            plan = _plan(work, found, frame_size, fps, mapper, bar)
        with tqdm(desc="preparing", unit="%", total=100, disable=quiet, bar_format=BAR) as bar:
            report = _carry_out(out, work, plan, found.left_out, mapper, bar)
    shutil.rmtree(work, ignore_errors=True)
    return report.summary(out)


BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


@contextmanager
def _alone(out: Path) -> Iterator[Path]:
    """The folder of what was begun, for one process at a time; DataError if `out` holds something else."""
    work = out / ".preparing"
    if out.exists() and not work.is_dir() and (not out.is_dir() or any(out.iterdir())):
        what = "a finished data set" if (out / REPORT).exists() else "something else"
        raise DataError(f"{out} holds {what}; choose another --out, or remove it first")
    with disk_refusals(out, "choose another --out"):
        work.mkdir(parents=True, exist_ok=True)
        lock = (work / LOCK).open("w")
    with lock:
        with contextlib.suppress(ImportError):  # of a system without such locks
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DataError(f"{out} is being prepared by another process; wait, or choose another --out") from None
        yield work


def _plan(work: Path, found: Found, frame_size: Size | None, fps: float | None, mapper: Mapper, bar: tqdm) -> Plan:
    """The plan that was begun, or a new one, noted down; DataError if other videos or settings were begun with."""
    asked = {
        "videos": [list(video) for video in found.videos],
        "frame_size": frame_size and list(frame_size),
        "fps": fps,
    }
    try:
        begun = json.loads((work / BEGUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = _begin(found, frame_size, fps, mapper, bar) | {"asked": asked}
        write_whole(work / BEGUN, json.dumps(begun))
    if begun["asked"] != asked:
        changed = ", ".join(name for name in asked if asked[name] != begun["asked"][name])
        raise DataError(
            f"{work.parent} was begun with other {changed}; give the same command again to go on, or remove the folder"
        )
    looks = [Look(part and Part(*part), *rest) for part, *rest in begun["looks"]]
    return Plan(found.videos, looks, (begun["size"][0], begun["size"][1]), begun["fps"])


def _begin(found: Found, frame_size: Size | None, fps: float | None, mapper: Mapper, bar: tqdm) -> dict[str, Any]:
    looks: list[Look] = [Look(None, None, None, CRASHED)] * len(found.videos)
    paths = [video.path for video in found.videos]
    for index, seen in mapper.map(look, paths, lambda path: Look(None, None, None, CRASHED), lambda done_s: None):
        looks[index] = seen
        bar.update()
    usable = [seen for seen in looks if seen.inside is not None]
    if not usable:
        told = [f"{video.name}: {seen.refused}" for video, seen in zip(found.videos, looks, strict=True)]
        told += [f"{name}: {why}" for name, why in found.left_out]
        raise DataError(f"there is no video to learn from; expected films such as MP4 or WebM; {'; '.join(told[:5])}")
    return {"looks": looks, "size": frame_size or _usual_size(usable), "fps": fps or _usual_fps(usable)}


def _usual_size(looks: Sequence[Look]) -> Size:
    """The shape that most of the footage has."""
    seconds: Counter[Size] = Counter()
    for seen in looks:
        assert seen.inside is not None
        seconds[usual_size(seen.inside.height, seen.inside.width)] += round(1000 * (seen.seconds or 1))
    return seconds.most_common(1)[0][0]


def _usual_fps(looks: Sequence[Look]) -> float:
    """`USUAL_FPS`, or the rate of the slower half of the footage if that is less."""
    rates = sorted((seen.fps, seen.seconds or 1) for seen in looks if seen.fps)
    half, passed = sum(seconds for _, seconds in rates) / 2, 0.0
    for rate, seconds in rates:
        passed += seconds
        if passed >= half:
            return min(USUAL_FPS, round(rate, 3))
    return USUAL_FPS


def _carry_out(out: Path, work: Path, plan: Plan, left_out: list[tuple[str, str]], mapper: Mapper, bar: tqdm) -> Report:
    videos = _prepare_all(work, plan, mapper, bar)
    report = Report(plan.size, plan.fps, videos, left_out)
    pieces = [
        assemble.pieces_of(name, _folder(work, index), prepared)
        for index, (name, prepared) in enumerate(videos.items())
        if prepared.frames
    ]
    if not pieces:
        told = "; ".join(report.omissions()) or "they hold no frame"
        raise DataError(f"there is nothing to learn from in {len(videos)} videos ({told}); give longer footage")
    sets = dict(zip(("train", "test"), assemble.split(pieces, plan.fps), strict=True))
    report.frames = {name: sum(piece.scene.length for piece in each) for name, each in sets.items()}
    report.episodes = sum(map(len, sets.values()))
    source = {"game": None, "kind": "videos", "videos": len(pieces)}
    done, start = 0, bar.n
    for name, each in sets.items():
        shutil.rmtree(out / name, ignore_errors=True)  # of a run that ended between the two

        def tell(frames: int) -> None:
            nonlocal done
            done += frames
            _move(bar, start + (99 - start) * done / report.kept)

        if each:
            assemble.write(out / name, each, plan.size, plan.fps, source, tell)
    write_sheet(out / SHEET, VideoDataset(out / "train"))
    report.write(out)
    _move(bar, 100)
    return report


def _folder(work: Path, index: int) -> Path:
    return work / PARTS / f"{index:06d}"


def _prepare_all(work: Path, plan: Plan, mapper: Mapper, bar: tqdm) -> dict[str, Prepared]:
    """What became of each video, by name, in order."""
    tasks, indices = [], []
    done: dict[int, Prepared] = {}
    for index, (video, seen) in enumerate(zip(plan.videos, plan.looks, strict=True)):
        if seen.inside is None:
            done[index] = Prepared([], 0.0, {}, [], seen.refused)
            continue
        folder = str(_folder(work, index))
        tasks.append(Task(video.name, video.path, seen.inside, plan.size, plan.fps, folder))
        indices.append(index)
    whole_s = sum(seen.seconds or 60.0 for seen in plan.looks if seen.inside) * (1 + ASSEMBLING)
    results = mapper.map(
        _work, tasks, lambda task: Prepared([], 0.0, {}, [], CRASHED), lambda done_s: _move(bar, 100 * done_s / whole_s)
    )
    for at, prepared in results:
        done[indices[at]] = prepared
        bar.set_postfix_str(f"{len(done):,} of {len(plan.videos):,} videos", refresh=False)
    return {plan.videos[index].name: done[index] for index in sorted(done)}


def _work(task: Task) -> Prepared:
    return prepare_video(task, tell)


def _move(bar: tqdm, percent: float) -> None:
    bar.update(max(0.0, min(percent, 100.0) - bar.n))
