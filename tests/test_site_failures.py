"""The static page when something is wrong: each fault is one sentence. And what it keeps for a time without network."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright", reason="pip install -r tests/requirements.txt")

from static_site import Served, Tab, browsing, export, needs_browser, served

from app.site.export import _list_files

STEP = "worlds/tiny/step.onnx"
WEIGHTS = "worlds/tiny/dynamics/model.safetensors"

FORGET_THE_GRAPH = """async () => {
    const cache = await caches.open((await caches.keys())[0]);
    for (const { url } of await cache.keys()) if (url.includes('step.onnx')) await cache.delete(url);
}"""
ALL_KEPT = """async (paths) => {
    const cache = await caches.open((await caches.keys())[0]);
    const urls = (await cache.keys()).map(({ url }) => url);
    return paths.every((path) => urls.some((url) => url.includes(path)));
}"""

pytestmark = needs_browser


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_world: Path) -> Path:
    return export(tmp_path_factory.mktemp("site") / "site", tiny_world)


@pytest.fixture
def site(exported: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(exported, tmp_path / "site"))


@pytest.fixture
def here(site: Path) -> Iterator[Served]:
    with served(site) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as running:
        yield running


def prompt() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)


def is_one_sentence(said: str) -> bool:
    return re.fullmatch(r"[A-Za-z][^\n]{20,250}\.", said) is not None and "undefined" not in said


def test_damaged_files_are_told(browser: Any, here: Served, site: Path) -> None:
    graph, weights = (site / STEP).read_bytes(), (site / WEIGHTS).read_bytes()
    faults = {
        "bytes, expected": lambda: (site / STEP).write_bytes(graph[:1000]),
        "its hash differs": lambda: (site / STEP).write_bytes(graph[:-1] + bytes([graph[-1] ^ 1])),
        "answered 404": lambda: (site / STEP).unlink(),
        "more than the": lambda: (site / STEP).write_bytes(graph + b"more"),
        "dynamics/model.safetensors": lambda: (site / WEIGHTS).write_bytes(weights[: len(weights) // 2]),
    }
    for words, damage in faults.items():
        damage()
        with Tab(browser, here.url) as tab:
            said = tab.refusal("tiny")
            assert words in said and is_one_sentence(said)
        (site / STEP).write_bytes(graph)
    (site / WEIGHTS).write_bytes(weights)
    with Tab(browser, here.url) as tab:
        assert "no world of that name; it has tiny" in tab.refusal("of that name")
        assert tab.open("tiny")["backend"] == "wasm", "a page that failed once tries again"


def test_a_browser_without_webassembly_is_told(browser: Any, here: Served, site: Path) -> None:
    """It has one, so the worker is made to forget it before it looks."""
    worker = (site / "js/worker.js").read_text(encoding="utf-8")
    (site / "js/worker.js").write_text(f"delete globalThis.WebAssembly;\n{worker}", encoding="utf-8")
    with Tab(browser, here.url) as tab:
        said = tab.refusal("tiny")
        assert "has no WebAssembly" in said and is_one_sentence(said)


def test_a_device_with_little_memory_is_told(browser: Any, here: Served) -> None:
    little = "--js-flags=--wasm-max-mem-pages=100"
    with browsing(little, kind=browser.browser_type) as small, Tab(small, here.url) as tab:
        said = tab.refusal("tiny")
        assert "too little memory" in said and is_one_sentence(said)


def test_what_cannot_be_played_is_told_and_play_goes_on(browser: Any, here: Served) -> None:
    with Tab(browser, here.url) as tab:
        tab.open("tiny")
        tab.reset(prompt(), 1)
        tab.steps([0, 1, 2])
        session = tab.session()
        flipped = bytearray(session)
        flipped[-1] ^= 1
        said = tab.page.evaluate(
            """async ([damaged, cut]) => {
                const calls = [
                    () => client.step(99), () => client.step(0.5), () => client.goto(7), () => client.goto(-1),
                    () => client.reset({ width: 8, height: 8, data: new Uint8ClampedArray(256) }, 0),
                    () => client.loadSession(Uint8Array.from(damaged)), () => client.loadSession(Uint8Array.from(cut)),
                    () => client.loadSession(new TextEncoder().encode("{} no session")),
                    () => client.loadSession(new Uint8Array(0)),
                ];
                const said = [];
                for (const call of calls) said.push(await call().then(() => "played", (error) => error.message));
                return said;
            }""",
            [list(flipped), list(session[:-40])],
        )
        assert all(map(is_one_sentence, said)), said
        assert tab.load_session(session)["tip"] == 3
        assert len(tab.steps([0])) == 1


def test_where_another_world_fails_what_is_played_goes_on(browser: Any, here: Served, site: Path) -> None:
    add_damaged_world(site)
    with Tab(browser, here.url) as tab, Tab(browser, here.url) as undisturbed:
        for each in (tab, undisturbed):
            each.open("tiny")
            each.reset(prompt(), 1)
            each.steps([0, 1, 2, 3])
        load = "(world) => client.load(world).then(() => 'opened', (error) => error.message)"
        for _ in range(2):
            assert "its hash differs" in tab.page.evaluate(load, "damaged")
        assert (tab.goto(2) == undisturbed.goto(2)).all()
        for mine, other in zip(tab.steps([3, 3, 1]), undisturbed.steps([3, 3, 1]), strict=True):
            assert (mine == other).all()
        assert tab.session() == undisturbed.session()
        (site / "worlds/damaged/step.onnx").write_bytes((site / STEP).read_bytes())
        assert tab.page.evaluate(load, "damaged") == "opened"
        assert (tab.reset(prompt(), 1) == undisturbed.reset(prompt(), 1)).all(), "it is mended, and plays as the first"


def add_damaged_world(site: Path) -> None:
    """A second world, `damaged`, like the first one but for a bit of its graph."""
    shutil.copytree(site / "worlds/tiny", site / "worlds/damaged")
    content = (site / STEP).read_bytes()
    (site / "worlds/damaged/step.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = json.loads((site / "worlds.json").read_text(encoding="utf-8"))
    told["worlds"].append(told["worlds"][0] | {"name": "damaged", "folder": "worlds/damaged"})
    (site / "worlds.json").write_text(json.dumps(told), encoding="utf-8")


def test_after_a_visit_it_plays_offline_and_what_it_never_had_is_told(browser: Any, site: Path) -> None:
    with served(site) as here, Tab(browser, here.url) as tab:
        tab.open("tiny", home=True)
        first = tab.reset(prompt(), 1)
        heavy = [path for path in here.asked if path.endswith((".gz", ".safetensors", ".onnx"))]
        assert sorted({*heavy}) == sorted(heavy), "nothing heavy is downloaded twice"
        wait_until_kept(tab, [*heavy])
        here.stop()
        tab.context.set_offline(True)
        tab.page.goto(tab.url)  # the page itself
        assert "genie" in tab.page.title().lower()
        tab.page.goto(tab.url + "js/told.js")  # any page of the site that is at hand
        opened = tab.open("tiny", home=True)
        assert opened["isolated"], "by the service worker's headers"
        assert (tab.reset(prompt(), 1) == first).all()
        assert len(tab.steps([0, 1])) == 2
        tab.page.evaluate(FORGET_THE_GRAPH)
        tab.page.goto(tab.url + "js/told.js")
        said = tab.refusal("tiny", home=True)
        assert "not on this device" in said and "no connection" in said and is_one_sentence(said)


def wait_until_kept(tab: Tab, paths: list[str]) -> None:
    tab.until(ALL_KEPT, paths)


def test_a_new_version_fetches_what_changed_alone(browser: Any, here: Served, site: Path) -> None:
    with Tab(browser, here.url) as tab:
        tab.open("tiny", home=True)
        wait_until_kept(tab, [STEP])
        shown = "async () => (await (await fetch('js/told.js')).text()).includes('version two')"
        assert not tab.page.evaluate(shown)
        with (site / "js/told.js").open("a") as file:
            file.write("// version two\n")
        worker = (site / "sw.js").read_text(encoding="utf-8")
        (site / "sw.js").write_text(re.sub(r"const FILES = \{.*\};", "const FILES = {};", worker), encoding="utf-8")
        _list_files(site)
        here.asked.clear()
        tab.page.goto(tab.url + "blank.html")
        # The browser looks for updates of its own accord too: a look that began before the change may answer for ours.
        look = "async () => { (await navigator.serviceWorker.ready).update().catch(() => {}); }"
        tab.until(shown, meanwhile=look)
        assert {*here.asked} - {"blank.html"} == {"sw.js", "js/told.js"}
        assert tab.open("tiny", home=True)["backend"] == "wasm"
