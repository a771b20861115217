"""What became of the videos: report.json, a summary for the screen, and warnings of what is too little."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.data.prepare.work import Prepared
from genie_core.files import write_whole
from genie_core.limits import Size

REPORT = "report.json"
LITTLE_MINUTES = 60  # the world that ships has learnt from two hours
MOST_STILL = 0.5  # share
SHOWN = 5  # videos that are named on the screen, of each kind


@dataclass
class Report:
    """`videos` by name; `left_out` are (name, why) of those, or of stretches, that were not read."""

    size: Size
    fps: float
    videos: dict[str, Prepared]
    left_out: list[tuple[str, str]]
    frames: dict[str, int] = field(default_factory=dict)  # of each data set
    episodes: int = 0
    duplicate: int = 0  # frames left out because an earlier place shows the same
    short: int = 0  # frames left out because too few were left around those
    beyond: int = 0  # frames left out because a data set has no room for them

    @property
    def kept(self) -> int:
        return sum(self.frames.values())

    @property
    def refused(self) -> list[tuple[str, str]]:
        return [*self.left_out, *((name, each.refused) for name, each in self.videos.items() if each.refused)]

    def count(self, what: str) -> int:
        """Frames of all videos, by what was counted of them."""
        own = self.short if what == "short" else 0
        return own + sum(each.counts.get(what, 0) for each in self.videos.values())

    @property
    def damages(self) -> int:
        return sum(each.account.damages for each in self.videos.values())

    def write(self, folder: Path) -> None:
        told: dict[str, Any] = {
            "frame_size": list(self.size),
            "fps": self.fps,
            "frames": self.frames,
            "episodes": self.episodes,
            "left_out": {"duplicate": self.duplicate, "beyond": self.beyond}
            | {name: self.count(name) for name in ("still", "short")},
            "damages": self.damages,
            "cuts": self.count("cuts"),
            "refused": [{"video": name, "why": why} for name, why in self.refused],
            "videos": [self._video(name, each) for name, each in self.videos.items() if not each.refused],
        }
        write_whole(folder / REPORT, json.dumps(told, indent=1) + "\n")

    def _video(self, name: str, each: Prepared) -> dict[str, Any]:
        scenes = [[scene.start_s, scene.end_s] for scene in each.scenes]
        told = {"video": name, "seconds": round(each.account.seconds, 3), "frames": each.frames, "scenes": scenes}
        return told | {"counts": each.counts, "warnings": each.account.warnings(self.fps)}

    def summary(self, out: Path) -> str:
        """What to show at the end, in lines."""
        height, width = self.size
        minutes = self.kept / self.fps / 60
        read = sum(not each.refused for each in self.videos.values())
        told = (
            f"{out}: {self.kept:,} frames of {height}x{width} at {self.fps:g} a second ({minutes:.1f} minutes) in "
            f"{self.episodes:,} episodes, from {read:,} videos; train {self.frames['train']:,}, test "
            f"{self.frames['test']:,}"
        )
        return "\n".join([told, *self.omissions(), *(f"warning: {line}" for line in self.warnings())])

    def omissions(self) -> list[str]:
        """What was left out, in lines."""
        seconds = {name: self.count(name) / self.fps for name in ("still", "short")}
        told = [f"{seconds['still']:.0f} s in which nothing moves"] if self.count("still") else []
        told += [f"{seconds['short']:.0f} s in scenes too short to learn from"] if self.count("short") else []
        told += [f"{self.duplicate / self.fps:.0f} s that an earlier place shows"] if self.duplicate else []
        told += [f"{self.beyond / self.fps:.0f} s that a data set has no room for"] if self.beyond else []
        told += [f"{self.damages:,} damaged places"] if self.damages else []
        lines = [f"left out: {', '.join(told)}"] if told else []
        lines += [f"split at {self.count('cuts'):,} scene cuts"] if self.count("cuts") else []
        return lines + _some([f"{name}: {why}" for name, why in self.refused], "not used")

    def warnings(self) -> list[str]:
        """What is too little to learn from, or looks wrong, in sentences."""
        minutes, still = self.kept / self.fps / 60, self.count("still") + self.count("idle")
        told = []
        if minutes < LITTLE_MINUTES:
            told.append(f"{minutes:.1f} minutes are little to learn from; an hour or more gives a sharper world")
        every = self.kept + self.count("still") + self.count("short")
        if still > MOST_STILL * every:
            told.append(f"nothing moves in {still / every:.0%} of the frames; footage of more action teaches more")
        return told + _some(
            [f"{name}: {line}" for name, each in self.videos.items() for line in each.account.warnings(self.fps)], ""
        )


def _some(lines: Sequence[str], title: str) -> list[str]:
    """The first few of `lines`, and how many more there are."""
    shown = [f"{title}: {line}" if title else line for line in lines[:SHOWN]]
    return shown + ([f"and {len(lines) - SHOWN:,} more, listed in {REPORT}"] if len(lines) > SHOWN else [])
