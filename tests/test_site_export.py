"""The static site as a folder: written whole or not at all, with a runtime that is the pinned one, and published."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import warm_process
import yaml
from local_hub import TOKEN, LocalHub, serve
from safetensors.numpy import load, save
from static_site import NO_RUNTIME, served

from app.site import export, ort
from app.site.export import check_folder, describe, export_site
from genie_core import World, WorldEngine, checkpoint
from genie_core.errors import ConfigError, MissingExtraError, WriteError
from genie_core.graph_file import read_graph
from genie_core.page import FILES, halve
from genie_core.runtimes.graph_store import GraphStore

ROOT = Path(__file__).parents[1]
STAND_IN = {name: name.encode() * 50 for name in ort.FILES}  # what the site does with them, but play


@pytest.fixture(scope="module")
def tiny(tiny_world: Path) -> World:
    return World.from_pretrained(tiny_world)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny: World) -> Path:
    folder = tmp_path_factory.mktemp("export") / "site"
    export_site([tiny], 1, folder, ROOT / "assets", STAND_IN, quiet=True)
    return folder


def listed(site: Path) -> dict[str, dict[str, object]]:
    found = re.search(r"const FILES = (\{.*\});", (site / "sw.js").read_text(encoding="utf-8"))
    assert found
    return json.loads(found[1])


def test_the_site_has_what_plays_and_nothing_else(site: Path, tiny: World) -> None:
    told = json.loads((site / "worlds.json").read_text(encoding="utf-8"))
    (world,) = told["worlds"]
    folder = site / world["folder"]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == {"config.json", *FILES}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for path, promise in config["files"].items():
        content = (folder / path).read_bytes()
        assert promise == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert world["fingerprint"] == tiny.fingerprint()
    assert world["pictures"] and all((site / picture).is_file() for picture in world["pictures"])
    assert "WASM" not in {path.suffix for path in (site / "ort").iterdir()}
    assert describe(site)[-1].startswith("python -m http.server -d ")


def test_the_decoder_has_half_the_bytes_and_no_token_changes(site: Path, tiny: World) -> None:
    pytest.importorskip("onnxruntime")
    from genie_core.runtimes.onnx_runtime import OnnxRuntime

    (folder,) = (site / "worlds").iterdir()
    files = {path: (folder / path).read_bytes() for path in FILES}
    kinds = {(name.split(".")[0], str(tensor.dtype)) for name, tensor in load(files[checkpoint.PLAYED[0]]).items()}
    assert {("decoder", "float16"), ("encoder", "float32")} <= kinds and ("encoder", "float16") not in kinds
    sizes = {path: len(files[path]) for path in checkpoint.PLAYED}
    graphs = {name: read_graph(files[name], sizes) for name in checkpoint.GRAPHS}
    store = GraphStore(tiny.config, graphs, {path: files[path] for path in checkpoint.PLAYED}, lambda *_: b"")
    engines = [WorldEngine(tiny, 1, runtime=runtime) for runtime in ("torch", OnnxRuntime(store))]
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    frames = [engine.reset(picture) for engine in engines]
    for action in (0, 3, 1, 2, 2, 5):
        assert np.array_equal(*(engine.snapshot().frames[-1].tokens for engine in engines))
        assert np.abs(frames[0].astype(int) - frames[1]).max() <= 1
        frames = [engine.step(action) for engine in engines]


def test_a_weight_beyond_float16_is_told() -> None:
    with pytest.raises(ConfigError, match=r"decoder\.x is too large"):
        halve({"w": save({"decoder.x": np.full(300, 1e6, np.float32)})}, "w", ())


def test_the_service_worker_knows_every_file_and_fetches_nothing_heavy_at_first(site: Path) -> None:
    files = listed(site)
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {*files} == there - {"sw.js"}
    shell = {path for path, promise in files.items() if promise["shell"]}
    assert {"index.html", "worlds.json", "js/client.js", "js/worker.js"} <= shell
    assert not [path for path in shell if path.endswith((".gz", ".safetensors", ".onnx"))]
    for path, promise in files.items():
        assert promise["sha256"] == hashlib.sha256((site / path).read_bytes()).hexdigest()


def test_the_page_names_no_other_site() -> None:
    """Nothing is fetched from elsewhere: no address stands in the page's own files."""
    static = ROOT / "app/site/static"
    files = [path for path in static.rglob("*") if path.suffix in {".js", ".html", ".css", ".webmanifest"}]
    assert len(files) > 20
    for path in files:
        found = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"']*", path.read_text(encoding="utf-8"))
        assert [address for address in found if "www.w3.org" not in address] == [], path


