"""The web demo as a Space of the Hub: its published files, and that it serves and plays as on the Hub."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest
import warm_process
import yaml
from conftest import world_config
from local_hub import TOKEN, LocalHub, Repo, serve
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from webdemo import Demo, as_command, environment, free_port

from genie_core import World
from genie_core.errors import ConfigError
from genie_core.hub.space import FRONT_MATTER, NOT_NEEDED, copy_program, publish_space, space_readme

ROOT = Path(__file__).parents[1]
NEEDED = {
    "README.md",
    "launch.py",
    "requirements.txt",
    "app/web/server.py",
    "app/web/static/view.html",
    "assets/coinrun.png",
}


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serve() as running:
        yield running


def launched(words: list[str], folder: Path, hub: LocalHub, **more: str) -> warm_process.Ended:
    env = environment(folder, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0", HF_HUB_DISABLE_XET="1", **more)
    return warm_process.run([str(ROOT / "launch.py"), *words], folder, env)


def files_of(world: Path) -> dict[str, bytes]:
    return {path.relative_to(world).as_posix(): path.read_bytes() for path in world.rglob("*.*")}


def settings_of(readme: str) -> dict[str, object]:
    found = FRONT_MATTER.match(readme)
    assert found
    return yaml.safe_load(found[1])


def test_the_repository_is_a_space_as_it_is() -> None:
    settings = settings_of((ROOT / "README.md").read_text(encoding="utf-8"))
    assert settings["sdk"] == "gradio" and settings["app_file"] == "launch.py"
    assert re.fullmatch(r"3\.1[123]", str(settings["python_version"]))
    accepted = re.search(r"^gradio>=(\d+)\.(\d+),<(\d+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    version = tuple(map(int, str(settings["sdk_version"]).split(".")))
    assert accepted and (int(accepted[1]), int(accepted[2])) <= version < (int(accepted[3]),)
    assert len(str(settings["short_description"])) <= 60, "the Hub's limit"


def test_a_world_of_the_hub_is_fetched_when_the_space_is_built() -> None:
    settings = settings_of(space_readme((ROOT / "README.md").read_text(encoding="utf-8"), "ada/coinrun"))
    assert settings["models"] == settings["preload_from_hub"] == ["ada/coinrun"]


def test_only_what_a_space_needs_goes_along(tmp_path: Path) -> None:
    copy_program(ROOT, tmp_path, world_config(game="coinrun"))
    copied = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert NEEDED - {"README.md"} <= copied
    unneeded = r"/training/|/evaluation/|/tools/|/window/|tests/|\.pyc|^checkpoints/|/\.|play\.gif|\.md$"
    assert [path for path in copied if re.search(unneeded, path)] == []
    required = (tmp_path / "requirements.txt").read_text()
    assert [name for name in NOT_NEEDED if name in required] == []
    assert "genie_core/games/coinrun/__init__.py" in copied


def installed_with(requirements: str) -> set[str]:
    """The packages that pip brings for the lines of a requirements file, those asked for included."""
    found: set[str] = set()
    asked = [Requirement(line) for line in requirements.splitlines() if line and not line.startswith("#")]
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            of = [Requirement(each) for each in metadata.requires(name) or []]
            asked += [each for each in of if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def test_what_a_space_leaves_out_it_does_not_import(tmp_path: Path) -> None:
    """In an environment that has everything, as this one, a package left out would not be missed."""
    copy_program(ROOT, tmp_path, world_config(game="coinrun"))
    brought = installed_with((tmp_path / "requirements.txt").read_text())
    missing = installed_with((ROOT / "requirements.txt").read_text()) - brought
    assert missing >= {"lightning", "pygame", "matplotlib", "pyarrow"}
    modules = sorted(
        path.relative_to(tmp_path).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for folder in ("app/web", "app/play", "app/site", "genie_core/hub", "genie_core/runtimes")
        for path in (tmp_path / folder).rglob("*.py")
    )
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(name.replace('-', '_') for name in missing)}: sys.modules[name] = None\n"
        f"for name in {['launch', 'app.cli.web', *modules]}: importlib.import_module(name)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_space_starts_from_the_pictures_of_its_worlds_game(tmp_path: Path) -> None:
    shown = {}
    for game in ("coinrun", "a game without pictures", "../assets/starts/"):
        folder = tmp_path / str(len(shown))
        folder.mkdir()
        copy_program(ROOT, folder, world_config(game=game))
        shown[game] = {path.name for path in (folder / "assets").iterdir()}
    assert len(shown.pop("coinrun")) > 3
    assert set(map(frozenset, shown.values())) == {frozenset({"coinrun.png"})}


@pytest.mark.slow
def test_a_space_is_published(hub: LocalHub, tmp_path: Path, tiny_world: Path) -> None:
    publish = ["--publish", "ada/demo", "--space", "--world", str(tiny_world), "--quiet"]
    dry = launched([*publish, "--dry-run"], tmp_path, hub)
    assert dry.returncode == 0 and hub.log == [], dry.stderr
    assert (
        "bytes  launch.py\n" in dry.stdout and "GENIE_WORLD=checkpoints/tiny" in dry.stdout and "app_file" in dry.stdout
    )
    ended = launched([*publish, "--private", "--revision", "v1"], tmp_path, hub, HF_TOKEN=TOKEN)
    assert ended.returncode == 0, ended.stderr
    space = hub.repos["spaces/ada/demo"]
    sha, files = space.commits[-1]
    assert f"commit {sha}" in ended.stdout and space.private and space.tags == {"v1": sha}
    assert space.variables == {"GENIE_WORLD": "checkpoints/tiny"}
    assert set(files) >= NEEDED | {"checkpoints/tiny/config.json", "checkpoints/tiny/dynamics/model.safetensors"}
    assert not [path for path in files if path.startswith(("tests/", "genie_core/training/", "checkpoints/coinrun"))]
    assert hub.answered("PUT /store/.* 200"), "weights go the way of large files"

    hub.repos["ada/tiny"] = Repo()
    hub.repos["ada/tiny"].commit(files_of(tiny_world))
    named = launched([*publish[:3], "--world", "ada/tiny", "--quiet"], tmp_path, hub, HF_TOKEN=TOKEN)
    assert named.returncode == 0, named.stderr
    assert space.variables == {"GENIE_WORLD": "ada/tiny"}
    assert settings_of(space.commits[-1][1]["README.md"].decode())["models"] == ["ada/tiny"]


@pytest.mark.slow
def test_of_an_older_demo_nothing_stays_where_another_is_published(
    hub: LocalHub, tmp_path: Path, tiny_world: Path
) -> None:
    """Visitors would choose its world, start from its pictures and run its modules. Files of the owner's stay."""
    space = hub.repos["spaces/ada/demo"] = Repo()
    own = {".gitattributes", "notes.md", "assets/mine.png", "checkpoints/README.md", "data/app/keys.json"}
    old = {f"checkpoints/old/{path}" for path in files_of(tiny_world)} | {"checkpoints/old/starts/start-2.png"}
    old |= {"assets/coinrun-lava.png", "genie_core/games/older/__init__.py", "app/web/older.py"}
    assert (ROOT / "assets/coinrun-lava.png").is_file(), "a picture of a game that this world does not know"
    space.commit(dict.fromkeys(own | old, b"old"))
    publish = ["--publish", "ada/demo", "--space", "--world", str(tiny_world), "--quiet"]
    ended = launched(publish, tmp_path, hub, HF_TOKEN=TOKEN)
    assert ended.returncode == 0, ended.stderr
    files = {*space.commits[-1][1]}
    assert len(space.commits) == 3 and files >= own | NEEDED and files & old == set()


