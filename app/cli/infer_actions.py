"""`--infer-actions`: the actions that a world finds in a video, as a script."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.known_worlds import find_world
from app.cli.options import Mode

if TYPE_CHECKING:
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

VIDEO = {"metavar": "VIDEO", "type": Path}


def run(args: argparse.Namespace) -> None:
    from app.play.script import format_script

    require_video(args.infer_actions)
    world = find_world(args)
    print(format_script(find_actions(world, args.infer_actions, args.quiet), world.config.actions))


def require_video(video: Path) -> None:
    """Raises PictureError if there is no such file, before the networks are loaded."""
    from genie_core.errors import PictureError

    if not video.is_file():
        wrong = f"{video} is a folder" if video.is_dir() else f"there is no file {video}"
        raise PictureError(f"{wrong}; expected a video such as MP4, WebM or an animated GIF")


def find_actions(world: World | GraphWorld, video: Path, quiet: bool) -> list[int]:
    """The actions of a video file at the world's frame rate; PictureError if it has fewer than two frames."""
    from genie_core.errors import PictureError
    from genie_core.video import read_video

    fps = world.config.fps
    frames, warnings = read_video(video, world.config.frame_size, fps)
    for warning in () if quiet else warnings:
        print(f"note: {video.name}: {warning}", file=sys.stderr)
    if len(frames) < 2:
        raise PictureError(f"{video} is too short: it has one frame at {fps:g} frames a second, expected two or more")
    return world.actions_between(frames, progress=not quiet)


MODE = Mode(
    run, "print the actions found in VIDEO, in the form that --actions takes; or, with --play, play them", VIDEO, {}
)
