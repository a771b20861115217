"""A visitor of the web demo with a real browser, for tests."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from webdemo import PATIENCE, Demo

ROOT = Path(__file__).parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync"]
RECORD = """() => {  // every frame that is drawn, by its number: what led there and the picture
    window.game = document.querySelector('[data-frames]'); window.drawn = [];
    new MutationObserver(() => window.drawn.push({...game.dataset, picture: game.querySelector('canvas').toDataURL()}))
        .observe(game, {attributeFilter: ['data-frame']});
}"""
SAID = """const said = window.said = [];  // every sentence over the picture
addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
    const now = document.querySelector('.word')?.textContent;
    if (now && now !== said.at(-1)) said.push(now);
}).observe(document, {subtree: true, childList: true, characterData: true}))"""
NO_SOCKETS = """window.WebSocket = class {
    constructor() { setTimeout(() => this.onclose({code: 1006}), 10) }
    close() {}
}"""


@contextmanager
def open_browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """A page in a browser context of its own."""

    def __init__(self, browser: Any, demo: Demo, script: str = "", address: str = "", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}} | options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.add_init_script(SAID)
        if script:
            self.page.add_init_script(script)
        self.questions: list[str] = []  # that the page asked, all answered yes
        self.page.on("dialog", self._agree)
        self.page.goto(address or demo.url)
        self.page.wait_for_selector("#view .stage")

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.context.close()
        assert kind is not None or self.faults == []

    def _agree(self, dialog: Any) -> None:
        self.questions.append(dialog.message or dialog.type)
        dialog.accept()

    def upload(self, path: Path) -> None:
        """Plays a picture of the visitor's own, which waits for a key."""
        self.page.set_input_files("#picture input[type=file]", str(path))
        self.page.wait_for_selector("[data-status=resting]")
        self.page.keyboard.press("p")  # plays on
        self.playing()

    def start(self) -> None:
        """Begins a game from the first picture by a click, and lets it play on."""
        self.page.click(".stage")
        self.page.wait_for_selector("[data-status=resting]")
        self.page.keyboard.press("p")
        self.playing()

    def playing(self) -> None:
        self.page.wait_for_function("+document.querySelector('[data-frames]')?.dataset.frames > 2")
        self.page.evaluate(RECORD)

    def state(self) -> dict[str, str]:
        return self.page.evaluate("({...game.dataset})")

    def until(self, condition: str) -> None:
        """Waits until a condition over `game.dataset`, called d, and `drawn` holds."""
        self.page.wait_for_function(f"() => {{ const d = game.dataset; return {condition} }}")

    def word(self, part: str) -> None:
        """Waits until a sentence over the picture had this part."""
        self.page.wait_for_function("part => said.some(text => text.includes(part))", arg=part)

    def picture(self) -> str:
        return self.page.evaluate("document.querySelector('#view canvas').toDataURL()")

    def back(self) -> None:
        """Waits for the game to be shown again, on a page that was loaded anew."""
        self.page.wait_for_function("+document.querySelector('[data-frames]')?.dataset.frames > 0")
        self.page.evaluate(RECORD)

    def drawn(self) -> list[tuple[int, str, np.ndarray]]:
        """Step, action's name and picture, uint8 (H, W, 3), of each frame drawn since the page was first looked at."""
        frames = self.page.evaluate("drawn.map(d => [d.step, d.action, d.picture])")
        return [(int(step), action, pixels(url)) for step, action, url in frames]


def pixels(url: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))