@pytest.mark.slow
def test_refusals_to_publish_a_space(hub: LocalHub, tmp_path: Path, tiny_world: Path) -> None:
    publish = ["--publish", "ada/demo", "--space", "--world", str(tiny_world), "--quiet"]
    ended = launched(publish, tmp_path, hub, HF_TOKEN="")
    assert ended.returncode == 1 and "hf auth login" in ended.stderr and "Traceback" not in ended.stderr
    assert hub.repos == {}
    with pytest.raises(ConfigError, match="'demo' is not OWNER/NAME"):
        publish_space(World.from_pretrained(tiny_world), "x", "demo", ROOT, private=False, tag=None, dry_run=True)
    with pytest.raises(ConfigError, match="does not begin with the settings of a Space"):
        space_readme("# a README without", None)


class Proxy(BaseHTTPRequestHandler):
    """Serve the server behind it under the path `prefix` alone, and say so as proxies do."""

    prefix, behind = "/of/somebody", ("127.0.0.1", 0)

    def handle_one_request(self) -> None:
        import socket

        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.connection.recv(65536)
            if not piece:
                self.close_connection = True
                return
            head += piece
        first, rest = head.split(b"\r\n", 1)
        method, path, version = first.split(b" ")
        if not path.startswith(self.prefix.encode()):
            self.connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.close_connection = True
            return
        told = f"X-Forwarded-Prefix: {self.prefix}\r\n".encode()
        if b"upgrade: websocket" not in rest.lower():
            rest = re.sub(rb"(?i)connection: [^\r]*\r\n", b"", rest)
            told += b"Connection: close\r\n"
        with socket.create_connection(self.behind) as behind:
            behind.sendall(b" ".join([method, path[len(self.prefix) :] or b"/", version]) + b"\r\n" + told + rest)
            there = threading.Thread(target=pump, args=(self.connection, behind), daemon=True)
            there.start()
            pump(behind, self.connection)
        self.close_connection = True


