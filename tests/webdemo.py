"""The web demo for tests: in a thread of this process, or as the command; and a page without a browser."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds to wait for an event that must come, on a machine that may be busy


def wait_for(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Returns the first true value of `true`; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Demo:
    """A running demo at `url`. In this process `guests` and `worlds` are its own; in another, `pid` is that of it."""

    def __init__(
        self,
        url: str,
        guests: Any = None,
        loop: asyncio.AbstractEventLoop | None = None,
        worlds: Any = None,
        pid: int = 0,
    ) -> None:
        self.url, self.guests, self.loop, self.worlds, self.pid = url, guests, loop, worlds, pid
        self.socket_url = url.replace("http", "ws")
        self._told_to_end = False

    def end(self) -> None:
        """Asks the process to end, once: a second signal could meet it on its way out."""
        if not self._told_to_end:
            os.kill(self.pid, signal.SIGTERM)
        self._told_to_end = True

    def health(self) -> dict[str, Any]:
        return json.loads(self.get("/healthz"))

    def get(self, path: str, timeout: float = PATIENCE) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read()

    def status(self, path: str, body: bytes | None = None) -> int:
        try:
            with urllib.request.urlopen(self.url + path, body, timeout=PATIENCE) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def on_loop(self, function: Callable[[], Any]) -> Any:
        """Calls `function` on the server's event loop."""

        async def call() -> Any:
            return function()

        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)


@contextmanager
def in_this_process(world: Path, seats: int = 2, fps: float | None = None) -> Iterator[Demo]:
    """Serves the world of a folder in a thread, at its own pace or at `fps`."""
    from app.web.loaded_worlds import LoadedWorlds
    from app.web.server import Server, build_app, settings
    from genie_core.world import World

    first = World.from_pretrained(world)
    first.config = dataclasses.replace(first.config, fps=fps or first.config.fps)
    worlds = LoadedWorlds(first, ROOT / "checkpoints", seats)
    app = build_app(worlds, seats, ROOT / "assets")
    server = Server(settings(app))
    listening = socket.create_server(("127.0.0.1", 0))
    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        loops.append(loop)
        loop.run_until_complete(server.serve(sockets=[listening]))
        for task in asyncio.all_tasks(loop):  # Gradio's queue, which would go on
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the server to start")
    try:
        yield Demo(f"http://127.0.0.1:{listening.getsockname()[1]}", app.state.guests, loops[0], worlds)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """For a demo in a process of its own: no network, and files in `folder` alone."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SPACE_ID", "GENIE_WORLD")}
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | quiet | {"GRADIO_TEMP_DIR": str(folder / "gradio"), "HF_HOME": str(folder / "home")} | more


@contextmanager
def as_command(words: list[str], folder: Path, port: int, cwd: Path = ROOT, **more: str) -> Iterator[Demo]:
    """Runs `launch.py WORDS` in `cwd`. Ends it with SIGTERM; it must then exit with 0 and without a traceback."""
    log = folder / "demo.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "launch.py", *words], cwd=cwd, env=environment(folder, **more), stdout=out, stderr=out
        )

        demo = Demo(f"http://127.0.0.1:{port}", pid=process.pid)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return bool(demo.health())
            except OSError:
                return False

        try:
            wait_for(answers, "the demo to open", 120)
            yield demo
            demo.end()
            assert process.wait(PATIENCE) == 0, log.read_text()
            assert "Traceback" not in log.read_text(), log.read_text()
        finally:
            process.kill()
            process.wait()


class Page:
    """A page as the server sees it: one socket. Keeps what came over it. Leaves its game at the end."""

    def __init__(self, demo: Demo, token: str, shows: bool = True, query: str = "") -> None:
        """With `shows` each frame is acknowledged, as by a page that draws it."""
        from websockets.sync.client import connect

        self.shows, self.demo, self.token = shows, demo, token
        self.words: list[dict[str, Any]] = []
        self.frames: list[tuple[tuple[int, ...], np.ndarray]] = []
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(f"{demo.socket_url}/play/{token}{query}", max_size=None))

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.demo.status(f"/play/{self.token}/leave", b"")
        self._open.close()

    def send(self, do: str, **more: Any) -> None:
        self.socket.send(json.dumps({"do": do, **more}))

    def hear(self, seconds: float = PATIENCE) -> dict[str, Any] | None:
        """The next message; None for a frame, which goes to `frames`."""
        from io import BytesIO

        from PIL import Image

        from app.web.protocol import HEADER

        message = self.socket.recv(timeout=seconds)
        if isinstance(message, str):
            self.words.append(json.loads(message))
            return self.words[-1]
        head = HEADER.unpack(message[: HEADER.size])
        self.frames.append((head, np.array(Image.open(BytesIO(message[HEADER.size :])))))
        if self.shows:
            self.send("shown", frame=head[0])
        return None

    def until(self, true: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while not (found := true()):
            assert time.monotonic() < end, f"waited in vain for {what}; heard {self.words}"
            self.hear()
        return found

    def word(self, name: str) -> Any:
        """Waits for a message with this name; its newest value."""
        return self.until(lambda: next((word[name] for word in reversed(self.words) if name in word), None), name)

    @property
    def state(self) -> dict[str, Any]:
        """The state of play, put together from the changes told so far."""
        return {name: value for word in self.words for name, value in word.get("state", {}).items()}

    def play(self, frames: int) -> None:
        """Listens until so many more frames have come."""
        goal = len(self.frames) + frames
        self.until(lambda: len(self.frames) >= goal, f"{frames} frames")

    def ended(self) -> str:
        """Listens to the end; returns the reason of closing."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                self.hear()
        except ConnectionClosed as closed:
            said = [word["bye"] for word in self.words if "bye" in word]
            return " ".join([*said, closed.rcvd.reason if closed.rcvd else ""])
