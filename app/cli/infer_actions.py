"""The actions of a video, as a script."""

from __future__ import annotations

from pathlib import Path

from app.media.read import infer_actions, read_video
from app.play.script import format_script
from genie_core.errors import PictureError
from genie_core.world import World


def script_of(world: World, video: Path, quiet: bool = True) -> str:
    """The actions of a video file, found at the pace of the world, as a script that --actions takes.

    Raises PictureError if there are no two frames in it.
    """
    frames = read_video(video, world.config.frame_size, world.config.fps)
    if len(frames) < 2:
        raise PictureError(f"{video} holds one frame at {world.config.fps:g} a second, and an action is between two")
    return format_script(infer_actions(world, frames, quiet), world.config.actions)
