"""From the times that a file gives to one clock, and from that to a frame rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from genie_core.video.source import Account, Picture, Shown, Timed

LONGEST_S = 60.0  # that one frame may be shown; where a file says more, its clock starts anew
WITHIN_STEP = 5 / 8
"""Where in a step its frame is taken. At the edge, small errors of the times lose and double frames. In the very middle
lies an edge of videos with 2 or 4 frames a step; this is as far from the edges of 1, 2 and 4 frames as can be."""


class Step(NamedTuple):
    """The frame of a step: `seconds` on the video's clock; `repeated` if the step before has the same; `joined` is
    False where the video before is damaged."""

    seconds: float
    picture: Picture
    repeated: bool
    joined: bool


def on_one_clock(frames: Iterable[Timed], account: Account, usual_s: float) -> Iterator[Shown]:
    """Each frame with the seconds from and to which it is shown, starting at 0 and without gaps.

    A frame without a time follows the one before. `usual_s` is how long a frame is shown where nothing says so.
    """
    before: Timed | None = None
    start, clock, ahead = 0.0, 0.0, 0.0  # of the frame before; of where it ends at the latest; clock minus stamps
    for frame in frames:
        lasts = frame.lasts or usual_s
        if before is None:
            ahead = -(frame.stamp or 0.0)
        else:
            due = clock if frame.stamp is None else frame.stamp + ahead
            anew = not start <= due <= clock + LONGEST_S
            account.restarts += anew and before.joined and frame.joined
            if anew or not frame.joined:
                due, ahead = clock, clock - (frame.stamp or 0.0)
            yield Shown(start, due, before.picture, before.joined)
            usual_s = due - start or usual_s
            start = due
        before, clock = frame, start + (frame.lasts or usual_s or lasts)
        account.frames, account.seconds = account.frames + 1, clock
    if before is not None:
        yield Shown(start, clock, before.picture, before.joined)


def at_pace(frames: Iterable[Shown], fps: float) -> Iterator[Step]:
    """One frame for each step of 1/`fps` seconds: what the video shows a little after the middle of the step.

    Frames of a faster video are left out, those of a slower one repeated. A video of any frame has at least one step.
    """
    due, shown = 0, None
    joined = True
    for shown in frames:
        joined, repeated = joined and shown.joined, False
        while (due + WITHIN_STEP) / fps < shown.end:
            yield Step(due / fps, shown.picture, repeated, joined)
            due, joined, repeated = due + 1, True, True
    if shown is not None and not due:
        yield Step(0.0, shown.picture, False, True)