@pytest.mark.usefixtures("with_graphs")
def test_a_foreign_folder_is_left_alone_and_an_old_site_replaced(site: Path, tmp_path: Path, tiny: World) -> None:
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("dear diary")
    with pytest.raises(ConfigError, match=r"holds other files; name a new or an empty folder"):
        export_site([tiny], 1, foreign, ROOT / "assets", STAND_IN, quiet=True)
    with pytest.raises(ConfigError, match=r"is a file, expected a folder"):
        check_folder(foreign / "diary.txt")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "diary.txt"]
    again = tmp_path / "site"
    export_site([tiny], 1, again, ROOT / "assets", STAND_IN, quiet=True)
    (again / "js/left-over.js").write_text("old")  # of an older version of the page, which listed it
    relisted(again)
    export_site([tiny], 1, again, ROOT / "assets", STAND_IN, quiet=True)
    assert listed(again) == listed(site), "the same site, file by file"
    assert files_in(again) == files_in(site)


def relisted(site: Path) -> None:
    """Makes all files of a site ones that --export-web wrote."""
    worker = (site / "sw.js").read_text(encoding="utf-8")
    (site / "sw.js").write_text(re.sub(r"const FILES = \{.*\};", export.MARK, worker), encoding="utf-8")
    export._list_files(site)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OWN = {"CNAME": b"play.example.org", ".git/HEAD": b"ref: refs/heads/main\n", ".git/objects/ab/cd": b"blob"}
OWN |= {"pictures/mine.png": b"mine", "worlds/tiny/notes.txt": b"of somebody"}


@pytest.fixture
def hosted(site: Path, tmp_path: Path) -> Path:
    """A site in a Git repository, with files that its owner put there and one that a newer page does not have."""
    folder = Path(shutil.copytree(site, tmp_path / "site"))
    (folder / "js/left-over.js").write_text("old")
    relisted(folder)
    for name, content in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / ".git/refs/tags").mkdir(parents=True)
    (folder / ".git/objects/ab").chmod(0o700)
    (folder / "latest").symlink_to("worlds/tiny")
    return folder


