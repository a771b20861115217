"""`--publish`: a world onto the Hub, with an animation that it plays itself."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.media.write import record
from app.play.session import PlaySession
from genie_core.engine import WorldEngine
from genie_core.hub.address import require_repository
from genie_core.hub.listing import file_list
from genie_core.hub.upload import upload
from genie_core.pictures import load_picture
from genie_core.world import World

SHOWN = ("right", "jump_right", "jump", "left")  # of those, what the world has, else its first actions
HELD_STEPS = 12
ANIMATION = "play.gif"


def publish(
    world: World, repo: str, prompts: Path, *, private: bool, tag: str | None, dry_run: bool, quiet: bool
) -> list[str]:
    """Uploads `world` as OWNER/NAME; the lines to print: where it is, or for a dry run its files and model card.

    The animation starts from the picture in the folder `prompts` that is named after the game the world learnt; if
    there is none, there is no animation. Raises ConfigError, CheckpointError and HubError as `push_to_hub` does.
    """
    require_repository(repo)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "world"
        animation = _animate(world, prompts, Path(scratch), quiet)
        world.save_for_hub(folder, repo, animation)
        if dry_run:
            return [*file_list(folder), "", (folder / "README.md").read_text(encoding="utf-8")]
        commit = upload(folder, repo, private=private, tag=tag)
    return [f"published as {repo}, commit {commit}", f"python launch.py --play IMAGE --world {repo}@{tag or commit}"]


def _animate(world: World, prompts: Path, folder: Path, quiet: bool) -> Path | None:
    source = world.config.training.get("source")
    picture = prompts / f"{source.get('game')}.png" if isinstance(source, dict) else None
    if picture is None or not picture.is_file():
        return None
    names = [action.name for action in world.config.actions]
    script = ",".join(f"{name}*{HELD_STEPS}" for name in [n for n in SHOWN if n in names] or names[: len(SHOWN)])
    prompt: np.ndarray = load_picture(picture)
    record(folder / ANIMATION, script, lambda: PlaySession(WorldEngine(world), prompt), quiet=quiet)
    return folder / ANIMATION
