"""`--prepare` from end to end, resumable: what was begun is kept in DIR/.preparing until the data sets are whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from genie_core.data.dataset import PARTS, VideoDataset
from genie_core.data.prepare.assemble import Piece, fitting, pieces_of, split, without_copies, write
from genie_core.data.prepare.cluster import Cluster
from genie_core.data.prepare.duplicates import CELLS
from genie_core.data.prepare.find import find_videos
from genie_core.data.prepare.plan import BEGUN, CRASHED, PARTS_FOLDER, Plan, make_plan
from genie_core.data.prepare.pool import Mapper, Processes, tell
from genie_core.data.prepare.report import REPORT, Report
from genie_core.data.prepare.sheet import SHEET, write_sheet
from genie_core.data.prepare.work import Prepared, Task, joined, prepare_video, refusal
from genie_core.errors import ConfigError, DataError
from genie_core.files import alone_at, disk_refusals
from genie_core.limits import Size

BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
READING = 85.0  # percent of the time, about; the rest is writing the data sets


def prepare(
    places: Sequence[str | Path],
    out: str | Path,
    frame_size: Size | None = None,
    fps: float | None = None,
    quiet: bool = False,
    ray: str | None = None,
) -> str:
    """Make the data sets `out`/train and `out`/test of the videos at `places`; returns a summary, in lines.

    Frames have `frame_size` (H, W): by default the shape of most of the footage, 64 pixels on the shorter side, so that
    nothing is cut off. `fps` is by default 15, or the footage's own if that is less. `ray` is the address of a Ray
    cluster whose machines share the work. Interrupted at any moment, the same call goes on. Raises DataError if there
    is no video, or `out` holds anything else or is in use; WriteError if the disk refuses; ConfigError for a
    `frame_size` too small to tell scenes apart.
    """
    out = Path(out)
    if frame_size is not None and min(frame_size) < CELLS:
        height, width = frame_size
        raise ConfigError(f"frame_size is {height}x{width}, expected {CELLS}x{CELLS} or more, such as 64x64")
    with _alone(out) as work, Processes() if ray is None else Cluster(ray) as mapper:
        found = find_videos(places)
        plan = make_plan(work, found, frame_size, fps, mapper, quiet)
        with tqdm(desc="preparing", total=100, disable=quiet, bar_format=BAR) as bar:
            report = _carry_out(out, work, plan, found.left_out, mapper, bar)
            (work / BEGUN).unlink()
    return report.summary(out)


@contextmanager
def _alone(out: Path) -> Iterator[Path]:
    """The folder of what was begun, for one process at a time; DataError if `out` holds something else."""
    work = out / ".preparing"
    finished = (out / REPORT).exists() and not (work / BEGUN).exists()
    if finished or (out.exists() and not work.is_dir() and (not out.is_dir() or any(out.iterdir()))):
        what = "a finished data set" if finished else "something else"
        raise DataError(f"{out} holds {what}; choose another --out, or remove it first")
    with disk_refusals(out, "choose another --out"):
        work.mkdir(parents=True, exist_ok=True)
    told = f"{out} is being prepared by another process; wait, or choose another --out"
    with ExitStack() as held:
        held.enter_context(alone_at(work / ".lock", DataError(told)))
        try:
            yield work
        finally:
            if not (work / BEGUN).exists():  # nothing was begun, or all of it is done
                _remove(work, out.resolve().with_name(f".{out.resolve().name}.prepared"), held)
                with contextlib.suppress(OSError):
                    out.rmdir()


def _remove(work: Path, left: Path, held: ExitStack) -> None:
    """Remove what was begun, from `out` at once: it takes a while, and may be interrupted."""
    shutil.rmtree(left, ignore_errors=True)
    try:
        work.rename(left)
    except OSError:  # some systems move no folder with a file that is open
        held.close()
        with contextlib.suppress(OSError):
            work.rename(left)
    shutil.rmtree(left, ignore_errors=True)


def _carry_out(out: Path, work: Path, plan: Plan, left_out: list[tuple[str, str]], mapper: Mapper, bar: tqdm) -> Report:
    videos = _prepare_all(work, plan, mapper, bar)
    names = [video.name for video in plan.videos]
    told = [joined([part for _, part in parts]) for parts in videos]
    missing = [*left_out, *_missing(work, plan, videos)]
    report = Report(plan.size, plan.fps, dict(zip(names, told, strict=True)), missing)
    every = [piece for name, parts in zip(names, videos, strict=True) for piece in pieces_of(name, parts)]
    pieces: list[list[Piece]] = []
    if every:
        pieces, report.duplicate, report.short = without_copies(every, plan.size, plan.fps)
    if not pieces:
        why = "; ".join(report.omissions()) or "they hold no frame"
        raise DataError(f"there is nothing to learn from in {len(names)} videos ({why}); give longer footage")
    sets = {}
    for name, wanted in zip(PARTS, split(pieces), strict=True):
        sets[name], beyond = fitting(wanted, plan.size)
        report.beyond += beyond
    report.frames = {name: sum(piece.scene.length for piece in each) for name, each in sets.items()}
    report.episodes = sum(map(len, sets.values()))
    count = len({piece.name for each in sets.values() for piece in each})
    _write_sets(out, plan, sets, {"game": None, "kind": "videos", "videos": count}, bar)
    write_sheet(out / SHEET, VideoDataset(out))
    report.write(out)
    _move(bar, 100)
    return report


Parts = list[tuple[Path, Prepared]]
"""What became of the stretches of a video, with the folders they are in."""


def _prepare_all(work: Path, plan: Plan, mapper: Mapper, bar: tqdm) -> list[Parts]:
    """The parts of each video."""
    tasks = [task for index in range(len(plan.videos)) for task in plan.tasks(index, work)]
    done: dict[str, Prepared] = {}
    done_s = 0.0
    for half_done in (work / PARTS_FOLDER).glob(".*"):  # of a run that was killed
        shutil.rmtree(half_done, ignore_errors=True)
    for index, prepared in mapper.map(
        _work, tasks, lambda task: refusal(CRASHED), lambda so_far_s: _move(bar, READING * so_far_s / plan.seconds)
    ):
        done[tasks[index].folder] = prepared
        done_s += prepared.account.seconds
        _move(bar, READING * done_s / plan.seconds)
        bar.set_postfix_str(f"{len(done):,} of {len(tasks):,} parts", refresh=False)
    refused = [(Path(), refusal(seen.refused)) for seen in plan.looks]
    made = [[(Path(task.folder), done[task.folder]) for task in plan.tasks(i, work)] for i in range(len(plan.videos))]
    return [parts or [nothing] for parts, nothing in zip(made, refused, strict=True)]


def _missing(work: Path, plan: Plan, videos: Sequence[Parts]) -> Iterator[tuple[str, str]]:
    """Stretches, by the video's name and seconds, that could not be read where others of the video could, and why."""
    for index, parts in enumerate(videos):
        if all(part.refused for _, part in parts):
            continue
        for task, (_, part) in zip(plan.tasks(index, work), parts, strict=True):
            if part.refused:
                end = "its end" if task.end_s is None else f"{task.end_s:g} s"
                yield f"{plan.videos[index].name}, {task.start_s:g} s to {end}", part.refused


def _write_sets(out: Path, plan: Plan, sets: dict[str, list[Piece]], source: dict[str, Any], bar: tqdm) -> None:
    frames = sum(piece.scene.length for pieces in sets.values() for piece in pieces)
    written = 0

    def tell(count: int) -> None:
        nonlocal written
        written += count
        _move(bar, READING + (99 - READING) * written / frames)

    for name, pieces in sets.items():
        shutil.rmtree(out / name, ignore_errors=True)  # of a run that was killed between the two
        if pieces:
            write(out / name, pieces, plan.size, plan.fps, source, tell)


def _work(task: Task) -> Prepared:
    return prepare_video(task, tell)


def _move(bar: tqdm, percent: float) -> None:
    bar.update(max(0.0, min(percent, 100.0) - bar.n))
