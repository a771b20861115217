"""Writes the static site: the page, ONNX Runtime Web, worlds and pictures, and what the service worker keeps."""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from app.play.start_pictures import Prompts
from genie_core.errors import ConfigError
from genie_core.files import locked, partial_of, remove_left, whole_folder
from genie_core.page import page_files

if TYPE_CHECKING:
    from genie_core.world import World

STATIC = Path(__file__).parent / "static"
LATER = ("ort/", "worlds/", "README.md")  # fetched when they are needed, if ever; all else opens the page
FETCHED_TOO = ("ort/ort.wasm.min.mjs", "ort/ort-wasm-simd-threaded.mjs")  # by the first world, so that it may be cached
WORKER = "sw.js"
OURS = ("worlds.json", WORKER)
MARK = "const FILES = {};"
LISTED = re.compile(r"^const FILES = (\{.*\});$", re.MULTILINE)
README = """---
title: {title}
emoji: 🎮
colorFrom: indigo
colorTo: gray
sdk: static
app_file: index.html
license: mit
short_description: Play in worlds learnt from video, in your browser
custom_headers:
  cross-origin-embedder-policy: require-corp
  cross-origin-opener-policy: same-origin
  cross-origin-resource-policy: cross-origin
---
# {title}

Play in the browser in world models that learnt from video. The page plays by itself: no server computes anything.
"""


def export_site(
    worlds: Iterable[World], count: int, folder: Path, assets: Path, runtime: Mapping[str, bytes], quiet: bool = False
) -> None:
    """Write the site of `count` worlds to `folder`, whole or not at all; one that was there is replaced.

    What else is in the folder stays, such as the Git repository that a site is published from. `assets` holds the
    pictures to start from, `runtime` the files of `ort`. Raises ConfigError if `folder` holds no site but something
    else, or something where a new file would go, or two worlds have one name; MissingExtraError without onnx,
    WriteError if the disk refuses.
    """
    folder = folder.resolve()
    with whole_folder(folder, "save elsewhere, or make room") as partial:
        _put_back(folder)
        check_folder(folder)
        remove_left(_aside(folder))
        _write(partial, worlds, count, assets, runtime, quiet)
        _carry_over(folder, partial)
        _swap(partial, folder)


def check_folder(folder: Path) -> None:
    """Raise ConfigError unless `folder` is missing, empty, or has a site written before."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, expected a folder to write the site to; name another")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not all((folder / name).is_file() for name in OURS):
        raise ConfigError(f"{folder} holds other files; name a new or an empty folder, or one with a site to replace")
    written_to(folder)


def written_to(site: Path) -> set[str]:
    """The paths of the files that `--export-web` wrote to `site`, as its service worker lists them.

    Raises ConfigError if the list cannot be read.
    """
    found = LISTED.search((site / WORKER).read_text(encoding="utf-8", errors="replace"))
    try:
        return {*json.loads(found[1] if found else ""), WORKER}
    except ValueError:
        raise ConfigError(
            f"{site / WORKER} does not say which files are the site's, so yours cannot be told from them; "
            "name a new or an empty folder"
        ) from None


def _write(
    site: Path, worlds: Iterable[World], count: int, assets: Path, runtime: Mapping[str, bytes], quiet: bool
) -> None:
    shutil.copytree(STATIC, site, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    with tqdm(desc="exporting", total=count + 1, delay=2, disable=quiet) as bar:
        _write_runtime(site / "ort", runtime)
        bar.update()
        told = []
        for world in worlds:
            told.append(_write_world(world, site, assets))
            bar.update()
    names = [world["name"] for world in told]
    if len({*names}) < len(names):
        raise ConfigError(f"two worlds are called {max(names, key=names.count)}; copy one to a folder of another name")
    (site / "README.md").write_text(README.format(title="genie"), encoding="utf-8")
    ort = {path.name: _promise(path) for path in sorted((site / "ort").iterdir())}
    _write_json(site / "worlds.json", {"worlds": told, "ort": ort})
    _list_files(site)


def _write_runtime(folder: Path, runtime: Mapping[str, bytes]) -> None:
    """A server that compresses nothing would send 14 MB of WASM, so that is packed here."""
    folder.mkdir()
    for name, content in runtime.items():
        if name.endswith(".wasm"):
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)


def _write_world(world: World, site: Path, assets: Path) -> dict[str, Any]:
    """Write the files that play `world`; returns what worlds.json says of it."""
    name = Path(world.name.partition("@")[0]).name
    folder = site / "worlds" / name
    config, files = page_files(world)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    config["files"] = {path: _promise(folder / path) for path in files}
    pictures = f"pictures/{name}" if world.starts else "pictures"  # what worlds bring has the same names
    _write_json(folder / "config.json", config)
    return {
        "name": name,
        "game": world.config.game,
        "folder": f"worlds/{name}",
        "bytes": sum(file["size"] for file in config["files"].values()),
        "fingerprint": world.fingerprint(),
        "pictures": _write_pictures(site, pictures, Prompts(assets, world=world).files),
    }


def _write_pictures(site: Path, folder: str, pictures: Iterable[Path]) -> list[str]:
    """Copy pictures to start from into a folder of the site; returns their paths in the site."""
    (site / folder).mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(picture, site / folder)).relative_to(site).as_posix() for picture in pictures]


def _list_files(site: Path) -> None:
    """Tell the service worker each file's hash, and whether the page needs it to open: a change makes a new version."""
    paths = (path for path in sorted(site.rglob("*")) if path.is_file() and path.name != "sw.js")
    files = {path.relative_to(site).as_posix(): _promise(path) for path in paths}
    for path, promise in files.items():
        promise["shell"] = path in FETCHED_TOO or not path.startswith(LATER)
    worker = (site / "sw.js").read_text(encoding="utf-8")
    assert MARK in worker
    (site / "sw.js").write_text(worker.replace(MARK, f"const FILES = {json.dumps(files)};"), encoding="utf-8")


