"""The web demo onto the Hub as a Gradio Space, with only the files that it needs there; the site as a static Space."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from genie_core.config import WorldConfig
from genie_core.errors import ConfigError
from genie_core.games import find
from genie_core.hub.address import find_address, require_repository
from genie_core.hub.card import game_of
from genie_core.hub.download import STARTS
from genie_core.hub.publish import WORLD, Publishable, file_list, upload

FILES = ("launch.py", "LICENSE", "app", "genie_core")
# Of those folders: a Space plays, and neither trains nor measures nor opens a window.
LEFT_OUT = ("training", "evaluation", "tools", "window", "env.py", "__pycache__", ".*", "*.md")
# Of requirements.txt, for the same reason.
NOT_NEEDED = ("lightning", "pygame", "matplotlib", "pyarrow", "fsspec")
# What an earlier upload wrote, as patterns of paths: the program's folders whole, of the others what we name ourselves.
PROGRAM = (*FILES, *(f"{name}/*" for name in FILES), *(f"checkpoints/*/{name}" for name in WORLD))
SITE = (
    *(f"{name}/*" for name in ("css", "icons", "js", "ort")),
    *(f"worlds/*/{name}" for name in WORLD),
    *(f"pictures/*/{Path(name).name}" for name in STARTS),
)
FIRST_PICTURE = "assets/coinrun.png"  # where no picture is named after the world's game
VARIABLE = "GENIE_WORLD"
ABOUT = """
# genie

Play in the browser in a world model that learnt from video: networks make every next frame from the key you hold.
"""
FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.MULTILINE | re.DOTALL)


def publish_space(
    world: Publishable, name: str, repo: str, root: Path, *, private: bool, tag: str | None, dry_run: bool
) -> list[str]:
    """Upload the demo from the checkout `root` as the Space OWNER/NAME, for the world loaded as `name`.

    A world of the Hub is named in a variable of the Space, which downloads the world; a world in a folder is uploaded
    with the demo. Returns the lines to print. Raises ConfigError, CheckpointError and HubError as `publish_world` does.
    """
    require_repository(repo)
    address = find_address(name)
    runs = f"checkpoints/{world.name}" if address is None else str(address)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_program(root, folder, world.config)
        if address is None:
            world.save_pretrained(folder / runs)
        readme = space_readme((root / "README.md").read_text(encoding="utf-8"), address and address.repo)
        (folder / "README.md").write_text(readme, encoding="utf-8")
        if dry_run:
            return [*file_list(folder), "", f"{VARIABLE}={runs}", "", readme]
        pictures = (path.relative_to(root).as_posix() for path in (root / "assets").rglob("*.png"))
        told, ours = {VARIABLE: runs}, (*PROGRAM, *pictures)
        commit = upload(folder, repo, private=private, tag=tag, sdk="gradio", variables=told, ours=ours)
    return [
        f"published as the Space {repo}, commit {commit}",
        f"it runs the world {runs}, as its variable {VARIABLE} says",
    ]


def publish_site(folder: Path, repo: str, *, private: bool, tag: str | None, dry_run: bool) -> list[str]:
    """Upload a site that `--export-web` wrote as the static Space OWNER/NAME; return the lines to print.

    Raises ConfigError and HubError as `upload` does.
    """
    require_repository(repo)
    if dry_run:
        return [*file_list(folder), "", (folder / "README.md").read_text(encoding="utf-8")]
    commit = upload(folder, repo, private=private, tag=tag, sdk="static", ours=SITE)
    return [f"published as the static Space {repo}, commit {commit}", "its visitors' browsers compute everything"]


def copy_program(root: Path, folder: Path, config: WorldConfig) -> None:
    """Copy into `folder` the program and pictures to start from for the world's game, without a world or README.md."""
    for path in (root / name for name in FILES):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copy(path, folder)
    (folder / "assets").mkdir()
    game = game_of(config) or ""
    named = sorted((root / "assets").glob(f"{game}*.png")) if game.isidentifier() else []
    for picture in named or [root / FIRST_PICTURE]:
        shutil.copy(picture, folder / "assets")
    pattern = find(game).start_pictures(config.training.get("source") or {})
    for picture in (root / "assets").glob(pattern) if pattern else ():
        (folder / picture.relative_to(root)).parent.mkdir(exist_ok=True)
        shutil.copy(picture, folder / picture.relative_to(root))
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("#", *NOT_NEEDED))]
    (folder / "requirements.txt").write_text("".join(kept), encoding="utf-8")


def space_readme(text: str, repo: str | None) -> str:
    """Turn our README.md into the Space's: its settings, with the repository of a world to fetch at build."""
    found = FRONT_MATTER.match(text)
    if found is None:
        raise ConfigError("README.md does not begin with the settings of a Space between two lines of ---; restore it")
    fetched = "" if repo is None else f'models: ["{repo}"]\npreload_from_hub: ["{repo}"]\n'
    return f"---\n{found[1]}{fetched}---\n{ABOUT}"
