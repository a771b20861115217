"""`--publish --space`: the web demo onto the Hub as a Gradio Space, with only the files that it needs there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from app.play.start_pictures import STARTS
from genie_core.errors import ConfigError
from genie_core.hub.address import find_address, require_repository
from genie_core.hub.listing import file_list
from genie_core.hub.upload import upload
from genie_core.world import World

FILES = ("launch.py", "LICENSE", "app", "genie_core")
LEFT_OUT = ("training", "evaluation", "data", "__pycache__", ".*", "*.md")  # of those folders: a Space only plays
NOT_NEEDED = ("lightning", "pygame")  # of requirements.txt: training and the window
VARIABLE = "GENIE_WORLD"
ABOUT = """
# genie

Play in the browser in a world learnt from video without labels: every next frame is made from the key you hold.
"""
FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.MULTILINE | re.DOTALL)


def publish_space(
    world: World, name: str, repo: str, root: Path, *, private: bool, tag: str | None, dry_run: bool
) -> list[str]:
    """Uploads the demo as the Space OWNER/NAME, for the world asked for as `name`, from the checkout `root`.

    A world of the Hub is named in a variable of the Space, which downloads it; one in a folder goes along. Returns the
    lines to print. Raises ConfigError, CheckpointError and HubError as `publish` does.
    """
    require_repository(repo)
    address = find_address(name)
    runs = f"checkpoints/{world.name}" if address is None else str(address)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_program(root, folder)
        if address is None:
            world.save_pretrained(folder / runs)
        readme = space_readme(
            (root / "README.md").read_text(encoding="utf-8"), None if address is None else address.repo
        )
        (folder / "README.md").write_text(readme, encoding="utf-8")
        if dry_run:
            return [*file_list(folder), "", f"{VARIABLE}={runs}", "", readme]
        commit = upload(folder, repo, private=private, tag=tag, variables={VARIABLE: runs})
    return [
        f"published as the Space {repo}, commit {commit}",
        f"it runs the world {runs}, as its variable {VARIABLE} says",
    ]


def copy_program(root: Path, folder: Path) -> None:
    """What the demo runs on, without a world and without README.md, into `folder`."""
    for path in (root / name for name in FILES):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copy(path, folder)
    (folder / "assets").mkdir()
    for picture in (root / "assets").glob(STARTS):
        shutil.copy(picture, folder / "assets")
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("#", *NOT_NEEDED))]
    (folder / "requirements.txt").write_text("".join(kept), encoding="utf-8")


def space_readme(text: str, repo: str | None) -> str:
    """The Space's README.md from ours: its settings, with the repository of a world that is fetched at build."""
    found = FRONT_MATTER.match(text)
    if found is None:
        raise ConfigError("README.md does not begin with the settings of a Space between two lines of ---; restore it")
    fetched = "" if repo is None else f'models: ["{repo}"]\npreload_from_hub: ["{repo}"]\n'
    return f"---\n{found[1]}{fetched}---\n{ABOUT}"
