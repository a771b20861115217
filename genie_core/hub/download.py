"""Download a world from the Hub into its cache: only the needed files, and damaged files again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from genie_core.errors import HubError
from genie_core.hub.address import Address
from genie_core.hub.failures import AT_HAND, CHECK, told_in_words
from genie_core.hub.probe import silence

FILES = (
    "config.json",
    "tokenizer/model.safetensors",
    "latent_action/model.safetensors",
    "dynamics/model.safetensors",
)
GRAPHS = ("encode.onnx", "step.onnx")  # which a world may lack
STARTS = tuple(f"starts/start-{number}.png" for number in range(1, 7))  # of these too: pictures to start from
PIECE_BYTES = 1 << 20
COMMIT = re.compile(r"[0-9a-f]{40}")


def download(address: Address) -> Path:
    """Download the files that the cache lacks; return the folder of the cache that holds the world.

    A branch or tag is looked up on the Hub. If the Hub cannot be reached, the cache decides which commit it was last.
    Raises HubError: no connection, no such repository or revision, no access, not a world, no room.
    """
    with told_in_words(address), _in_small_pieces():
        folder = _cached(address) if COMMIT.fullmatch(address.revision or "") else None
        if folder is None:
            folder = _fetched(address)
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise HubError(f"{address} on the Hub is not a world: it lacks {', '.join(missing)}; {AT_HAND}")
    return folder


def _fetched(address: Address) -> Path:
    from huggingface_hub import snapshot_download

    wrong = silence(address)
    if wrong is not None:
        folder = _cached(address)
        if folder is None:
            raise HubError(f"{address} is not in the cache, and {_endpoint()} {wrong}; {CHECK}; {AT_HAND}")
        return folder
    wanted = [*FILES, *GRAPHS, *STARTS]
    return Path(
        snapshot_download(address.repo, revision=address.revision, allow_patterns=wanted, tqdm_class=_one_bar())
    )


def _cached(address: Address) -> Path | None:
    """The folder of the world in the cache, without asking the Hub; None if the cache has not all of it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    wanted = [*FILES, *GRAPHS, *STARTS]
    try:
        found = snapshot_download(address.repo, revision=address.revision, allow_patterns=wanted, local_files_only=True)
    except (IncompleteSnapshotError, LocalEntryNotFoundError):
        return None
    return Path(found)


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


class Weighed(NamedTuple):
    """A world on the Hub: its commit, the bytes of its files, and of those that the cache lacks."""

    commit: str
    bytes: int
    missing: int


def weigh(address: Address) -> Weighed:
    """What a world on the Hub weighs, before any file is downloaded. Raises HubError as `download` does."""
    with told_in_words(address):
        from huggingface_hub import snapshot_download

        wrong = silence(address)
        if wrong is not None:
            raise HubError(f"{_endpoint()} {wrong}; {CHECK}")
        wanted = [*FILES, *GRAPHS, *STARTS]
        files = snapshot_download(address.repo, revision=address.revision, allow_patterns=wanted, dry_run=True)
    if not files:
        raise HubError(f"{address} on the Hub is not a world: it has no {FILES[0]}; {AT_HAND}")
    sizes = [(file.file_size or 0, file.will_download) for file in files]
    return Weighed(files[0].commit_hash, sum(size for size, _ in sizes), sum(size for size, lacks in sizes if lacks))


def mend(address: Address, folder: Path) -> bool:
    """Download again the files in `folder` that differ from the Hub's; False if none does.

    Raises HubError as `download` does.
    """
    from huggingface_hub import hf_hub_download

    there = [*FILES, *(file for file in GRAPHS if (folder / file).is_file())]
    broken = [file for file in there if not _is_whole(folder / file)]
    for file in broken:
        with told_in_words(address), _in_small_pieces():
            hf_hub_download(address.repo, file, revision=folder.name, force_download=True)
    return bool(broken)


def _is_whole(file: Path) -> bool:
    """Whether a file has the hash that the cache names it by: SHA-256, or git's hash outside large-file storage.

    On systems without links the cache has no such names, and the file counts as broken.
    """
    name, content = file.resolve().name, file.read_bytes()
    found = hashlib.sha256(content), hashlib.sha1(b"blob %d\0" % len(content) + content)
    return name in {each.hexdigest() for each in found}


def cached_worlds() -> Iterator[tuple[str, Path]]:
    """OWNER/NAME@REVISION and folder of each whole world in the cache, by name, without asking the Hub."""
    from huggingface_hub import constants

    if not any(Path(constants.HF_HUB_CACHE).glob("models--*")):  # most often, and what follows takes long to import
        return
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = scan_cache_dir().repos
    except (CacheNotFound, OSError, ValueError):  # there is none, or HF_HOME is no folder, or it may not be read
        return
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        for commit in repo.revisions:
            if repo.repo_type == "model" and all((commit.snapshot_path / file).is_file() for file in FILES):
                names = sorted(commit.refs - {"main"}) or [commit.commit_hash[:7]]
                revision = "" if "main" in commit.refs else f"@{names[0]}"
                yield f"{repo.repo_id}{revision}", commit.snapshot_path


@contextmanager
def _in_small_pieces() -> Iterator[None]:
    """Move the bar, and resume after a cut, by less than huggingface_hub's 10 MiB, which is more than a whole file."""
    from huggingface_hub import constants

    usual = constants.DOWNLOAD_CHUNK_SIZE
    constants.DOWNLOAD_CHUNK_SIZE = PIECE_BYTES
    try:
        yield
    finally:
        constants.DOWNLOAD_CHUNK_SIZE = usual


def _one_bar() -> Any:
    """The one of huggingface_hub's three bars that counts bytes, shown if there is something to download."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class OneBar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if kwargs.get("name") != "huggingface_hub.snapshot_download":
                kwargs["disable"] = True
            super().__init__(*args, **kwargs | {"desc": "downloading", "leave": False})

        def set_description(self, *_: Any, **__: Any) -> None:
            """Keep the name: huggingface_hub would say "reconstruction", which tells a player nothing."""

        def display(self, *args: Any, **kwargs: Any) -> None:
            if self.total:
                super().display(*args, **kwargs)

    return OneBar
