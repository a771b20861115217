"""The static site for tests: exported, served by Python's own file server, and opened in a real browser."""

from __future__ import annotations

import contextlib
import re
import shutil
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.site.export import STATIC, export_site
from app.site.ort import is_cached, runtime_files
from genie_core import World

ROOT = Path(__file__).parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync"]
PATIENCE = 120.0  # seconds: a world opens in two on an idle core
OWN_CALLS = re.compile(r"\.(googleapis|google|gvt1)\.com[:/]")
BLANK = "blank.html"  # of this origin, with none of the page's own elements: tests drive the engine alone
RELOADS = 5
NO_RUNTIME = "no ONNX Runtime Web in the cache: python launch.py --export-web DIR downloads it"
OPEN = """async (options) => {
    const { Client } = await import('/js/client.js');
    window.client = await Client.open({ home: options.home });
    const { config, ...opened } = await client.load(options.world, (p) => { window.progress = p; }, options);
    window.config = config;
    return { ...opened, isolated: crossOriginIsolated };
}"""
RESET = """async ({ prompt, seed }) => {
    const [height, width] = config.frame_size;
    const data = new Uint8ClampedArray(4 * height * width).fill(255);
    prompt.forEach((value, i) => { data[4 * Math.floor(i / 3) + (i % 3)] = value; });
    const { picture } = await client.reset({ width, height, data }, seed);
    return Array.from(picture);
}"""
STEPS = """async (actions) => {
    const pictures = [];
    for (const action of actions) pictures.push(Array.from((await client.step(action)).picture));
    return pictures;
}"""

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no browser to drive: apt-get install chromium"),
    pytest.mark.skipif(not is_cached(), reason=NO_RUNTIME),
]


def export(folder: Path, *worlds: Path) -> Path:
    """The site of the worlds in those folders, with a blank page beside its own."""
    loaded = map(World.from_pretrained, worlds)
    export_site(loaded, len(worlds), folder, ROOT / "assets", runtime_files(None), quiet=True)
    (folder / BLANK).write_text("<!doctype html><title>blank</title>")
    return folder


class Served:
    """A folder at `url`; `asked` lists the paths that were asked for."""

    def __init__(self, server: ThreadingHTTPServer, asked: list[str]) -> None:
        self.server, self.asked = server, asked
        self.url = f"http://127.0.0.1:{server.server_address[1]}/"

    def stop(self) -> None:
        """Refuses every connection from now on."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serves `folder` as `python -m http.server` does."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            asked.append(self.path.partition("?")[0].lstrip("/"))

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    running = Served(server, asked)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A proxy for all that leaves this computer: it lets nothing out, and lists what was asked for.

    The browser's own calls home for updates are left out.
    """
    asked: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = self.rfile.readline().decode("latin-1").strip()
            if not OWN_CALLS.search(request):
                asked.append(request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}", asked
        finally:
            proxy.shutdown()


@contextmanager
def browsing(*arguments: str, proxy: str | None = None, kind: Any = None) -> Iterator[Any]:
    """A browser without a network, or with what is behind `proxy` for all but this computer.

    `kind` is that of a browser that runs already: one driver is all that a test may have.
    """
    from playwright.sync_api import sync_playwright

    way_out = f"--proxy-server={proxy}" if proxy else "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with contextlib.ExitStack() as opened:
        kind = kind or opened.enter_context(sync_playwright()).chromium
        browser = kind.launch(executable_path=BROWSER, args=[*ARGUMENTS, way_out, *arguments])
        opened.callback(browser.close)
        yield browser


class Tab:
    """A blank page of the site in a context of its own, with the engine's client in it."""

    def __init__(self, browser: Any, url: str) -> None:
        self.context = browser.new_context()
        self.asked: list[str] = []  # addresses that the page and its workers asked for
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.url = url
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(url + BLANK)

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open(self, world: str, home: bool = False, **options: Any) -> dict[str, Any]:
        """Loads `world`; with `home` by the service worker, for which a first visit reloads."""
        asked = {"world": world, "home": home, "backend": "wasm", **options}
        return self.through_reload(lambda: self.page.evaluate(OPEN, asked))

    def through_reload(self, call: Callable[[], Any]) -> Any:
        from playwright.sync_api import Error

        for _ in range(RELOADS):  # the old page may answer once more while the new one loads
            try:
                return call()
            except Error as error:
                if "navigation" not in str(error) and "context was destroyed" not in str(error):
                    raise
                self.page.wait_for_timeout(500)
                self.page.wait_for_load_state()
        return call()

    def until(self, asked: str, given: Any = None, meanwhile: str | None = None) -> None:
        """Waits until the function `asked`, which may be async, gives something true; calls `meanwhile` in between.

        Playwright's own wait takes the promise of an async function for true.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.page.evaluate(asked, given):
            assert time.monotonic() < deadline, f"{asked} never came true"
            if meanwhile:
                self.page.evaluate(meanwhile)
            self.page.wait_for_timeout(200)

    def refusal(self, world: str, **options: Any) -> str:
        """What the page says when `world` cannot be loaded."""
        from playwright.sync_api import Error

        with pytest.raises(Error) as caught:
            self.open(world, **options)
        return str(caught.value).split("Error: ")[-1].split("\n")[0]

    def reset(self, prompt: np.ndarray, seed: int) -> np.ndarray:
        return self._picture(self.page.evaluate(RESET, {"prompt": prompt.ravel().tolist(), "seed": seed}))

    def steps(self, actions: list[int]) -> list[np.ndarray]:
        return [self._picture(picture) for picture in self.page.evaluate(STEPS, actions)]

    def goto(self, index: int, line: int | None = None) -> np.ndarray:
        call = "async ([i, line]) => Array.from((await client.goto(i, line ?? undefined)).picture)"
        return self._picture(self.page.evaluate(call, [index, line]))

    def session(self) -> bytes:
        return bytes(self.page.evaluate("async () => Array.from((await client.session()).bytes)"))

    def load_session(self, content: bytes) -> dict[str, Any]:
        call = "async (b) => { const s = await client.loadSession(Uint8Array.from(b)); return {...s, picture: 0}; }"
        return self.page.evaluate(call, list(content))

    @property
    def kept(self) -> float:
        """Megabytes that the worker keeps of what was played."""
        return self.page.evaluate("async () => (await client.memory()).bytes") / 1e6

    @property
    def megabytes(self) -> float:
        """What the browser's processes that run pages occupy."""
        told = self.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
        pages = [process["id"] for process in told["processInfo"] if process["type"] == "renderer"]
        return sum(resident(pid) for pid in pages)

    def _picture(self, rgba: list[int]) -> np.ndarray:
        height, width = self.page.evaluate("config.frame_size")
        return np.array(rgba, np.uint8).reshape(height, width, 4)[..., :3]


def resident(pid: int) -> float:
    """Megabytes of a process that lie in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else 0.0


__all__ = ["STATIC", "Served", "Tab", "browsing", "elsewhere", "export", "needs_browser", "served"]
