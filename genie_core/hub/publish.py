"""A folder onto the Hub as one commit; a world with its model card, loaded as a check before anything is sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from genie_core.config import WorldConfig
from genie_core.errors import HubError
from genie_core.hub.address import Address, require_repository
from genie_core.hub.card import EFFECTS, card
from genie_core.hub.download import FILES, GRAPHS, STARTS
from genie_core.hub.failures import CHECK, told_in_words
from genie_core.hub.probe import silence

ANIMATION = "play.gif"  # the playthrough on a card, as `--publish` names it
WORLD = (*FILES, *GRAPHS, *STARTS, "README.md", EFFECTS, ANIMATION)  # what a world's repository may have from us


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
        return upload(folder, repo, private=private, tag=revision, ours=WORLD)


def prepare_folder(world: Publishable, folder: Path, repo: str, animation: Path | None = None) -> None:
    """Write the files of the repository OWNER/NAME into `folder` and load the world from there as a check.

    Raises CheckpointError if the world does not load.
    """
    world.save_pretrained(folder)
    if animation is not None:
        shutil.copy(animation, folder)
    effects = EFFECTS if (folder / EFFECTS).is_file() else None
    text = card(world.config, repo, animation.name if animation else None, effects)
    (folder / "README.md").write_text(text, encoding="utf-8")
    type(world).from_pretrained(folder)


def upload(
    folder: Path,
    repo: str,
    *,
    private: bool = False,
    tag: str | None = None,
    sdk: str | None = None,
    variables: dict[str, str] | None = None,
    ours: Iterable[str] = (),
) -> str:
    """Upload the files of `folder` to the repository OWNER/NAME, creating it if needed; return the commit's hash.

    The same commit deletes what an earlier upload wrote and `folder` lacks: files with a path like a pattern of `ours`.
    Other files stay. With `sdk` it is a Space of that kind, with `variables` in its environment. `tag` names the
    commit. Raises ConfigError if the name is not OWNER/NAME. Raises HubError, before anything is sent, if the tag is
    taken or the repository is public and `private` is asked for; also if the Hub or the network refuses.
    """
    require_repository(repo)
    with told_in_words(Address(repo), uploading=True):
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi()
        kind, what = ("model", "world") if sdk is None else ("space", "web demo")
        wrong = silence(Address(repo), kind)
        if wrong is not None:
            raise HubError(f"{repo} cannot be published because {api.endpoint} {wrong}; {CHECK}")
        api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True, space_sdk=sdk)
        if private and not api.repo_info(repo, repo_type=kind).private:
            raise HubError(f"{repo} exists and is public; make it private in its settings, or leave out --private")
        if tag and tag in {known.name for known in api.list_repo_refs(repo, repo_type=kind).tags}:
            raise HubError(f"{repo} has a revision {tag} already; choose another name for this one")
        for key, value in (variables or {}).items():  # before the files, which are built when they arrive
            api.add_space_variable(repo, key, value)
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        left = _left_over(api.list_repo_files(repo, repo_type=kind), files, tuple(ours))
        # One commit, where `upload_folder` makes several of many files: nobody gets a mixture of two worlds.
        gone = [CommitOperationDelete(path) for path in left]
        added = [CommitOperationAdd(path, file) for path, file in files.items()]
        commit = api.create_commit(repo, [*gone, *added], repo_type=kind, commit_message=f"Publish a {what}")
        if tag:
            api.create_tag(repo, repo_type=kind, tag=tag, revision=commit.oid)
    return commit.oid


def _left_over(there: Iterable[str], files: Iterable[str], ours: tuple[str, ...]) -> list[str]:
    """The paths `there` that are ours and not among `files`. A `*` in a pattern of ours also matches slashes."""
    gone = sorted({*there} - {*files})
    return [path for path in gone if any(fnmatchcase(path, pattern) for pattern in ours)]


def file_list(folder: Path) -> list[str]:
    """Each file of `folder` with its size, as lines to read before a dry run's card."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.stat().st_size:>12,} bytes  {path.relative_to(folder).as_posix()}" for path in files]
