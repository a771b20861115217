"""The web demo for tests: in a thread of this process, or as the command, with the ways in that a page has."""

from __future__ import annotations

import asyncio
import json
import os
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
PATIENCE = 30.0  # seconds to wait for what is bound to happen, on a machine that may be busy


def wait_for(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What `true` gives once it is not false; AssertionError if that takes too long."""
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
    """A running demo at `url`; `house` and `library` are its own, if it runs in this process."""

    def __init__(
        self, url: str, house: Any = None, loop: asyncio.AbstractEventLoop | None = None, library: Any = None
    ) -> None:
        self.url, self.house, self.loop, self.library = url, house, loop, library
        self.socket_url = url.replace("http", "ws")

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
def in_this_process(world: Path, seats: int = 2) -> Iterator[Demo]:
    """Serves the world of a folder in a thread."""
    import uvicorn

    from app.web.loaded_worlds import Library
    from app.web.server import Server, build_app
    from genie_core.world import World

    library = Library(World.from_pretrained(world), ROOT / "checkpoints", seats)
    app = build_app(library, seats, ROOT / "assets")
    server = Server(uvicorn.Config(app, port=0, log_level="warning", ws_max_size=4096))
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
        yield Demo(f"http://127.0.0.1:{listening.getsockname()[1]}", app.state.house, loops[0], library)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """For a demo as a process: no network, and nothing written but into `folder`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SPACE_ID", "GENIE_WORLD")}
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | quiet | {"GRADIO_TEMP_DIR": str(folder / "gradio"), "HF_HOME": str(folder / "home")} | more


@contextmanager
def as_command(words: list[str], folder: Path, port: int, cwd: Path = ROOT, **more: str) -> Iterator[Demo]:
    """Runs `launch.py WORDS` in `cwd` until it answers; ends it with SIGTERM, which it has to obey without fault."""
    demo = Demo(f"http://127.0.0.1:{port}")
    log = folder / "demo.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "launch.py", *words], cwd=cwd, env=environment(folder, **more), stdout=out, stderr=out
        )

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return bool(demo.health())
            except OSError:
                return False

        try:
            wait_for(answers, "the demo to open", 120)
            yield demo
            process.terminate()
            assert process.wait(PATIENCE) == 0, log.read_text()
            assert "Traceback" not in log.read_text(), log.read_text()
        finally:
            process.kill()
            process.wait()


class Page:
    """What a page is to the server: one socket, and what came over it."""

    def __init__(self, demo: Demo, token: str, shows: bool = True) -> None:
        """`shows` acknowledges each frame, as a page does that draws them."""
        from websockets.sync.client import connect

        self.shows = shows
        self.words: list[dict[str, Any]] = []
        self.frames: list[tuple[tuple[int, ...], np.ndarray]] = []
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(f"{demo.socket_url}/play/{token}", max_size=None))

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def send(self, do: str, **more: Any) -> None:
        self.socket.send(json.dumps({"do": do, **more}))

    def hear(self, seconds: float = PATIENCE) -> dict[str, Any] | None:
        """The next message: a word, or None for a frame, which is put with the others."""
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
        """The newest that was said under this name, after waiting for it."""
        return self.until(lambda: next((word[name] for word in reversed(self.words) if name in word), None), name)

    @property
    def state(self) -> dict[str, Any]:
        """All that is known by now of the state of play: each message tells what has changed."""
        return {name: value for word in self.words for name, value in word.get("state", {}).items()}

    def play(self, frames: int) -> None:
        """Listens until so many more frames have come."""
        goal = len(self.frames) + frames
        self.until(lambda: len(self.frames) >= goal, f"{frames} frames")

    def ended(self) -> str:
        """Listens to the end; the last word, and the reason of closing."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                self.hear()
        except ConnectionClosed as closed:
            said = [word["bye"] for word in self.words if "bye" in word]
            return " ".join([*said, closed.rcvd.reason if closed.rcvd else ""])
