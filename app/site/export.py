"""Writes the static site: the page, ONNX Runtime Web, worlds and pictures, and what the service worker keeps."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
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
OURS = ("worlds.json", "sw.js")
MARK = "const FILES = {};"
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

    `assets` holds the pictures to start from, `runtime` the files of `ort`. Raises ConfigError if `folder` holds
    something else or two worlds have one name, MissingExtraError without onnx, WriteError if the disk refuses.
    """
    check_folder(folder)
    folder = folder.resolve()
    with whole_folder(folder, "save elsewhere, or make room") as partial:
        _write(partial, worlds, count, assets, runtime, quiet)
        _swap(partial, folder)


def check_folder(folder: Path) -> None:
    """Raise ConfigError unless `folder` is missing, empty, or a site written before."""
    if folder.is_dir() and any(folder.iterdir()) and not all((folder / name).is_file() for name in OURS):
        raise ConfigError(f"{folder} holds other files; name a new or an empty folder, or one with a site to replace")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, expected a folder to write the site to; name another")


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


def _swap(partial: Path, folder: Path) -> None:
    """Put the new site where an old one may be, which is put back if that fails."""
    old = partial_of(folder.with_name(f"{folder.name}.old"))
    remove_left(folder.with_name(f"{folder.name}.old"))
    if folder.exists():
        folder.rename(old)
    with locked(old):
        try:
            partial.rename(folder)
        except BaseException:  # Ctrl-C between the two as well
            if old.exists():
                old.rename(folder)
            raise
    shutil.rmtree(old, ignore_errors=True)


def describe(folder: Path) -> list[str]:
    """Lines to print: what the parts of the site weigh, as they are and as a server that compresses sends them, and
    the command to try it."""
    sizes: dict[str, tuple[int, int]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            parts = path.relative_to(folder).parts
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
