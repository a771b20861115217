"""The page of the static site for tests, on a stub of the engine's client, and a visitor with a real browser."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from static_site import STATIC

HEIGHT, WIDTH = 40, 56  # of no world that ships, and not square
NAMES = [
    ("hop", ["up", "space"]),
    ("east", ["right", "d"]),
    ("stay", []),
    ("west", ["left", "a"]),
    ("hop_east", ["up+right"]),
    ("hop_2", []),
]
HOP, EAST, STAY, WEST, HOP_EAST, HOP_2 = range(len(NAMES))
MOTION = {"east": [1.0, 0.0], "west": [-1.0, 0.0], "hop_east": [1.0, -2.0], "stay": [0.0, 0.0]}
MOTION |= {name: [0.0, -2.0] for name in ("hop", "hop_2")}
PATIENCE = 30.0
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}


def stub_site(folder: Path, fps: float = 40) -> Path:
    """The page with two worlds and three pictures, whose client is tests/stub_client.js."""
    shutil.copytree(STATIC, folder)
    shutil.copy(Path(__file__).with_name("stub_client.js"), folder / "js" / "client.js")
    pictures = [f"pictures/start-{number}.png" for number in range(3)]
    (folder / "pictures").mkdir()
    for number, path in enumerate(pictures):
        Image.fromarray(noise(number, HEIGHT, WIDTH)).save(folder / path)
    actions = [{"id": i, "name": name, "keys": keys, "motion_px": MOTION[name]} for i, (name, keys) in enumerate(NAMES)]
    config = {"fps": fps, "frame_size": [HEIGHT, WIDTH], "actions": actions, "guessing_above": 1.0, "guessed": WEST}
    for world, temperature in {"first": 0.7, "second": 0.0}.items():
        (folder / "worlds" / world).mkdir(parents=True)
        told = config | {"sampling": {"temperature": temperature}}
        (folder / "worlds" / world / "config.json").write_text(json.dumps(told))
    worlds = [
        {"name": name, "folder": f"worlds/{name}", "pictures": pictures, "fingerprint": {"net": name}}
        for name in ("first", "second", "broken")
    ]
    (folder / "worlds.json").write_text(json.dumps({"worlds": worlds}))
    return folder


def noise(seed: int, height: int, width: int) -> np.ndarray:
    """uint8 (H, W, 3) with a gradient and some noise, as pictures have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([4 * x, 5 * y, 2 * (x + y)], -1) + rng.integers(0, 30, (height, width, 3)) + 40 * seed
    return (smooth % 256).astype(np.uint8)


class Visitor:
    """A page in a browser context of its own. `faults` are errors and refusals of the page's security policy."""

    def __init__(self, browser: Any, url: str, fragment: str = "", script: str = "", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self.asked.append(request.url))
        if script:
            self.page.add_init_script(script)
        self.url = url
        self.page.goto(url + fragment)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.context.close()
        assert kind is not None or self.faults == []
        foreign = [url for url in self.asked if not url.startswith((self.url, "blob:", "data:"))]
        assert foreign == [], "no request leaves the origin"

    def get(self, expression: str, given: Any = None) -> Any:
        """An expression, or a function of `given`. wait_for_function would evaluate text, which the policy forbids."""
        from playwright.sync_api import Error

        try:
            return self.page.evaluate(expression, given)
        except Error as error:
            if "navigation" not in str(error) and "context was destroyed" not in str(error):
                raise
            self.page.wait_for_load_state()  # a first visit reloads once, for threads
            return self.page.evaluate(expression, given)

    def until(self, condition: str, seconds: float = PATIENCE) -> None:
        """Waits until a condition over the body's `dataset`, called d, holds."""
        end = time.monotonic() + seconds
        while not self.get(f"(() => {{ const d = document.body.dataset; return {condition} }})()"):
            assert time.monotonic() < end, f"waited in vain for {condition}: {self.state()} {self.word()}"
            time.sleep(0.02)

    def paused(self) -> int:
        """Waits until play is paused and the step that was under way is shown; the number of that step."""
        self.until("d.mode === 'paused'")
        if self.get("'stub' in window"):
            self.until("stub.working === 0 && d.step == stub.client.index")
            return self.step()
        step = None  # of the real engine, which takes a tenth of a second
        while step != (step := self.step()):
            time.sleep(1)
        return step

    def until_word(self, part: str) -> None:
        self.until(f"document.getElementById('word').textContent.includes({json.dumps(part)})")

    def state(self) -> dict[str, str]:
        return self.get("({...document.body.dataset})")

    def step(self) -> int:
        return int(self.state()["step"])

    def word(self) -> str:
        return self.get("document.getElementById('word').textContent")

    def actions(self) -> list[int]:
        return self.get("stub.client.actions")

    def note(self) -> tuple[int, int, int]:
        """What the stub wrote into the frame shown: index, action, seed."""
        data = "document.getElementById('picture').getContext('2d').getImageData(0, 0, 1, 1).data"
        first = self.get(f"Array.from({data})")
        return first[0], first[1], first[2]

    def prompt(self) -> np.ndarray:
        """The pixels that play began from last, uint8 (H, W, 3)."""
        told = self.get("stub.prompts.at(-1)")
        return np.array(told["data"], np.uint8).reshape(told["height"], told["width"], 4)[..., :3]

    def started(self) -> int:
        return self.get("stub.prompts.length")

    def begin(self) -> None:
        """Takes over from the world that moves by itself, and goes back to its picture, paused."""
        self.until("d.mode === 'attract' && d.step > 0")
        self.page.keyboard.press("p")
        self.until("d.mode === 'paused' && d.step == 0")

    def play(self, steps: int) -> None:
        """Takes over, and plays more than so many steps."""
        self.begin()
        self.page.keyboard.press("p")
        self.page.keyboard.down("ArrowRight")
        self.until(f"d.mode === 'playing' && d.step > {steps}")
        self.page.keyboard.up("ArrowRight")
        self.page.keyboard.press("p")
        self.paused()

    def saved(self, button: str) -> bytes:
        with self.page.expect_download() as loading:
            self.page.click(button)
        return Path(loading.value.path()).read_bytes()


@contextmanager
def fingers(visitor: Visitor) -> Iterator[Any]:
    """Touches that are down: a function that takes {id: (x, y)} of all fingers."""
    session = visitor.context.new_cdp_session(visitor.page)
    down: dict[int, tuple[float, float]] = {}

    def touch(points: dict[int, tuple[float, float]]) -> None:
        lifted = {number: at for number, at in down.items() if number not in points}
        kind = "touchEnd" if lifted else "touchStart" if points.keys() - down.keys() else "touchMove"
        told = [{"x": x, "y": y, "id": number} for number, (x, y) in (lifted or points).items()]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told if points else []})
        down.clear()
        down.update(points)

    yield touch
    touch({})


def as_file(picture: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    return file.getvalue()


def hand_over(visitor: Visitor, event: str, content: bytes, name: str, kind: str) -> None:
    """Pastes or drops a file as the browser would."""
    given = {"event": event, "data": base64.b64encode(content).decode(), "name": name, "kind": kind}
    script = """({ event, data, name, kind }) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([bytes], name, { type: kind }));
        const told = event === 'paste'
            ? new ClipboardEvent('paste', { clipboardData: files, bubbles: true })
            : new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true });
        document.body.dispatchEvent(told);
    }"""
    visitor.get(script, given)