def _promise(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _carry_over(old: Path, new: Path) -> None:
    """Give the site `new` what is in the folder `old` and was not written by --export-web.

    Files get a second name, which takes no room, and lose the first one only when the whole site is in its place.
    Raises ConfigError if the new site has a file there.
    """
    made = []
    for path in _foreign(old) if old.is_dir() else ():
        source, target = old / path, new / path
        is_folder = source.is_dir() and not source.is_symlink()
        if any((new / each).is_file() for each in (path, *path.parents)) or (target.exists() and not is_folder):
            raise ConfigError(f"{source} is where a file of the new site goes; move it, or name a new folder")
        (target if is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        if is_folder:
            made.append(path)
        else:
            _link(source, target)
    for path in reversed(made):  # last, for a folder may be closed to writing
        shutil.copystat(old / path, new / path)


def _foreign(site: Path) -> Iterator[Path]:
    """What is in `site` and --export-web did not write, a folder before what is in it; relative to `site`."""
    written = written_to(site) if any(site.iterdir()) else set()
    ours = {parent for path in written for parent in Path(path).parents}
    for name, folders, files in os.walk(site, onerror=_refuse):
        here = Path(name).relative_to(site)
        yield from (here / each for each in folders if here / each not in ours or (site / here / each).is_symlink())
        yield from (here / each for each in files if (here / each).as_posix() not in written)


def _refuse(error: OSError) -> None:
    """A folder that cannot be read cannot be carried over, and must not be lost."""
    raise error


def _link(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink(), target_is_directory=source.is_dir())
        return
    try:
        os.link(source, target)
    except OSError:  # there are disks without hard links
        shutil.copy2(source, target)


def _aside(folder: Path) -> Path:
    """Where the old site is for the moment in which the new one takes its place."""
    return folder.with_name(f"{folder.name}.old")


def _put_back(folder: Path) -> None:
    """Put the old site back where a process was killed before the new one was in its place."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        return
    for old in folder.parent.glob(f".{glob.escape(_aside(folder).name)}.[0-9]*.part"):
        if folder.exists():
            folder.rmdir()
        old.rename(folder)
        return


def _swap(partial: Path, folder: Path) -> None:
    """Put the new site where an old one may be, which is put back if that fails.

    The old one then lies at `partial`, which `whole_folder` removes: killed at any moment, it is put back by the next
    call, or the new one is in its place.
    """
    old = partial_of(_aside(folder))
    with locked(folder):
        try:
            if folder.exists():
                folder.rename(old)
            partial.rename(folder)
        except BaseException:  # Ctrl-C between the two as well
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
        if old.exists():
            old.rename(partial)


def describe(folder: Path) -> list[str]:
    """Lines to print: what the parts of the site weigh, as they are and as a server that compresses sends them, and
    the command to try it."""
    sizes: dict[str, tuple[int, int]] = {}
    for name in written_to(folder):  # and not what else is in the folder
        path, parts = folder / name, Path(name).parts
        part = "/".join(parts[: {"worlds": 2, "pictures": 1}.get(parts[0], 0)]) or "page"
        if parts[0] == "ort":
            part = "ort, by WebGPU" if "jspi" in path.name else "ort, by WASM"
        whole, packed = sizes.get(part, (0, 0))
        sizes[part] = whole + path.stat().st_size, packed + len(gzip.compress(path.read_bytes(), 6))
    lines = [
        f"{size / 1e6:8.2f} MB, packed {packed / 1e6:6.2f}  {part}" for part, (size, packed) in sorted(sizes.items())
    ]
    written = f"wrote {folder}, {sum(size for size, _ in sizes.values()) / 1e6:.1f} MB"
    return [written, *lines, f"python -m http.server -d {folder}   (then open http://127.0.0.1:8000)"]