def pump(source: object, to: object) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(1)


@pytest.fixture
def read_only_clone(tmp_path: Path) -> Iterator[Path]:
    """A copy of the program that a Space may not write to. Root may, so the files are compared afterwards."""
    clone = tmp_path / "clone"
    clone.mkdir()
    copy_program(ROOT, clone, world_config())
    shutil.copy(ROOT / "README.md", clone)
    for path in sorted(clone.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    clone.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in clone.rglob("*")}
    yield clone
    assert {path: path.stat().st_mtime_ns for path in clone.rglob("*")} == before, "nothing was written"
    for path in [clone, *clone.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


@pytest.mark.slow
def test_a_space_starts_without_arguments_behind_a_prefix_and_plays_a_world_of_the_hub(
    hub: LocalHub, read_only_clone: Path, tmp_path: Path, tiny_world: Path
) -> None:
    from web_visitor import ARGUMENTS, BROWSER, Visitor

    port = free_port()
    hub.repos["ada/tiny"] = Repo()
    hub.repos["ada/tiny"].commit(files_of(tiny_world))
    space = {"SPACE_ID": "ada/demo", "GRADIO_SERVER_PORT": str(port), "GENIE_WORLD": "ada/tiny"}
    space |= {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    handler = type("BoundProxy", (Proxy,), {"behind": ("127.0.0.1", port)})
    with as_command([], tmp_path, port, read_only_clone, **space) as demo:
        assert demo.health()["seats"] == 4
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        try:
            outside = Demo(f"http://127.0.0.1:{proxy.server_address[1]}{Proxy.prefix}/")
            if BROWSER is None:
                pytest.skip("no browser to drive: apt-get install chromium")
            from playwright.sync_api import sync_playwright

            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
                with Visitor(browser, outside) as visitor:
                    visitor.page.locator(".pixels button >> visible=true").first.click()
                    visitor.page.wait_for_selector("[data-status=resting]")
                    visitor.page.keyboard.press("p")
                    visitor.playing()
                    assert visitor.state()["world"] == "ada/tiny"
                    assert visitor.page.inner_text("[data-hud=link]") == "", "by WebSocket"
                    broken = "[...document.querySelectorAll('.pixels img')].filter(i => !i.naturalWidth).length"
                    assert visitor.page.evaluate(broken) == 0
                browser.close()
        finally:
            proxy.shutdown()
            proxy.server_close()
