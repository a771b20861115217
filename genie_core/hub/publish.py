"""A world onto the Hub: a folder with its model card, loaded as a check before anything is sent."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from genie_core.config import WorldConfig
from genie_core.hub.card import card
from genie_core.hub.upload import upload


class Publishable(Protocol):
    """The part of `World` that this package uses and must not import."""

    config: WorldConfig
    name: str

    def save_pretrained(self, path: str | Path) -> None: ...

    @classmethod
    def from_pretrained(cls, path: str | Path) -> Publishable: ...


def publish_world(
    world: Publishable, repo: str, *, private: bool = False, revision: str | None = None, animation: Path | None = None
) -> str:
    """Publish the world as OWNER/NAME with `revision` as its tag and `animation` on its card; return the commit hash.

    Raises CheckpointError if the saved world does not load, ConfigError and HubError as `upload` does.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "world"
        prepare_folder(world, folder, repo, animation)
        return upload(folder, repo, private=private, tag=revision)


def prepare_folder(world: Publishable, folder: Path, repo: str, animation: Path | None = None) -> None:
    """Write the files of the repository OWNER/NAME into `folder` and load the world from there as a check.

    Raises CheckpointError if the world does not load.
    """
    world.save_pretrained(folder)
    if animation is not None:
        shutil.copy(animation, folder)
    text = card(world.config, repo, animation.name if animation else None)
    (folder / "README.md").write_text(text, encoding="utf-8")
    type(world).from_pretrained(folder)


def file_list(folder: Path) -> list[str]:
    """Each file of `folder` with its size, as lines to read before a dry run's card."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.stat().st_size:>12,} bytes  {path.relative_to(folder).as_posix()}" for path in files]