@pytest.fixture
def ready(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a new site are at hand, and need not be made."""

    def write(partial: Path, *_: object) -> None:
        shutil.copytree(site, partial, dirs_exist_ok=True)

    monkeypatch.setattr(export, "_write", write)


def is_carried_over(folder: Path, site: Path) -> bool:
    """Whether a folder has the new site and what its owner had in the old one."""
    repository = (folder / ".git/refs/tags").is_dir() and (folder / ".git/objects/ab").stat().st_mode & 0o777 == 0o700
    linked = (folder / "latest").is_symlink() and (folder / "latest/config.json").is_file()
    return repository and linked and files_in(folder) == files_in(site) | OWN


def test_what_is_not_of_the_old_site_stays_in_its_folder(hosted: Path, ready: None, site: Path, tmp_path: Path) -> None:
    """Such as the Git repository that it is published from, and the name of its host."""
    for _ in range(2):
        export_site([], 0, hosted, ROOT / "assets", STAND_IN, quiet=True)
        assert is_carried_over(hosted, site)
        assert listed(hosted) == listed(site), "no visitor's browser need keep what is not the site's"
    assert describe(hosted)[:-1] == [line.replace(str(site), str(hosted)) for line in describe(site)[:-1]]
    assert [*tmp_path.iterdir()] == [hosted]


def test_where_no_hard_links_are_what_is_not_of_the_old_site_is_copied(
    hosted: Path, ready: None, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    export_site([], 0, hosted, ROOT / "assets", STAND_IN, quiet=True)
    assert is_carried_over(hosted, site)


def test_a_folder_that_cannot_be_read_is_not_lost(
    hosted: Path, ready: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir, before = os.scandir, files_in(hosted)

    def closed(path: object) -> object:
        if path == str(hosted / ".git"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", closed)
        with pytest.raises(WriteError, match="cannot be written: Permission denied"):
            export_site([], 0, hosted, ROOT / "assets", STAND_IN, quiet=True)
    assert files_in(hosted) == before and [*tmp_path.iterdir()] == [hosted]


@pytest.mark.parametrize("taken", ["js/client.js", "icons"])
def test_a_file_of_somebody_where_a_new_one_goes_is_told_of(
    ready: None, site: Path, tmp_path: Path, taken: str
) -> None:
    """The old page did not have it."""
    folder = Path(shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns(Path(taken).name)))
    relisted(folder)
    (folder / taken).write_text("mine")
    before = files_in(folder)
    words = f"{folder / taken} is where a file of the new site goes; move it, or name a new folder"
    with pytest.raises(ConfigError, match=re.escape(words)):
        export_site([], 0, folder, ROOT / "assets", STAND_IN, quiet=True)
    assert files_in(folder) == before and [*tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("line", ["const FILES = {", "const NO_FILES = {};"])
def test_a_site_that_does_not_say_what_it_wrote_is_left_alone(
    hosted: Path, ready: None, tmp_path: Path, line: str
) -> None:
    (hosted / "sw.js").write_text(line)
    before = files_in(hosted)
    for refused in (check_folder, lambda folder: export_site([], 0, folder, ROOT / "assets", STAND_IN, quiet=True)):
        with pytest.raises(ConfigError, match=r"sw.js does not say which files are the site's.*an empty folder"):
            refused(hosted)
    assert files_in(hosted) == before and [*tmp_path.iterdir()] == [hosted]


class Killed(BaseException):
    """The end of a process, of which nothing is done after it."""


@pytest.mark.parametrize(("moves", "emptied"), [(0, False), (1, False), (1, True), (2, False), (3, False)])
def test_an_export_that_is_killed_while_it_puts_the_new_site_in_place_loses_nothing(
    hosted: Path, ready: None, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int, emptied: bool
) -> None:
    """After so many of its moves; also if its owner, who finds no site, makes the folder anew."""
    left, rename, old = moves, Path.rename, files_in(hosted)

    def move(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return rename(path, target)

    with monkeypatch.context() as dying:
        dying.setattr(Path, "rename", move)
        dying.setattr(shutil, "rmtree", lambda *_, **__: None)  # at its end, which it does not live to see
        dying.setattr(os, "getpid", lambda: 2**22 + 1)
        with contextlib.suppress(Killed):
            export_site([], 0, hosted, ROOT / "assets", STAND_IN, quiet=True)
    beside = [path for path in tmp_path.iterdir() if path.name.startswith(".site.old.")]
    there = hosted if hosted.exists() else beside[0]
    assert files_in(there) == old if moves < 2 else is_carried_over(there, site), "whole, the old one or the new one"
    if emptied and not hosted.exists():
        hosted.mkdir()
    export_site([], 0, hosted, ROOT / "assets", STAND_IN, quiet=True)
    assert is_carried_over(hosted, site)
    assert [*tmp_path.iterdir()] == [hosted]


@pytest.mark.usefixtures("with_graphs")
def test_a_site_that_fails_half_way_leaves_nothing_and_the_old_one_as_it_was(tmp_path: Path, tiny: World) -> None:
    folder = tmp_path / "site"

    def worlds() -> Iterator[World]:
        yield tiny
        raise WriteError("the disk is full")

    with pytest.raises(WriteError):
        export_site(worlds(), 2, folder, ROOT / "assets", STAND_IN, quiet=True)
    assert [*tmp_path.iterdir()] == []
    export_site([tiny], 1, folder, ROOT / "assets", STAND_IN, quiet=True)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(WriteError):
        export_site(worlds(), 2, folder, ROOT / "assets", STAND_IN, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    with pytest.raises(ConfigError, match="two worlds are called tiny"):
        export_site([tiny, tiny], 2, tmp_path / "twice", ROOT / "assets", STAND_IN, quiet=True)


def packed(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_runtime_that_is_not_the_pinned_one_is_refused(empty_cache: Path, tmp_path: Path) -> None:
    package = tmp_path / "package.tgz"
    refused = {
        packed(STAND_IN): r"is not that of onnxruntime-web .* \(sha256 differs\)",
        packed({}): r"lacks ort\.wasm\.min\.mjs",
        b"no package": r"is not a package as npm packs it",
    }
    for content, words in refused.items():
        package.write_bytes(content)
        with pytest.raises(MissingExtraError, match=words):
            ort.runtime_files(package)
    with pytest.raises(MissingExtraError, match=r"has no ort\.wasm\.min\.mjs; expected onnxruntime-web"):
        ort.runtime_files(tmp_path)
    assert not empty_cache.exists()


def test_a_download_is_checked_and_its_faults_are_told(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "registry" / ort.NAME / "-"
    folder.mkdir(parents=True)
    (folder / f"{ort.NAME}-{ort.VERSION}.tgz").write_bytes(packed(STAND_IN))
    with served(tmp_path / "registry") as registry:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", registry.url)
        with pytest.raises(MissingExtraError, match=r"is not onnxruntime-web .* \(its hash differs\).*--ort"):
            ort.runtime_files(None, quiet=True)
        (folder / f"{ort.NAME}-{ort.VERSION}.tgz").unlink()
        with pytest.raises(MissingExtraError, match=r"could not be downloaded .* \(.*ot found\)"):
            ort.runtime_files(None, quiet=True)
    with pytest.raises(MissingExtraError, match=r"could not be downloaded .*when there is a connection.*npm pack"):
        ort.runtime_files(None, quiet=True)
    assert not empty_cache.exists()


@pytest.mark.slow
@pytest.mark.skipif(not ort.is_cached(), reason=NO_RUNTIME)
def test_the_runtime_is_taken_from_a_package_a_folder_or_the_cache(tmp_path: Path) -> None:
    files = ort.runtime_files(None)
    (tmp_path / "dist").mkdir()
    for name, content in files.items():
        (tmp_path / "dist" / name).write_bytes(content)
    (tmp_path / "package.tgz").write_bytes(packed(files))
    assert ort.runtime_files(tmp_path) == ort.runtime_files(tmp_path / "package.tgz") == files


@pytest.mark.slow
@pytest.mark.skipif(not ort.is_cached(), reason=NO_RUNTIME)
@pytest.mark.usefixtures("with_graphs")
def test_the_site_is_published_as_a_static_space(tmp_path: Path, tiny_world: Path) -> None:
    words = ["--publish", "ada/page", "--space", "static", "--world", str(tiny_world), "--quiet"]
    with serve() as hub:
        ended = published(hub, words, tmp_path, os.environ | {"HF_TOKEN": TOKEN})
        assert ended.returncode == 0, ended.stderr
        space = hub.repos["spaces/ada/page"]
        files = space.commits[-1][1]
        assert {"index.html", "sw.js", "worlds.json", "worlds/tiny/step.onnx"} <= {*files} and space.variables == {}
        front = yaml.safe_load(files["README.md"].decode().split("---")[1])
        assert front["sdk"] == "static" and front["app_file"] == "index.html"
        assert front["custom_headers"]["cross-origin-embedder-policy"] == "require-corp"
        own = {"CNAME", "pictures/mine.png", "worlds/README.txt"}
        old = {"worlds/old/step.onnx", "worlds/old/dynamics/model.safetensors", "pictures/old/start-1.png", "js/old.js"}
        space.commit(dict.fromkeys(own | old, b"old"))
        ended = published(hub, words, tmp_path, os.environ | {"HF_TOKEN": TOKEN})
        assert ended.returncode == 0, ended.stderr
        assert {*space.commits[-1][1]} == {*files} | own, "an older site is gone, and what is its owner's stays"
        dry = published(hub, [*words, "--dry-run"], tmp_path, {**os.environ})
        assert dry.returncode == 0 and "sdk: static" in dry.stdout and "bytes  worlds/tiny/step.onnx" in dry.stdout


def published(hub: LocalHub, words: list[str], folder: Path, environment: dict[str, str]) -> warm_process.Ended:
    hub_only = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    hub_only |= {"HF_HOME": str(folder / "home")}
    return warm_process.run([str(ROOT / "launch.py"), *words], folder, environment | hub_only)
